"""sbatch's options as fields of a JobRequest, the same for command line, header lines and SDK."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from . import arrays, sbatch
from .errors import Invalid
from .sweeps import json_or_text
from .volumes import Mode, VolumeMount

Values = Mapping[str, Sequence[str]]
"""Long option name (no dashes) → what was written for it, in order."""


def number(text: str) -> int:
    """A whole number of at least one."""
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(f"{text!r} is no whole number of at least 1")
    return int(text)


def minutes(text: str) -> int:
    """A time limit in seconds, rounded up to Slurm's whole minutes."""
    return -(-sbatch.seconds(text) // 60) * 60


def file_name(text: str) -> str:
    """A plain file name in the job's folder."""
    if "/" in text or "%" in text:
        raise ValueError(
            f"{text!r} must be a plain file name such as out.txt: every job has a folder of its own"
        )
    return text


def volume(text: str) -> VolumeMount:
    """`NAME[:ro|:rw]`, read-only where nothing is said."""
    name, _, mode = text.partition(":")
    if mode not in ("", "ro", "rw"):
        raise ValueError(f"{text!r}: after the colon stands ro (read only) or rw (read and write)")
    try:
        return VolumeMount(volume=name, mode=Mode(mode or "ro"))
    except ValueError as error:
        raise ValueError(
            f"{name!r} is no volume; write <Root>/<owner>/<name> or a data volume's name, "
            "as `sciserver volumes` lists them"
        ) from error


def results(text: str) -> VolumeMount:
    """The user volume that receives the job folder; it is always written to."""
    if text.endswith(":ro"):
        raise ValueError("results are written, so their volume cannot be read only; leave :ro out")
    return VolumeMount(volume=volume(text).volume, mode=Mode.READ_WRITE)


def parameter(text: str) -> tuple[str, Any]:
    """`name=value`; a value that is JSON (5, 0.1, true, [1, 2], "5") is read so, any other is a string."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"{text!r} is no parameter; write name=value, as in period=11.1")
    return name, json_or_text(value)


def values_of(text: str) -> tuple[str, list[Any]]:
    """`name=value,value`, each as `parameter` reads one; or a JSON list, for values with commas."""
    name, equals, written = text.partition("=")
    if not equals or not name.isidentifier() or not written:
        raise ValueError(f"{text!r} is no part of a grid; write name=value,value, as in period=10,11.1")
    listed = json_or_text(written)
    return name, listed if isinstance(listed, list) else [json_or_text(one) for one in written.split(",")]


def _dependencies(text: str) -> list[dict[str, Any]]:
    return [{"type": kind, "job": job} for kind, job in sbatch.dependencies(text)]


_ONE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "job-name": ("name", str),
    "time": ("resources.time_limit_s", minutes),
    "cpus-per-task": ("resources.cpus", number),
    "ntasks": ("resources.tasks", number),
    "nodes": ("resources.nodes", number),
    "mem": ("resources.memory_mb", sbatch.megabytes),
    "gres": ("resources.gpus", lambda text: sbatch.gpus(text).number),
    "output": ("stdout", file_name),
    "error": ("stderr", file_name),
    "chdir": ("workdir", str),
    "dependency": ("dependencies", _dependencies),
    "array": ("array", arrays.checked),
    "domain": ("domain", str),
    "image": ("image", str),
    "results": ("results", results),
}
_MANY: dict[str, tuple[str, Callable[[str], Any], Callable[[Iterable[Any]], Any]]] = {
    "volume": ("volumes", volume, tuple),
    "param": ("parameters", parameter, dict),
}
OPTION_OF = {field: name for name, (field, *_) in (*_ONE.items(), *_MANY.items())}
"""JobRequest's dotted field → the option that sets it."""


def fields(values: Values) -> dict[str, Any]:
    """JobRequest's fields (nested) as `values` say; where an option stands twice, the last counts.

    Raises Invalid with a problem per option (`--time`).
    """
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, given in values.items():
        try:
            if name in _ONE and given:
                field, read_one = _ONE[name]
                found[field] = read_one(given[-1])
            elif name in _MANY and given:
                field, read_each, collect = _MANY[name]
                found[field] = collect([read_each(text) for text in given])
        except ValueError as error:
            problems[f"--{name}"] = f"{error}."
    if problems:
        raise Invalid(problems)
    resources = {
        k.removeprefix("resources."): found.pop(k) for k in list(found) if k.startswith("resources.")
    }
    return found | ({"resources": resources} if resources else {})


_PLACE = ("domain", "partition", "account", "qos")


def merged(written: Values, given: Values) -> dict[str, Sequence[str]]:
    """What was `given` on the command line over what is `written` in header lines.

    Naming a domain or partition takes the place of all that the lines say on where to run.
    """
    moved = "domain" in given or "partition" in given
    kept = {name: value for name, value in written.items() if not (moved and name in _PLACE)}
    return kept | dict(given)


def warnings(values: Values) -> tuple[str, ...]:
    """Sentences on what was asked and cannot be carried out word for word."""
    kinds = [sbatch.gpus(text).type for text in values.get("gres", ())[-1:]]
    return tuple(
        f"--gres: the kind of GPU ({kind}) is left out; it is decided by the compute domain."
        for kind in kinds
        if kind
    )


class Place(Protocol):
    """What is asked of a compute domain to choose it by Slurm's words."""

    @property
    def name(self) -> str: ...
    @property
    def partition(self) -> str: ...
    @property
    def account(self) -> str | None: ...
    @property
    def qos(self) -> str | None: ...


def needs_place(values: Values) -> bool:
    """True when the domain can only be chosen by looking at all domains."""
    return any(values.get(name) for name in _PLACE if name != "domain")


def place(values: Values, domains: Sequence[Place]) -> str:
    """The name of the first of `domains` that is what --domain, --partition, --account and --qos say.

    A partition may also be named by its domain. Raises Invalid when none fits.
    """
    asked = {name: values[name][-1] for name in _PLACE if values.get(name)}
    for domain in domains:
        have = {
            "domain": (domain.name,),
            "partition": (domain.partition, domain.name),
            "account": (domain.account,),
            "qos": (domain.qos,),
        }
        if all(value in have[name] for name, value in asked.items()):
            return domain.name
    culprit = next(name for name in _PLACE[1:] if name in asked)
    offered = ", ".join(f"{domain.name} (partition {domain.partition})" for domain in domains) or "none"
    wanted = " with ".join(f"--{name}={value}" for name, value in asked.items())
    raise Invalid(
        {f"--{culprit}": f"no compute domain of yours has {wanted}; choose a --domain of: {offered}."}
    )


def payload_name(path: str) -> str:
    """What the file at `path` may be called in a job folder: the last part, odd characters made `_`."""
    name = re.sub(r"[^A-Za-z0-9 _.,%+=@-]", "_", path.rpartition("/")[2])[-128:].lstrip(" .,%+=@-")
    return name or "script"
