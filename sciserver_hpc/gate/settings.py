"""What `gate.json` tells the gate; docs/decisions/0014-sessions.md states its format."""

from __future__ import annotations

import json

from .head import PLAIN, Names


class Settings:
    """Checked values. Raises KeyError, TypeError, ValueError: the file is the portal's own.

    uuid: of the job; ready_path, ready_statuses, ready_s: the question that tells that the app answers,
    what counts as an answer, for how long it is asked; names: which headers are put in and which cookies
    left out; view: is there a socket for looking on; save_s: how long the save hook may take; the rest:
    what counts as activity, None where it does not.
    """

    __slots__ = (
        "busy",
        "cpu_percent",
        "file",
        "http_path",
        "names",
        "ready_path",
        "ready_s",
        "ready_statuses",
        "save_s",
        "since",
        "traffic",
        "uuid",
        "view",
    )

    def __init__(self, text: str) -> None:
        given = json.loads(text)
        idle = given["idle"]
        http = idle["http"] or {}
        self.uuid = str(given["uuid"])
        self.ready_path = _path(given["ready"]["path"])
        self.ready_statuses = frozenset(int(status) for status in given["ready"]["statuses"])
        self.ready_s = float(given["ready"]["timeout_s"])
        self.names = Names(
            [(_name(name), _value(value)) for name, value in given["inject"]],
            [str(name).encode("utf-8") for name in given["drop_cookies"]],
        )
        self.http_path = _path(http["path"]) if http else None
        self.since = http.get("since")
        self.busy = http.get("busy")
        self.traffic = bool(idle["traffic"])
        self.file = bool(idle["file"])
        self.cpu_percent = None if idle["cpu_percent"] is None else float(idle["cpu_percent"])
        self.view = bool(given["view"])
        self.save_s = float(given["save_s"])


def _path(text: str) -> bytes:
    path = text.encode("ascii")
    if not path.startswith(b"/") or any(byte <= 32 or byte == 127 for byte in path):
        raise ValueError(f"{text!r} is no path of a request")
    return path


def _name(text: str) -> bytes:
    name = text.encode("ascii")
    if not name or name.translate(None, PLAIN):
        raise ValueError(f"{text!r} is no name of a header")
    return name


def _value(text: str) -> bytes:
    value = text.encode("utf-8")
    if any(byte < 32 or byte == 127 for byte in value):
        raise ValueError("a header's value holds a control character")
    return value
