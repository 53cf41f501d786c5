"""The provenance record: what ran, on what, with which rights. The wrapper adds how it went."""

from __future__ import annotations

import hashlib
import json

from ..domain.apps import App
from ..domain.jobs import JobSpec
from .apptainer import mounts

FORMAT = 1


def provenance(spec: JobSpec, job_id: int, files: dict[str, str]) -> str:
    """JSON whose last key is `run`, null until the wrapper puts its part there.

    `files`: the payload's texts by name. Digests are sha256 hex of UTF-8 text, sizes MiB, times seconds.
    """
    record = {
        "format": FORMAT,
        "job": {"id": job_id, "uuid": spec.uuid, "name": spec.name, "owner": spec.owner, "uid": spec.uid},
        "domain": {"name": spec.domain, "cluster": spec.cluster, "partition": spec.partition},
        "image": {"name": spec.image, "version": spec.image_version, "sha256": spec.image_sha256},
        "volumes": [
            {"volume": m.volume, "target": m.target, "mode": "rw" if m.writable else "ro"}
            for m in mounts(spec)
        ],
        "payload": {
            "kind": spec.kind,
            "file": spec.filename,
            "kernel": spec.kernel,
            "arguments": list(spec.arguments),
            "files": {name: {"sha256": _sha256(text)} for name, text in sorted(files.items())},
            "workdir": spec.workdir or spec.target,
            "array": spec.array,
        },
        "app": spec.app and _app(spec, spec.app),
        "resources": spec.resources.model_dump(),
        "run": None,
    }
    return json.dumps(record, indent=2) + "\n"


def _app(spec: JobSpec, app: App) -> dict[str, object]:
    services = {
        one.service: {"name": one.image, "version": one.version, "sha256": one.sha256}
        for one in spec.services
    }
    told: dict[str, object] = {"name": app.name, "version": app.version, "values": spec.values}
    return told | {"services": services} if services else told


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
