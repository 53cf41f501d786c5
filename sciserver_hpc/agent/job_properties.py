"""sbatch's options as job properties of slurmrestd, for the jobs of which every option is known exactly.

Here stands what sbatch 22.05 does to each option before it sends it (src/sbatch/opt.c and sbatch.c,
src/common/slurm_opt.c), so that a job is the same by either door. A job with anything else is not for this
door: `request` says None. Resource limits need nothing: `--export-file` makes sbatch forget its own
environment, the SLURM_RLIMIT_* in it too, so our jobs have slurmd's limits by either door, whatever
PropagateResourceLimits says.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence

Properties = dict[str, object]
Row = tuple[str, Callable[[str], Properties]]
"""The values of an option that are known (a regular expression), and what becomes of one."""


def _text(name: str) -> Callable[[str], Properties]:
    return lambda value: {name: value}


def _number(*names: str) -> Callable[[str], Properties]:
    return lambda value: {name: int(value) for name in names}


def _always(name: str) -> Callable[[str], Properties]:
    return lambda _: {name: True}


_WORDS = r"[^\x00-\x1f\x7f]+"
_PATH = r"/[^\x00-\x1f\x7f]*"
_COUNT = r"[1-9]\d{0,8}"

V0_0_38: Mapping[str, Row] = {
    "job-name": (_WORDS, _text("name")),
    "chdir": (_PATH, _text("current_working_directory")),
    "output": (_PATH, _text("standard_output")),
    "partition": (_WORDS, _text("partition")),
    "account": (_WORDS, _text("account")),
    "qos": (_WORDS, _text("qos")),
    "time": (_COUNT, _number("time_limit")),
    # The list [min, max] of the documentation is read and then not sent.
    "nodes": (_COUNT, _text("nodes")),
    "ntasks": (_COUNT, _number("tasks")),
    "cpus-per-task": (_COUNT, _number("cpus_per_task", "minimum_cpus_per_node")),
    "mem": (_COUNT + "M", lambda value: {"memory_per_node": int(value[:-1])}),
    "gres": (rf"gpu:{_COUNT}", _text("gres")),
    "array": (r"\d[\d,:%-]*", _text("array")),
    "dependency": (r"[a-z]+:\d+(,[a-z]+:\d+)*", _text("dependency")),
    "kill-on-invalid-dep": ("yes", _always("kill_on_invalid_dependency")),
    # Whatever its value, `requeue` means yes.
    "no-requeue": ("", _always("no_requeue")),
    "open-mode": ("append|truncate", _text("open_mode")),
    "export-file": (_PATH, lambda _: {}),
}

VERSIONS: Mapping[str, Mapping[str, Row]] = {"v0.0.38": V0_0_38}
"""Of slurmrestd's openapi plugins, what is known of each. A newer one is a copy with some rows of its own:
v0.0.40 has no `no_requeue` but takes `requeue` at its word."""

_NEEDED = frozenset({"job-name", "chdir", "export-file", "nodes", "ntasks", "cpus-per-task"})
"""Where one of these is left out, sbatch makes up something of its own."""

_READ_BY_SBATCH = re.compile(r"^#(?:SBATCH|SLURM|PBS|BSUB)|\r\n|\0", re.MULTILINE)
"""Lines with options, and what sbatch refuses in a script."""

_OF_SBATCH = re.compile(r"SLURM|SBATCH|SPANK|(?:DISPLAY|ENVIRONMENT|HOSTNAME)\Z")
"""Variables that sbatch sets, drops or heeds."""


def submitter() -> dict[str, str]:
    """What sbatch tells a job of the process that started it, as it would be started by this one."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        mask = next(line.split()[1] for line in status if line.startswith("Umask:"))
    return {
        "SLURM_PRIO_PROCESS": str(os.getpriority(os.PRIO_PROCESS, 0)),
        "SLURM_SUBMIT_DIR": os.getcwd(),
        "SLURM_SUBMIT_HOST": os.uname().nodename,
        "SLURM_UMASK": f"{int(mask, 8):04o}",
    }


def request(
    version: str,
    options: Sequence[str],
    script: str,
    files: Mapping[str, str],
    around: Mapping[str, str],
) -> bytes | None:
    """The body of a request to submit; None for a job that only sbatch knows how to submit.

    `files`: texts by absolute path, of which `--export-file` names one; `around`: as `submitter` gives it.
    """
    asked = _asked(options)
    properties = _properties(VERSIONS[version], asked) if asked is not None else None
    if asked is None or properties is None or not script.startswith("#!") or _READ_BY_SBATCH.search(script):
        return None
    variables = _environment(files.get(asked["export-file"]))
    if variables is None:
        return None
    properties["standard_input"] = "/dev/null"
    properties["environment"] = variables | dict(around) | _sizes(asked)
    try:
        return json.dumps({"script": script, "job": properties}, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # bytes that are no text do not go into JSON
        return None


def _asked(options: Sequence[str]) -> dict[str, str] | None:
    """Values by option; None where one is missing or there twice."""
    asked = {name[2:]: value for name, _, value in (option.partition("=") for option in options)}
    return asked if len(asked) == len(options) and asked.keys() >= _NEEDED else None


def _properties(rows: Mapping[str, Row], asked: Mapping[str, str]) -> Properties | None:
    properties: Properties = {}
    for name, value in asked.items():
        known, become = rows.get(name, (None, _text("")))
        if known is None or not re.fullmatch(known, value, re.ASCII):
            return None
        properties |= become(value)
    few = int(asked["ntasks"]) < int(asked["nodes"])  # sbatch then asks for fewer nodes
    return None if few else properties


def _environment(text: str | None) -> dict[str, str] | None:
    """The variables of an environment file, each `name=value` and a NUL; None for what sbatch would read
    otherwise."""
    if text is None or not text.endswith("\0"):
        return None
    pairs = [entry.partition("=") for entry in text[:-1].split("\0")]
    if any(not (name and equals) or _OF_SBATCH.match(name) for name, equals, _ in pairs):
        return None
    return {name: value for name, _, value in pairs}


def _sizes(asked: Mapping[str, str]) -> dict[str, str]:
    tasks = asked["ntasks"]
    return {"SLURM_CPUS_PER_TASK": asked["cpus-per-task"], "SLURM_NTASKS": tasks, "SLURM_NPROCS": tasks}
