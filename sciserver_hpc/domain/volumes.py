"""Volumes: named places on the shared filesystem."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .model import Model
from .names import Slug, Username

WORKSPACE = "/home/idies/workspace"
"""Where volumes appear inside an image, as in SciServer."""


class Mode(StrEnum):
    """How a volume is mounted."""

    READ_ONLY = "ro"
    READ_WRITE = "rw"


class VolumeMount(Model):
    """A volume asked for by name.

    User volume: `Storage/alice/persistent`; data volume: `sdss`.
    """

    volume: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(/[a-z_][a-z0-9_.-]{0,31}/[A-Za-z0-9][A-Za-z0-9_.-]{0,63})?\z"
    )
    mode: Mode = Mode.READ_ONLY

    @classmethod
    def parse(cls, text: str) -> VolumeMount:
        """Read `NAME[:ro|:rw]`, read-only when no mode is given.

        Raises pydantic.ValidationError.
        """
        name, _, mode = text.partition(":")
        return cls.model_validate({"volume": name, "mode": mode or "ro"})

    def __str__(self) -> str:
        return f"{self.volume}:{self.mode}"


class RootKind(StrEnum):
    """What a root volume promises."""

    STORAGE = "storage"
    """Kept, with a quota."""

    TEMPORARY = "temporary"
    """Scratch: purged after a while."""


class RootVolume(Model):
    """A place where user volumes live, as `<path>/<owner>/<name>`."""

    name: Slug
    path: str = Field(pattern=r"^/")
    kind: RootKind = RootKind.STORAGE
    description: str = ""


class DataVolume(Model):
    """A curated data set, mounted at `<workspace>/<name>`."""

    name: Slug
    path: str = Field(pattern=r"^/")
    description: str = ""


class UserVolume(Model):
    """`<root>/<owner>/<name>`: a directory owned by its owner."""

    id: int
    root: Slug
    owner: Username
    name: Slug
    description: str = ""

    @property
    def ref(self) -> str:
        """The address `<root>/<owner>/<name>`, which is also the path under the workspace."""
        return f"{self.root}/{self.owner}/{self.name}"
