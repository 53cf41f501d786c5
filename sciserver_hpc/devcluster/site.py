"""The catalogue of the development cluster: what its partitions, images and volumes offer, and to whom."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ..app_files import AppFiles
from ..domain import toml
from ..domain.access import Action, Grant, Resource, Subject
from ..domain.catalogue import ComputeDomain, Image, Site
from ..domain.resources import Limits, Resources
from ..domain.volumes import DataVolume, RootKind, RootVolume
from . import data, images, sharedfs, slurm
from .accounts import GROUPS, base
from .namespace import Namespace
from .state import State, directory

EVERYONE = Subject(kind="everyone")
ASTRO = Subject(kind="group", name="astro")
ASTRO_ONLY = "survey"
"""The one data volume that not everybody may read, so that a refusal can be seen."""


def prepare(namespace: Namespace) -> None:
    """Make sure of images and data, and write site.toml."""
    state = namespace.state
    found = images.ensure(say=_say)
    titles = {one.name: one.title for one in data.DATA_SETS}
    offered = [
        DataVolume(name=name, path=str(path), description=titles[name])
        for name, path in data.ensure(state.shared / "data", _say).items()
    ]
    write(state, catalogue(state, found, [*offered, _astro_only(state, offered[0])]))


def _say(line: str) -> None:
    print(f"dev: {line}", flush=True)


def write(state: State, site: Site) -> None:
    """Write site.toml."""
    values = site.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    State.write(state.etc / "site.toml", toml.dumps(values))


def catalogue(state: State, found: Iterable[Image], volumes: Iterable[DataVolume]) -> Site:
    """Everyone may use both domains, all images and all data volumes but one, which is group astro's."""
    found, volumes = tuple(found), tuple(volumes)
    domains = _domains(found, volumes)
    open_volumes = [volume.name for volume in volumes if volume.name != ASTRO_ONLY]
    return Site(
        domains=domains,
        images=found,
        root_volumes=_roots(state),
        data_volumes=volumes,
        grants=(
            *(_grant(EVERYONE, Action.USE, "domain", domain.name) for domain in domains),
            *(_grant(EVERYONE, Action.USE, "image", image.name) for image in found),
            *(_grant(EVERYONE, Action.USE, "app", name) for name in AppFiles().apps()),
            *(_grant(EVERYONE, Action.READ, "data_volume", name) for name in open_volumes),
            _grant(ASTRO, Action.READ, "data_volume", ASTRO_ONLY),
        ),
    )


def _domains(found: tuple[Image, ...], volumes: tuple[DataVolume, ...]) -> tuple[ComputeDomain, ...]:
    shared = {
        "images": tuple(image.name for image in found),
        "root_volumes": tuple(sharedfs.ROOTS),
        "data_volumes": tuple(volume.name for volume in volumes),
        "defaults": Resources(cpus=1, memory_mb=1024, time_limit_s=3600),
    }
    memory = slurm.node_memory_mb()
    batch = ComputeDomain(
        name="batch", description="Jobs of up to a day on as many as four nodes.", partition="batch",
        qos="normal", limits=Limits(cpus=32, nodes=4, memory_mb=memory, time_limit_s=86_400), **shared,
    )  # fmt: skip
    interactive = ComputeDomain(
        name="interactive", description="Short work that starts at once: two hours, one node.",
        partition="interactive", qos="interactive", interactive=True,
        limits=Limits(cpus=4, nodes=1, memory_mb=min(4096, memory), time_limit_s=7200), extension_s=3600,
        **shared,
    )  # fmt: skip
    return (batch, interactive)


def _roots(state: State) -> tuple[RootVolume, ...]:
    about = {
        RootKind.STORAGE: "Kept, with a quota.",
        RootKind.TEMPORARY: "Scratch: files may go after a while.",
    }
    return tuple(
        RootVolume(
            name=name,
            path=str(sharedfs.root(state, name)),
            kind=RootKind(part),
            description=about[RootKind(part)],
        )
        for name, part in sharedfs.ROOTS.items()
    )


def _grant(subject: Subject, action: Action, kind: str, name: str) -> Grant:
    return Grant(subject=subject, action=action, resource=Resource(kind=kind, name=name))


def _astro_only(state: State, like: DataVolume) -> DataVolume:
    """A copy of a data volume that the file system, too, shows to group astro alone."""
    path = state.shared / "data" / ASTRO_ONLY
    if not path.exists():
        shutil.copytree(Path(like.path), path)
    directory(path, 0o750)
    os.chown(path, 0, base(state) + GROUPS["astro"])
    return DataVolume(
        name=ASTRO_ONLY, path=str(path), description="Group astro's own copy of the sunspot series."
    )
