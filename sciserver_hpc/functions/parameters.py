"""Submitit's parameters as the fields of a JobRequest."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from ..domain.errors import Invalid

OWN = frozenset({"domain", "image", "volumes", "array_parallelism", "signal_delay_s"})
"""Written with `sciserver_` before it for submitit.AutoExecutor."""

SHARED = frozenset(
    {
        "name",
        "timeout_min",
        "mem_gb",
        "nodes",
        "cpus_per_task",
        "gpus_per_node",
        "tasks_per_node",
        "stderr_to_stdout",
    }
)
"""Those of every executor of submitit."""

SIGNAL_DELAY_S = 90
"""Submitit's own: so long before the time limit a checkpoint is asked for."""


def checked(parameters: Mapping[str, Any]) -> None:
    """Raises Invalid with a sentence for each that cannot be carried out."""
    problems = {
        name: f"there is no such parameter; there are {', '.join(sorted(OWN | SHARED))}."
        for name in parameters.keys() - OWN - SHARED
    }
    if parameters.get("nodes", 1) != 1:
        problems["nodes"] = "a function runs on one node; ask for tasks_per_node there, or for an array."
    for name in ("timeout_min", "tasks_per_node", "cpus_per_task", "array_parallelism", "signal_delay_s"):
        value = parameters.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            problems[name] = f"{value!r} is no whole number of at least 1."
    if isinstance(parameters.get("volumes"), str):
        problems["volumes"] = "give a list, as in ['Storage/alice/data:rw', 'sdss']."
    if problems:
        raise Invalid(problems)


def fields(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields they set, resources as a mapping; what is not said is the domain's default."""
    found: dict[str, Any] = {
        name: parameters[name] for name in ("domain", "image") if parameters.get(name) is not None
    }
    found["name"] = parameters.get("name", "submitit")
    found["volumes"] = [_volume(text) for text in parameters.get("volumes", ())]
    found["resources"] = _resources(parameters)
    return found


def array(count: int, parameters: Mapping[str, Any]) -> str:
    """The indices of `count` calls."""
    at_once = parameters.get("array_parallelism")
    return f"0-{count - 1}" + (f"%{at_once}" if at_once else "")


def _volume(text: str) -> dict[str, str]:
    name, _, mode = text.partition(":")
    return {"volume": name, "mode": mode or "ro"}


def _resources(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Processes share one task of Slurm: the job has CPUs for them all."""
    ranks = parameters.get("tasks_per_node", 1)
    asked: dict[str, int] = {}
    if "timeout_min" in parameters:
        asked["time_limit_s"] = parameters["timeout_min"] * 60
    if "mem_gb" in parameters:
        asked["memory_mb"] = ceil(parameters["mem_gb"] * 1024)
    if "cpus_per_task" in parameters or ranks > 1:
        asked["cpus"] = parameters.get("cpus_per_task", 1) * ranks
    if "gpus_per_node" in parameters:
        asked["gpus"] = parameters["gpus_per_node"]
    return asked
