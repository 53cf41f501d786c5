"""The verbs of the agent: what a request's name does."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from . import environment, files
from .problems import Problem
from .settings import Settings

TYPE_CHECKING = False  # importing typing would cost a third of the start
if TYPE_CHECKING:
    from typing import Any

Request = dict[str, object]
Answer = tuple[object, bytes]
Verb = Callable[[Settings, Request], Answer]


def hello(settings: Settings, _: Request) -> Answer:
    """Who answers.

    Raises Problem refused for a system account.
    """
    if os.getuid() < settings.min_uid:
        raise Problem("refused", f"uid {os.getuid()} is a system account (below {settings.min_uid})")
    user = environment.account()
    return {"uid": os.getuid(), "username": user.pw_name, "pid": os.getpid()}, b""


def _listing(_: Settings, request: Request) -> Answer:
    return files.listing(text(request, "root"), text(request, "path"), number(request, "limit")), b""


def _stat(_: Settings, request: Request) -> Answer:
    return files.status(text(request, "root"), text(request, "path")), b""


def _read(_: Settings, request: Request) -> Answer:
    where = text(request, "root"), text(request, "path")
    data, size = files.read(*where, number(request, "offset"), number(request, "length"))
    return size, data


def _make_volume(_: Settings, request: Request) -> Answer:
    files.make_volume(text(request, "root"), text(request, "owner"), text(request, "name"))
    return None, b""


def _end_records(_: Settings, request: Request) -> Answer:
    return files.end_records(_folders(request)), b""


def _results(_: Settings, request: Request) -> Answer:
    names = [str(name) for name in many(request, "names")]
    return files.results(text(request, "root"), text(request, "folder"), names), b""


def _session_records(_: Settings, request: Request) -> Answer:
    return files.session_records(_folders(request)), b""


def _folders(request: Request) -> list[tuple[str, str]]:
    return [(str(root), str(folder)) for root, folder in many(request, "folders")]


def _acl_show(_: Settings, request: Request) -> Answer:
    return _later("acl").show(text(request, "root"), text(request, "path")), b""


def _acl_apply(_: Settings, request: Request) -> Answer:
    return _later("acl").apply(*_walk(request)), b""


def _acl_verify(_: Settings, request: Request) -> Answer:
    return _later("acl").verify(*_walk(request)), b""


def _walk(request: Request) -> tuple[str, str, object, str, int, int]:
    where = text(request, "root"), text(request, "path")
    much = number(request, "limit"), number(request, "milliseconds")
    return *where, request.get("projection"), text(request, "cursor"), *much


def _submit(settings: Settings, request: Request) -> Answer:
    return _later("submission").submit(settings, many(request, "jobs")), b""


def _door(settings: Settings, _: Request) -> Answer:
    """Why jobs do not go through slurmrestd where they should; "" where all is as set."""
    return _later("slurmrestd").problem(settings) if settings.submit_through == "slurmrestd" else "", b""


def _test_only(settings: Settings, request: Request) -> Answer:
    return _later("slurm").test_only(settings, many(request, "options"), text(request, "script")), b""


def _cancel(settings: Settings, request: Request) -> Answer:
    return _later("slurm").cancel(settings, many(request, "slurm_ids")), b""


def _unix_group(_: Settings, request: Request) -> Answer:
    return environment.group(text(request, "name")), b""


def _local_submit(settings: Settings, request: Request) -> Answer:
    return _later("local").submit(settings, many(request, "jobs")), b""


def _local_observe(settings: Settings, _: Request) -> Answer:
    return _later("local").observe(settings), b""


def _local_cancel(settings: Settings, request: Request) -> Answer:
    return _later("local").cancel(settings, many(request, "slurm_ids")), b""


VERBS: dict[str, Verb] = {
    "hello": hello,
    "listing": _listing,
    "stat": _stat,
    "read": _read,
    "make_volume": _make_volume,
    "end_records": _end_records,
    "results": _results,
    "session_records": _session_records,
    "acl_show": _acl_show,
    "acl_apply": _acl_apply,
    "acl_verify": _acl_verify,
    "submit": _submit,
    "door": _door,
    "test_only": _test_only,
    "cancel": _cancel,
    "unix_group": _unix_group,
    "local_submit": _local_submit,
    "local_observe": _local_observe,
    "local_cancel": _local_cancel,
}


def answer(settings: Settings, request: Request) -> tuple[dict[str, object], bytes]:
    """The answer to one request; whatever goes wrong is an answer too."""
    try:
        verb = VERBS.get(str(request.get("verb")))
        if verb is None:
            raise Problem("invalid", f"the agent has no verb {str(request.get('verb'))[:50]!r}")
        value, body = verb(settings, request)
        return {"ok": value}, body
    except Problem as problem:
        return {"error": problem.reason, "message": str(problem)}, b""
    except Exception as error:
        return {
            "error": "failed",
            "message": f"the agent failed: {type(error).__name__}: {error}"[:1000],
        }, b""


def _later(module: str) -> ModuleType:
    """A module that few requests need and that is slow to load."""
    return import_module(f".{module}", __package__)


def text(request: Request, name: str) -> str:
    """An argument.

    Raises Problem invalid.
    """
    value = request.get(name)
    if not isinstance(value, str):
        raise Problem("invalid", f"argument {name!r} is not text")
    return value


def number(request: Request, name: str) -> int:
    """An argument.

    Raises Problem invalid.
    """
    value = request.get(name)
    if not isinstance(value, int):
        raise Problem("invalid", f"argument {name!r} is not a number")
    return value


def many(request: Request, name: str) -> list[Any]:
    """An argument that is a list; its elements are looked at where they are used.

    Raises Problem invalid.
    """
    value = request.get(name)
    if not isinstance(value, list):
        raise Problem("invalid", f"argument {name!r} is not a list")
    return value
