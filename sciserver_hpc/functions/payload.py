"""The script of a job that runs functions: the runner's text, then a call of it with the pickled calls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files

from ..domain.errors import Invalid
from . import runner

MOST_CHARACTERS = 1_000_000
"""Of a job's script (domain.names.ScriptText)."""


@dataclass(frozen=True)
class Header:
    """What the runner is told beside the calls.

    job: the id to go by, where a job goes on from a checkpoint; countdown: how often it may still do so;
    warn_s: so long before its time limit it is told.
    """

    ranks: int = 1
    array: bool = False
    countdown: int = 0
    checkpointable: bool = False
    warn_s: int | None = None
    stderr_to_stdout: bool = False
    job: str | None = None
    python: tuple[int, int] = sys.version_info[:2]


def script(calls: Sequence[bytes], header: Header) -> str:
    """The whole script. calls: each the pickle of function, arguments, keyword arguments; one per task.

    Raises Invalid where it is too large to travel.
    """
    text = head() + runner.tail(asdict(header), _source("environment"), list(calls))
    if len(text) > MOST_CHARACTERS:
        whose = "the function and its arguments take" if len(calls) == 1 else f"these {len(calls)} calls take"
        size = f"{len(text) / 1e6:.1f} MB packed, and a job carries {MOST_CHARACTERS / 1e6:.0f} MB"
        advice = "put the data in a volume, mount it (sciserver_volumes) and hand over its path"
        raise Invalid({"function": f"{whose} {size}; {advice}."})
    return text


def header(text: str) -> Header:
    """Of a script that `script` made, or a runner after it. Raises Invalid for any other."""
    try:
        told, _, _ = runner.values(text[text.rindex(runner.CALL) :])
        return Header(**told)
    except (ValueError, SyntaxError, TypeError, KeyError) as error:
        raise Invalid({"checkpoint": "it is not what a job of this plugin leaves."}) from error


@cache
def head() -> str:
    """What is the same for every job."""
    return "#!/usr/bin/env python3\n" + _source("runner")


@cache
def _source(module: str) -> str:
    return files(__package__).joinpath(f"{module}.py").read_text(encoding="utf-8")
