"""The new-job form's fields and the request they stand for, both ways; and the command that does the same."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from sciserver_hpc.domain.arrays import indices
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.jobs import Dependency, DependencyType, JobRequest, Kind
from sciserver_hpc.domain.sweeps import Row, from_csv, json_or_text, to_csv

PAYLOADS = {Kind.SHELL: "command", Kind.SCRIPT: "script", Kind.NOTEBOOK: "notebook"}
"""The field that holds what a job of that kind runs."""

VOLUME = "volume:"
"""Prefix of a volume's field; its value is a mode, or empty for no mount."""

NUMBERS = {
    "cpus": "cpus",
    "memory_gb": "memory_mb",
    "hours": "time_limit_s",
    "minutes": "time_limit_s",
    "gpus": "gpus",
}
SHOWN_AT = {"memory_mb": "memory_gb", "time_limit_s": "hours"}
"""Where the problem of a resource is shown, when its field has another name."""


AFTER = "after_"
"""Prefix of the three fields of jobs to wait for; what follows is how those must have ended."""


def to_request(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what JobRequest.model_validate takes.

    Raises Invalid for text that is no number or no `name=value`, ValueError for an unknown kind.
    """
    kind = fields.get("kind") or Kind.SHELL
    wanted: dict[str, Any] = {"kind": kind, "resources": _resources(fields), "volumes": volumes(fields)}
    wanted |= {key: fields[key] for key in ("name", "domain", "image") if fields.get(key)}
    wanted |= {"array": fields.get("array", "").strip() or None, "dependencies": dependencies(fields)}
    if table := fields.get("sweep", "").strip():
        wanted["sweep"] = {"table": _table(table)} | _at_once(fields)
    payload = PAYLOADS[Kind(kind)]
    # Browsers send CR LF; bash would take the CR as part of a word.
    wanted[payload] = fields.get(payload, "").replace("\r\n", "\n") or None
    if kind != Kind.SHELL and fields.get("filename"):
        wanted["filename"] = fields["filename"]
    if kind == Kind.SCRIPT:
        wanted["arguments"] = fields.get("arguments", "").split("\n") if fields.get("arguments") else ()
    if kind == Kind.NOTEBOOK:
        wanted["parameters"] = _parameters(fields.get("parameters", ""))
    return wanted


def from_request(asked: JobRequest) -> dict[str, str]:
    """The fields that stand for `asked`, to fill the form for another run."""
    fields = asked.model_dump(
        include={"name", "domain", "image", "command", "script", "notebook", "filename", "array"}
    )
    fields |= {"kind": asked.kind, "arguments": "\n".join(asked.arguments)}
    fields["parameters"] = "\n".join(f"{name}={json.dumps(v)}" for name, v in asked.parameters.items())
    fields |= {f"{VOLUME}{mount.volume}": mount.mode for mount in asked.volumes}
    fields |= {f"{AFTER}{how}": ", ".join(map(str, jobs)) for how, jobs in _by_type(asked).items()}
    if asked.sweep:
        rows = asked.sweep.rows()
        chosen = rows if asked.sweep.only is None else [rows[i] for i in indices(asked.sweep.only)]
        fields |= {"sweep": to_csv(chosen), "at_once": asked.sweep.at_once}
    if asked.resources:
        fields |= resource_fields(asked.resources.model_dump())
    return {key: str(value) for key, value in fields.items() if value is not None}


def resource_fields(resources: Mapping[str, int]) -> dict[str, str]:
    """A domain's defaults, or what a job asked, as fields."""
    seconds = resources["time_limit_s"]
    return {
        "cpus": str(resources["cpus"]),
        "memory_gb": f"{resources['memory_mb'] / 1024:g}",
        "hours": str(seconds // 3600),
        "minutes": str(seconds % 3600 // 60),
        "gpus": str(resources["gpus"]),
    }


def dependencies(fields: Mapping[str, str]) -> list[Dependency]:
    """The jobs to wait for, in the order of the fields. Raises Invalid for what is no list of ids."""
    found: list[Dependency] = []
    for how in DependencyType:
        for word in filter(None, re.split(r"[\s,:;#]+", fields.get(f"{AFTER}{how}", ""))):
            if not re.fullmatch(r"[1-9][0-9]{0,17}", word):
                raise Invalid({f"{AFTER}{how}": f"{word[:20]!r} is no job id; write them as in 12, 13"})
            found.append(Dependency(type=how, job=int(word)))
    return found


def command_line(asked: JobRequest) -> str:
    """The `sciserver-submit` that submits the same."""
    words = ["sciserver-submit", "-J", asked.name]
    for flag, value in (("--domain", asked.domain), ("--image", asked.image)):
        words += [flag, value] if value else []
    if asked.resources:
        words += ["-c", str(asked.resources.cpus), f"--mem={asked.resources.memory_mb}M"]
        words += ["-t", str(-(-asked.resources.time_limit_s // 60))]
        words += [f"--gres=gpu:{asked.resources.gpus}"] if asked.resources.gpus else []
    for mount in asked.volumes:
        words += ["--volume", str(mount)]
    words += ["-a", asked.array] if asked.array else []
    if asked.sweep:
        words += ["--sweep", "table.csv"]
        words += ["--at-once", str(asked.sweep.at_once)] if asked.sweep.at_once else []
    after = [":".join([how, *map(str, jobs)]) for how, jobs in _by_type(asked).items()]
    words += ["-d", ",".join(after)] if after else []
    return shlex.join(words + _payload_words(asked))


def _payload_words(asked: JobRequest) -> list[str]:
    if asked.kind is Kind.SHELL:
        return ["--wrap", asked.command or ""]
    if asked.kind is Kind.SCRIPT:
        return [asked.filename or "job.sh", *asked.arguments]
    words = ["--notebook", asked.filename or "notebook.ipynb"]
    for name, value in asked.parameters.items():
        words += ["--param", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return words


def number(fields: Mapping[str, str], key: str, default: float) -> float:
    """A number as typed. Raises Invalid."""
    text = fields.get(key, "").strip().replace(",", ".")
    try:
        value = float(text) if text else default
    except ValueError:
        value = float("nan")
    if not 0 <= value < 1e9:
        raise Invalid({f"resources.{NUMBERS[key]}": f"{text[:20]!r} is not a number this field can take"})
    return value


def _table(text: str) -> list[Row]:
    try:
        return from_csv(text.replace("\r\n", "\n"))
    except ValueError as error:
        raise Invalid({"sweep": f"{error}"}) from error


def _at_once(fields: Mapping[str, str]) -> dict[str, int]:
    text = fields.get("at_once", "").strip()
    if not text:
        return {}
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text):
        raise Invalid({"at_once": f"{text[:20]!r} is no number of tasks"})
    return {"at_once": int(text)}


def _resources(fields: Mapping[str, str]) -> dict[str, int]:
    seconds = number(fields, "hours", 0) * 3600 + number(fields, "minutes", 0) * 60
    timed = fields.get("hours") or fields.get("minutes")
    return {
        "cpus": int(number(fields, "cpus", 1)),
        "memory_mb": round(number(fields, "memory_gb", 1) * 1024),
        "gpus": int(number(fields, "gpus", 0)),
        "time_limit_s": int(seconds) if timed else 3600,
    }


def _by_type(asked: JobRequest) -> dict[DependencyType, list[int]]:
    """The jobs to wait for by how they must have ended."""
    found: dict[DependencyType, list[int]] = {}
    for dependency in asked.dependencies:
        found.setdefault(dependency.type, []).append(dependency.job)
    return found


def volumes(fields: Mapping[str, str]) -> list[dict[str, str]]:
    """The volumes chosen, each with how it is mounted."""
    chosen = ((key.removeprefix(VOLUME), value) for key, value in fields.items() if key.startswith(VOLUME))
    return [{"volume": volume, "mode": mode} for volume, mode in chosen if mode]


def _parameters(text: str) -> dict[str, Any]:
    """`name=value` a line; a value that is JSON is taken as such, any other as text."""
    found: dict[str, Any] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, sign, value = line.partition("=")
        if not sign:
            raise Invalid({"parameters": f"{line[:40]!r} is not of the form name=value"})
        found[name.strip()] = json_or_text(value.strip())
    return found
