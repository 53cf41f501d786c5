"""Files as people see them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime

from .model import Model


class FileKind(StrEnum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"
    """A pipe, a socket, a device: listed, never opened."""


class FileEntry(Model):
    """One entry of a directory.

    `name` may hold anything a filesystem allows; undecodable bytes are escaped `\\udcXX`.
    """

    name: str
    kind: FileKind
    size: int
    """Bytes."""

    modified_at: AwareDatetime
    mode: int
    """Permission bits."""
