"""The options of sbatch (man sbatch, Slurm 22.05 and newer), each `--name=value`."""

from __future__ import annotations

from collections.abc import Mapping

from ..domain.jobs import JobSpec
from ..domain.scheduling import mark
from .session import WARNING_S

OUTPUT = ".sciserver/slurm-%j.out"
"""Where the wrapper's own words go; `%j` is Slurm's pattern for the job id."""

ENVIRONMENT = ".sciserver/environment"
"""File of the variables the wrapper starts with, NUL-separated (sbatch --export-file)."""

ENVIRONMENT_TEXT = "LANG=C.UTF-8\0"


def options(spec: JobSpec, slurm_ids: Mapping[int, int]) -> tuple[str, ...]:
    """Everything asked of Slurm for `spec`.

    `slurm_ids`: Slurm id of every job it depends on. Raises KeyError when one is missing.
    """
    return (*_identity(spec), *_place(spec), *_size(spec), *_when(spec, slurm_ids), *_signal(spec), *_FIXED)


_FIXED = (
    "--no-requeue",
    # A copy started again keeps the words of the one before it.
    "--open-mode=append",
)


def _signal(spec: JobSpec) -> list[str]:
    """A session's wrapper is told before the time limit, so that the app can save; a job's where one asks.
    Slurm may send it a minute early, so a short one is told later: it would end as it begins."""
    warning = spec.warn_s if spec.app is None else WARNING_S
    if warning is None:
        return []
    return [f"--signal=B:USR1@{min(warning, _minutes(spec) * 60 // 4)}"]


def _identity(spec: JobSpec) -> list[str]:
    """Name and paths.

    `--export-file` alone keeps the submitter's environment out of the job: NONE, NIL and lists also make the
    node run the user's login shell before the job (Slurm 22.05), and hold the job when that fails.
    """
    return [
        f"--job-name={mark(spec.name, spec.uuid)}",
        f"--chdir={spec.path}",
        # Standard error follows standard output where no --error is given. Slurm expands % in this path.
        f"--output={spec.path.replace('%', '%%')}/{OUTPUT}",
        f"--export-file={spec.path}/{ENVIRONMENT}",
    ]


def _place(spec: JobSpec) -> list[str]:
    asked = (("partition", spec.partition), ("account", spec.account), ("qos", spec.qos))
    return [f"--{name}={value}" for name, value in asked if value is not None]


def _minutes(spec: JobSpec) -> int:
    return -(-spec.resources.time_limit_s // 60)


def _size(spec: JobSpec) -> list[str]:
    asked = spec.resources
    gpus = [f"--gres=gpu:{asked.gpus}"] if asked.gpus else []
    return [
        f"--time={_minutes(spec)}",
        f"--nodes={asked.nodes}",
        f"--ntasks={asked.tasks}",
        f"--cpus-per-task={asked.cpus}",
        f"--mem={asked.memory_mb}M",
        *gpus,
    ]


def _when(spec: JobSpec, slurm_ids: Mapping[int, int]) -> list[str]:
    array = [f"--array={spec.array}"] if spec.array else []
    if not spec.dependencies:
        return array
    all_of = ",".join(f"{d.type}:{slurm_ids[d.job]}" for d in spec.dependencies)
    return [*array, f"--dependency={all_of}", "--kill-on-invalid-dep=yes"]
