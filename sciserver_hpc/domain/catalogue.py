"""What a site offers: compute domains and images."""

from __future__ import annotations

from pydantic import Field

from .access import Grant
from .limits import Limit
from .model import Model
from .names import Slug
from .resources import Limits, Resources
from .volumes import DataVolume, RootVolume


class ComputeDomain(Model):
    """Where work may run: a cluster's partition with account, QOS, limits, images and mountable root
    volumes."""

    name: Slug
    description: str = ""
    cluster: Slug = "default"
    partition: Slug
    account: Slug | None = None
    qos: Slug | None = None
    interactive: bool = False
    batch: bool = True
    images: tuple[Slug, ...] = ()
    """Names of images that may run here."""

    root_volumes: tuple[Slug, ...] = ()
    data_volumes: tuple[Slug, ...] = ()
    limits: Limits = Limits()
    defaults: Resources = Resources()


class Image(Model):
    """A SIF file of the catalogue.

    `sha256` is the digest of the file; a file that differs is refused.
    """

    name: Slug
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}\z")
    path: str = Field(pattern=r"^/")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}\z")
    size: int = Field(ge=0)
    """Bytes."""

    mtime_ns: int
    """The file's modification time when its digest was taken: while size and time stand, the digest
    stands."""

    title: str = ""
    description: str = ""
    kernels: tuple[str, ...] = ()
    """Jupyter kernel names for notebook jobs (`python3`, `ir`, `octave`)."""

    apps: tuple[str, ...] = ()


class Site(Model):
    """The declarative catalogue of a site, applied to the database as a whole."""

    domains: tuple[ComputeDomain, ...] = ()
    images: tuple[Image, ...] = ()
    root_volumes: tuple[RootVolume, ...] = ()
    data_volumes: tuple[DataVolume, ...] = ()
    grants: tuple[Grant, ...] = ()
    limits: tuple[Limit, ...] = ()
