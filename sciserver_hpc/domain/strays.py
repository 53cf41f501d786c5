"""Jobs of ours in Slurm that the database does not know: it was restored from an older copy.

A name carries the UUID and can be forged, so a stray is its uid's own affair: it is offered to that person
alone, who could have read all it holds before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from .app_fields import Value
from .errors import Invalid
from .model import Model
from .names import JobName, Slug, Username, Uuid
from .problems import problems
from .resources import Resources
from .scheduling import Sighting
from .sessions import SessionRequest
from .volumes import Mode, VolumeMount

NOTE = "strays:"
"""Begins the key of the note in which the broker keeps a cluster's."""

MOST = 100
"""Strays of one cluster that are kept in mind."""


class Stray(Model):
    """One of them, as Slurm shows it."""

    uuid: Uuid
    uid: int
    slurm_id: int
    cluster: Slug
    node: str = ""


class _Loose(Model):
    """Of a provenance record only what is read here."""

    model_config = ConfigDict(extra="ignore")


class _Job(_Loose):
    uuid: Uuid
    name: JobName
    owner: Username


class _Named(_Loose):
    name: Slug


class _App(_Named):
    values: dict[str, Value] = Field(default_factory=dict, max_length=100)


class _Volume(_Loose):
    volume: str
    mode: Mode


class _Payload(_Loose):
    kind: Literal["session"]


class Provenance(_Loose):
    """What a session's provenance record says that starting it again needs. Hostile input."""

    job: _Job
    domain: _Named
    image: _Named
    app: _App
    payload: _Payload
    volumes: tuple[_Volume, ...] = Field(default=(), max_length=101)
    resources: Resources

    @model_validator(mode="after")
    def _sensible(self) -> Provenance:
        self.request(frozenset())
        return self

    def request(self, without: Collection[str]) -> SessionRequest:
        """What was asked, as far as it is known; `without` these volumes, which every session has."""
        mounts = [VolumeMount(volume=one.volume, mode=one.mode) for one in self.volumes]
        return SessionRequest(
            app=self.app.name,
            values=dict(self.app.values),
            name=self.job.name,
            domain=self.domain.name,
            image=self.image.name,
            volumes=tuple(mount for mount in mounts if mount.volume not in without),
        )


def read(text: bytes, uuid: str, owner: str) -> Provenance:
    """The record of this person's session. Raises Invalid: it is none, or another's."""
    try:
        record = Provenance.model_validate_json(text)
    except ValidationError as error:
        raise Invalid(problems(error)) from error
    if (record.job.uuid, record.job.owner) != (uuid, owner):
        raise Invalid({"provenance": "is another job's"})
    return record


def strays(cluster: str, seen: Iterable[Sighting], known: Collection[str]) -> list[Stray]:
    """Of what a look showed alive, those whose UUID is not known, at most MOST."""
    found = [
        Stray(uuid=one.uuid, uid=one.uid, slurm_id=one.slurm_id, cluster=cluster, node=one.node)
        for one in seen
        if one.uuid is not None and one.live and one.state is not None and not one.state.final
        if one.uuid not in known
    ]
    return found[:MOST]
