"""What goes in and out of the API about the site's declaration."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from sciserver_hpc.domain.catalogue import ComputeDomain, Image
from sciserver_hpc.domain.differences import Difference
from sciserver_hpc.domain.limits import Limit
from sciserver_hpc.domain.model import Model
from sciserver_hpc.domain.sections import Section
from sciserver_hpc.domain.volumes import DataVolume, RootVolume


class ChangeQuery(Model):
    """How to change. diff: only tell; seen: the mark of the differences that were agreed to."""

    diff: bool = False
    seen: str = Field(default="", max_length=64)


class ChangeAnswer(Model):
    """What changes, or would. notes: sentences on what follows; mark: for `seen`."""

    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    mark: str
    saved: bool


class DomainsDeclared(Model):
    """Every compute domain."""

    entries: tuple[ComputeDomain, ...]


class DomainDeclared(Model):
    """One compute domain."""

    entry: ComputeDomain


class ImagesDeclared(Model):
    """Every image."""

    entries: tuple[Image, ...]


class ImageDeclared(Model):
    """One image."""

    entry: Image


class DataVolumesDeclared(Model):
    """Every data volume."""

    entries: tuple[DataVolume, ...]


class DataVolumeDeclared(Model):
    """One data volume."""

    entry: DataVolume


class RootVolumesDeclared(Model):
    """Every root volume."""

    entries: tuple[RootVolume, ...]


class RootVolumeDeclared(Model):
    """One root volume."""

    entry: RootVolume


class LimitsDeclared(Model):
    """Every limit."""

    entries: tuple[Limit, ...]


class LimitDeclared(Model):
    """One limit."""

    entry: Limit


ANSWERS: Mapping[Section, tuple[type[Model], type[Model]]] = {
    Section.DOMAINS: (DomainsDeclared, DomainDeclared),
    Section.IMAGES: (ImagesDeclared, ImageDeclared),
    Section.VOLUMES: (DataVolumesDeclared, DataVolumeDeclared),
    Section.ROOTS: (RootVolumesDeclared, RootVolumeDeclared),
    Section.LIMITS: (LimitsDeclared, LimitDeclared),
}
"""A part → the answers for all of it, and for one entry."""
