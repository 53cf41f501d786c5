"""What `sciserver session start` does: options to a request, the request to the portal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from ..client import Client
from ..domain import options, sbatch
from ..domain.errors import Invalid
from ..domain.session_views import Phase, SessionView
from ..domain.sessions import SessionRequest
from .session_table import accepted
from .table import clean
from .verb import FAILED, INTERRUPTED, connect, leave, print_json

_AMOUNTS: dict[str, tuple[str, Callable[[str], int]]] = {
    "cpus": ("cpus", options.number),
    "mem": ("memory_mb", sbatch.megabytes),
    "time": ("time_limit_s", options.minutes),
    "gpus": ("gpus", int),
}
"""Option → the resource it asks for."""


def run(given: Mapping[str, Any]) -> None:
    """Do what the command line `given` says."""
    client = connect()
    request = _request(client, given)
    as_json = given["as_json"]
    if given["test_only"]:
        message = client.session_expected_start(request)
        print_json({"message": message}) if as_json else click.echo(clean(message))
        return
    started = client.start_session(request, key=given["key"])
    if not as_json:
        accepted(client, started)
    elif not given["wait"]:
        print_json(started)
    if given["wait"]:
        _wait(client, started.id, as_json)


def _request(client: Client, given: Mapping[str, Any]) -> SessionRequest:
    """Raises Invalid with a problem for each option."""
    problems: dict[str, str] = {}

    def each(option: str, read: Callable[[str], Any], *texts: str) -> list[Any]:
        found = []
        for text in texts:
            try:
                found.append(read(text))
            except ValueError as error:
                problems[f"--{option}"] = f"{error}."
        return found

    values = dict(each("field", _field, *given["field"]))
    volumes = each("volume", options.volume, *given["volume"])
    resources = {
        name: amount
        for option, (name, read) in _AMOUNTS.items()
        if given[option] is not None
        for amount in each(option, read, given[option])
    }
    if problems:
        raise Invalid(problems)
    return client.session_request(
        given["app"],
        values=values or None,
        volumes=volumes or None,
        resources=resources or None,
        **{name: given[name] for name in ("name", "domain", "image")},
    )


def _field(text: str) -> tuple[str, str]:
    """`name=value`; the portal reads the value as the field's type says."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"{text!r} is no field; write name=value, as in folder=Storage/alice/persistent")
    return name, value


def _wait(client: Client, session_id: int, as_json: bool) -> None:
    """Wait, and leave with 0 where it can be opened; an interrupt leaves the session alone."""
    try:
        now = client.wait_session(session_id)
    except KeyboardInterrupt:
        click.echo(
            f"\nSession {session_id} goes on. Look at it with: sciserver session show {session_id}   "
            f"Stop it with: sciserver session stop {session_id}",
            err=True,
        )
        leave(INTERRUPTED)
    _settled(now, as_json)


def _settled(now: SessionView, as_json: bool) -> None:
    if as_json:
        print_json(now)
    else:
        click.echo(f"Session {now.id}: {clean(now.sentence)}", err=True)
    leave(0 if now.phase is Phase.OPEN else FAILED)
