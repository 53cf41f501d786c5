"""`sciserver service`: service accounts, which are programs with tokens of their own."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from .table import clean, moment, pairs, show
from .tokens import tell_secret
from .verb import Verbs, connect, json_option, print_json

if TYPE_CHECKING:
    from ..client import ServiceAccountInfo

SCOPES = ("jobs:read", "files:read", "groups:read", "groups:write", "grants:read", "grants:write")
"""Those that need no Unix user."""

EPILOG = """\b
Examples:
  sciserver service create ci --group survey --description "Nightly pipeline"
  sciserver service token ci nightly --scope jobs:read --days 30
  sciserver share give job:17 svc:ci read
  sciserver service revoke ci 7

\b
A service account looks and manages in the portal, for me or for a group I am an
admin of. It cannot log in, submit jobs or touch files. Where people are named it
is svc:NAME.
"""

_name = click.argument("name", metavar="ACCOUNT")
_token = click.argument("token_id", type=click.IntRange(1), metavar="ID")
_number = click.option(
    "-n", "--number", type=click.IntRange(1), default=1000, show_default=True, help="At most so many."
)
_days = click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="How long.")


@click.group(cls=Verbs, epilog=EPILOG)
def service() -> None:
    """Service accounts: programs with tokens of their own."""


@service.command("list", epilog="\b\nExamples:\n  sciserver service list\n  sciserver service list --every\n")
@click.option("--every", is_flag=True, help="All of the site's, for its administrators.")
@_number
@json_option
def list_accounts(every: bool, number: int, as_json: bool) -> None:
    """List the service accounts I manage: my own, and those of groups I am an admin of."""
    found = list(islice(connect().service_accounts(every=every), number))
    if as_json:
        print_json(found)
        return
    rows = (
        (f"svc:{one.name}", _owner(one), _state(one), moment(one.created_at), one.description)
        for one in found
    )
    show(("ACCOUNT", "BELONGS TO", "STATE", "SINCE", "DESCRIPTION"), rows)


@service.command(
    epilog="\b\nExamples:\n  sciserver service create ci\n  sciserver service create ci --group survey\n"
)
@_name
@click.option("--description", metavar="TEXT", default="", help="What it is for.")
@click.option(
    "--group", metavar="GROUP", help="It belongs to GROUP, whose owner and admins manage it; default: to me."
)
@json_option
def create(name: str, description: str, group: str | None, as_json: bool) -> None:
    """Make service account ACCOUNT. Its name stays, and is never given twice."""
    made = connect().make_service_account(name, description, group=group)
    if as_json:
        print_json(made)
        return
    click.echo(clean(f"Service account svc:{made.name} belongs to {_owner(made)}."))
    click.echo(f"Give it a token: sciserver service token {made.name} NAME --scope SCOPE", err=True)


@service.command("show", epilog="\b\nExample:\n  sciserver service show ci\n")
@_name
@json_option
def show_account(name: str, as_json: bool) -> None:
    """Show ACCOUNT and its live tokens. Secrets are never shown again."""
    client = connect()
    found, tokens = client.service_account(name), client.service_tokens(name)
    if as_json:
        print_json({"service_account": found, "tokens": tokens})
        return
    off = f"{moment(found.disabled_at)} by {found.disabled_by}" if found.disabled_at else ""
    pairs(
        (
            ("account", f"svc:{found.name}"),
            ("belongs to", _owner(found)),
            ("made", f"{moment(found.created_at)} by {found.created_by}"),
            ("state", _state(found)),
            ("disabled", off),
            ("description", found.description),
        )
    )
    if tokens:
        click.echo()
        rows = (
            (t.id, t.name, ", ".join(sorted(t.scopes)), moment(t.expires_at), moment(t.last_used_at))
            for t in tokens
        )
        show(("ID", "TOKEN", "SCOPES", "EXPIRES", "LAST USED"), rows, right=("ID",))


@service.command(epilog='\b\nExample:\n  sciserver service describe ci "Nightly pipeline"\n')
@_name
@click.argument("text")
@json_option
def describe(name: str, text: str, as_json: bool) -> None:
    """Give ACCOUNT another description."""
    _told(connect().describe_service_account(name, text), as_json)


@service.command(epilog="\b\nExample:\n  sciserver service disable ci\n")
@_name
@json_option
def disable(name: str, as_json: bool) -> None:
    """Stop all tokens of ACCOUNT, until it is enabled again."""
    _told(connect().disable_service_account(name), as_json)


@service.command(epilog="\b\nExample:\n  sciserver service enable ci\n")
@_name
@json_option
def enable(name: str, as_json: bool) -> None:
    """Let the live tokens of ACCOUNT be good again."""
    _told(connect().enable_service_account(name), as_json)


@service.command(epilog="\b\nExamples:\n  sciserver service delete ci\n  sciserver service delete ci --yes\n")
@_name
@click.option("--yes", is_flag=True, help="Do not ask whether I mean it.")
def delete(name: str, yes: bool) -> None:
    """End ACCOUNT, its tokens, its memberships and the grants to it. Its name is never given again."""
    if not yes:
        click.confirm(f"End service account {clean(name)} for good?", abort=True, err=True)
    connect().delete_service_account(name)
    click.echo(f"Service account {name} is no more.")


@service.command(
    epilog="\b\nExample:\n  sciserver service token ci nightly --scope jobs:read --scope files:read\n"
)
@_name
@click.argument("token", metavar="TOKEN")
@click.option(
    "--scope",
    multiple=True,
    type=click.Choice(SCOPES),
    required=True,
    help="What it may do; may be repeated.",
)
@_days
@json_option
def token(name: str, token: str, scope: tuple[str, ...], days: int, as_json: bool) -> None:
    """Make a token called TOKEN for ACCOUNT. Its secret is printed once, alone on standard output."""
    tell_secret(*connect().make_service_token(name, token, scope, days), as_json=as_json)


@service.command(epilog="\b\nExample:\n  sciserver service rotate ci 7 --days 30\n")
@_name
@_token
@_days
@json_option
def rotate(name: str, token_id: int, days: int, as_json: bool) -> None:
    """Give token ID of ACCOUNT another secret, printed once. The old one is good no more."""
    tell_secret(*connect().rotate_service_token(name, token_id, days), as_json=as_json)


@service.command(epilog="\b\nExample:\n  sciserver service revoke ci 7\n")
@_name
@_token
def revoke(name: str, token_id: int) -> None:
    """End token ID of ACCOUNT at once."""
    connect().revoke_service_token(name, token_id)
    click.echo(f"Token {token_id} of {clean(name)} is revoked.")


def _owner(one: ServiceAccountInfo) -> str:
    from ..domain.notation import named  # noqa: PLC0415

    return named(one.owner)


def _state(one: ServiceAccountInfo) -> str:
    return "locked" if one.locked else "disabled" if one.disabled_at else "on"


def _told(now: ServiceAccountInfo, as_json: bool) -> None:
    if as_json:
        print_json(now)
    else:
        click.echo(clean(f"Service account svc:{now.name} is {_state(now)}: {now.description}").rstrip(": "))
