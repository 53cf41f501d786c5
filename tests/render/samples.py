"""Jobs to render, one of every kind."""

from __future__ import annotations

from typing import Any

from sciserver_hpc.domain.compose import Service
from sciserver_hpc.domain.jobs import Dependency, JobSpec, Kind, Mount, ServiceImage
from sciserver_hpc.domain.resources import Resources
from tests.fakes.sessions import make_app

UUID = "0123456789abcdef0123456789abcdef"

_SPEC: dict[str, Any] = {
    "uuid": UUID,
    "name": "sun's spots; $(id)",
    "owner": "alice",
    "uid": 10001,
    "gid": 10001,
    "domain": "small",
    "cluster": "default",
    "partition": "batch",
    "account": "astro",
    "qos": "normal",
    "image": "python",
    "image_version": "2026.1",
    "image_path": "/srv/images/python.sif",
    "image_sha256": "ab" * 32,
    "image_size": 1234,
    "image_mtime_ns": 1_700_000_000_000_000_042,
    "kind": Kind.SHELL,
    "filename": "command.txt",
    "mounts": (
        Mount(volume="sdss", source="/srv/data/sdss", target="/home/idies/workspace/sdss", writable=False),
        Mount(
            volume="Storage/alice/persistent",
            source="/srv/Storage/alice/persistent",
            target="/home/idies/workspace/Storage/alice/persistent",
            writable=True,
        ),
    ),
    "resources": Resources(cpus=2, memory_mb=512, time_limit_s=90),
    "results_root": "/srv/Temporary/alice/jobs",
    "folder": "2026-11-23/20261123-220000-7",
    "results_target": "/home/idies/workspace/Temporary/alice/jobs",
    "results_volume": "Temporary/alice/jobs",
}


def spec(**changes: Any) -> JobSpec:
    """A shell job, changed in the named fields."""
    return JobSpec(**_SPEC | changes)


SHELL = spec()
SCRIPT = spec(kind=Kind.SCRIPT, filename="fit.py", arguments=("-x", "two words", "it's"))
NOTEBOOK = spec(kind=Kind.NOTEBOOK, filename="sun spots.ipynb", kernel="python3")
ARRAY = spec(array="0-9%2", dependencies=(Dependency(job=3), Dependency(job=4)), account=None, qos=None)
SWEEP = spec(array="0-1", sweep=("period",))
SESSION = spec(
    kind=Kind.SESSION,
    name="my lab",
    filename="app.sh",
    app=make_app(inject=(("Authorization", "token {secret}"),), start='exec lab --at "$app_socket"'),
    values={"hours": 2, "title": "it's $(id)"},
    deadline_s=7200,
)
SERVICES = spec(
    kind=Kind.SESSION,
    filename="app.sh",
    app=make_app(services=(Service(name="database", image="postgres", command='serve "$value_volume"\n'),)),
    values={"volume": "Storage/alice/it's $(id)"},
    services=(
        ServiceImage(
            service="database",
            image="postgres",
            version="15.0",
            path="/srv/images/it's.sif",
            sha256="cd" * 32,
            size=99,
            mtime_ns=1_700_000_000_000_000_007,
        ),
    ),
)
GPU = spec(resources=Resources(cpus=1, tasks=4, nodes=2, gpus=2, time_limit_s=7200), workdir="/tmp")
