"""The whole of what an agent gets for one job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..domain.jobs import JobSpec, Kind
from ..domain.scheduling import Payload, Submission, mark
from . import sbatch
from .payload import PARAMETERS
from .provenance import provenance
from .session import Door, session_files
from .sweep import SWEEP
from .wrapper import wrapper


@dataclass(frozen=True)
class Surroundings:
    """What a job meets on a node, the same for all jobs of a site."""

    claim_url: str = ""
    """The portal's base URL as seen from a node; "" leaves the claim to the job folder alone."""

    ca_file: str = ""
    """PEM file by which a node trusts the portal; "" for the node's own store."""

    apptainer: str = "/usr/bin/apptainer"
    """"" runs the payload on the host, without any image."""

    verify: str = "changed"
    """When the image's digest is taken at a job's start: `changed` (size or time differ), `always`."""


def render(
    spec: JobSpec,
    job_id: int,
    *,
    files: Mapping[str, str],
    claim_secret: str,
    surroundings: Surroundings,
    slurm_ids: Mapping[int, int] | None = None,
    door: Door | None = None,
) -> Submission:
    """What `spec`'s owner's agent writes and submits.

    `files`: texts by name: the payload under `spec.filename` and, for a notebook with parameters,
    `parameters.txt` from `parameters_text`, for a sweep its rows from `sweep_text`. `slurm_ids`: job id →
    Slurm id of the jobs it depends on; `door`: of a session. Raises KeyError when one of those is missing.
    """
    around = surroundings
    script = wrapper(
        spec,
        job_id,
        apptainer=around.apptainer,
        verify=around.verify,
        claim=(around.claim_url.rstrip("/"), around.ca_file),
        parametrised=PARAMETERS in files,
        swept=SWEEP in files,
    )
    return Submission(
        uuid=spec.uuid,
        mark=mark(spec.name, spec.uuid),
        root=spec.results_root,
        folder=spec.folder,
        files=(
            *_payloads(spec, files),
            *_own_files(spec, job_id, files, claim_secret),
            *_session(spec, door, spec.target if around.apptainer else spec.path),
        ),
        options=sbatch.options(spec, slurm_ids or {}),
        script=script,
    )


def _payloads(spec: JobSpec, files: Mapping[str, str]) -> list[Payload]:
    """The payload's files; a script must be executable, its `#!` line says by what."""
    executable = spec.filename if spec.kind is Kind.SCRIPT else None
    return [
        Payload(path=name, text=text, mode=0o700 if name == executable else 0o600)
        for name, text in files.items()
    ]


def _session(spec: JobSpec, door: Door | None, folder: str) -> list[Payload]:
    return session_files(spec, spec.app, door, folder) if spec.app and door else []


def _own_files(spec: JobSpec, job_id: int, files: Mapping[str, str], claim_secret: str) -> list[Payload]:
    header = f"Authorization: Bearer {claim_secret}\n"
    return [
        Payload(path="provenance.json", text=provenance(spec, job_id, dict(files))),
        Payload(path=".sciserver/claim.header", text=header),
        Payload(path=sbatch.ENVIRONMENT, text=sbatch.ENVIRONMENT_TEXT),
    ]
