"""`sciserver session`: sessions from the terminal. They are opened in a browser, after a login there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .each import each
from .logs import log_options, print_log
from .session_apps import apps
from .session_start import start
from .session_table import accepted, facts, show_all
from .table import clean, moment, pairs
from .verb import FAILED, Verbs, connect, json_option, leave, print_json

if TYPE_CHECKING:
    from ..domain.session_views import SessionView

EPILOG = """\b
Examples:
  sciserver session apps jupyterlab
  sciserver session start jupyterlab -v Storage/alice/persistent:rw -t 4:00:00 --wait
  sciserver session list
  sciserver session open 12
  sciserver session extend 12 1:00:00
  sciserver share give session:12 bob reader

\b
A session runs as a job, under the same id: sciserver job 12 tells its history,
sciserver-results 12 gets what it left in its job folder. Shared with a reader it
can be looked at, if its app can show itself so; a writer works in it.
"""

_session = click.argument("session_id", type=click.IntRange(1), metavar="ID")
_sessions = click.argument("ids", nargs=-1, required=True, type=click.IntRange(1), metavar="ID...")


@click.group(cls=Verbs, epilog=EPILOG)
def session() -> None:
    """Interactive sessions: notebooks, desktops and other apps on a compute node, in the browser."""


session.add_command(apps)
session.add_command(start)


@session.command("list", epilog="\b\nExamples:\n  sciserver session list\n  sciserver session list --json\n")
@json_option
def list_sessions(as_json: bool) -> None:
    """List my sessions, newest first, then those of others that I may open now."""
    client = connect()
    mine, shared = client.sessions(), client.shared_sessions()
    if as_json:
        print_json({"sessions": mine, "shared": shared})
    else:
        show_all(mine, shared)


@session.command(epilog="\b\nExamples:\n  sciserver session show 12\n  sciserver session show 12 --json\n")
@_session
@json_option
def show(session_id: int, as_json: bool) -> None:
    """Show everything about session ID: where it stands, its use, its form, its volumes, who is in it."""
    client = connect()
    found = client.session(session_id)
    if as_json:
        print_json(found)
        return
    click.echo(clean(found.sentence))
    click.echo()
    pairs((*facts(found), ("page", client.session_page(found.id))))


@session.command(
    "open", epilog="\b\nExamples:\n  sciserver session open 12\n  sciserver session open 12 --print\n"
)
@_session
@click.option("--print", "only_print", is_flag=True, help="Print the address; start no browser.")
@json_option
def open_session(session_id: int, only_print: bool, as_json: bool) -> None:
    """Open the portal's page of session ID in a browser; from there, after a login, one comes in.

    A token cannot open a session. With --json or --print the address is printed alone.
    """
    client = connect()
    found = client.session(session_id)
    page = client.session_page(found.id)
    if as_json:
        print_json({"url": page, "phase": found.phase})
        return
    click.echo(page)
    if found.phase != "open":
        click.echo(clean(found.sentence), err=True)
    if not only_print and click.launch(page) != 0:
        click.echo("No browser could be started here; open the address in yours.", err=True)
        leave(FAILED)


@session.command(epilog="\b\nExamples:\n  sciserver session stop 12\n  sciserver session stop 12 13\n")
@_sessions
@json_option
def stop(ids: tuple[int, ...], as_json: bool) -> None:
    """Stop sessions: their apps may save first. Those that cannot be stopped are told; the others are."""
    each(ids, "session", connect().stop_session, _stopped, as_json=as_json)


def _stopped(now: SessionView) -> str:
    return f"Session {now.id} is {'over' if now.phase == 'over' else 'being stopped'}."


@session.command(
    epilog="\b\nExamples:\n  sciserver session extend 12 30\n  sciserver session extend 12 1:00:00\n"
)
@_session
@click.argument("duration", metavar="DURATION")
@json_option
def extend(session_id: int, duration: str, as_json: bool) -> None:
    """Move the end of session ID by DURATION, as far as its domain lets: minutes, H:MM:SS or D-HH:MM:SS."""
    from ..domain.errors import Invalid  # noqa: PLC0415
    from ..domain.options import minutes  # noqa: PLC0415

    try:
        by = minutes(duration) // 60
    except ValueError as error:
        raise Invalid({"DURATION": f"{error}."}) from error
    now = connect().extend_session(session_id, by)
    if as_json:
        print_json(now)
    else:
        click.echo(f"Session {now.id} ends at {moment(now.ends_at)} at the latest.")


@session.command(epilog="\b\nExample:\n  sciserver session again 12\n")
@_session
@json_option
def again(session_id: int, as_json: bool) -> None:
    """Start session ID, which is over, once more: the same form, resources and volumes, another id."""
    client = connect()
    new = client.start_session_again(session_id)
    if as_json:
        print_json(new)
    else:
        accepted(client, new)


@session.command(epilog="\b\nExamples:\n  sciserver session forget 12\n  sciserver session forget 12 13\n")
@_sessions
@json_option
def forget(ids: tuple[int, ...], as_json: bool) -> None:
    """Take sessions that are over out of the list. Their jobs and results stay."""
    told = "Session {} is no longer listed.".format
    each(ids, "session", connect().forget_session, lambda now: told(now.id), as_json=as_json)


@session.command(epilog="\b\nExamples:\n  sciserver session log 12\n  sciserver session log -e -n 20 12\n")
@_session
@log_options
def log(session_id: int, follow: bool, stderr: bool, lines: int | None, as_json: bool) -> None:
    """Print what session ID's job wrote, as sciserver-logs does: why an app did not start stands there."""
    print_log((session_id, None), follow, stderr, lines, as_json)
