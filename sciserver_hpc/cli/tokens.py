"""`sciserver tokens`: credentials for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .table import show
from .verb import Verbs, connect, json_option, print_json

if TYPE_CHECKING:
    from ..client import TokenInfo

SCOPES = (
    "jobs:read",
    "jobs:write",
    "files:read",
    "files:write",
    "groups:read",
    "groups:write",
    "grants:read",
    "grants:write",
)


@click.group(cls=Verbs)
def tokens() -> None:
    """List, make and revoke tokens. A program uses one as SCISERVER_TOKEN or SCISERVER_TOKEN_FILE."""


@tokens.command("list", epilog="\b\nExample:\n  sciserver tokens list\n")
@json_option
def list_tokens(as_json: bool) -> None:
    """List my live tokens. Secrets are never shown again."""
    found = connect().tokens()
    if as_json:
        print_json(found)
        return
    rows = (
        (
            t.id,
            t.kind,
            t.name,
            ", ".join(sorted(t.scopes)),
            f"{t.expires_at:%Y-%m-%d %H:%M}",
            f"{t.last_used_at:%Y-%m-%d %H:%M}" if t.last_used_at else "never",
        )
        for t in found
    )
    show(("ID", "KIND", "NAME", "SCOPES", "EXPIRES", "LAST USED"), rows, right=("ID",))


@tokens.command(epilog="\b\nExample:\n  sciserver tokens make nightly --scope jobs:read --days 30\n")
@click.argument("name")
@click.option(
    "--scope",
    multiple=True,
    type=click.Choice(SCOPES),
    required=True,
    help="What it may do; may be repeated.",
)
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long it lives.")
@json_option
def make(name: str, scope: tuple[str, ...], days: int, as_json: bool) -> None:
    """Make a token called NAME. Its secret is printed once, alone on standard output."""
    tell_secret(*connect().make_token(name, scope, days), as_json=as_json)


@tokens.command(epilog="\b\nExample:\n  sciserver tokens revoke 7\n")
@click.argument("token_id", type=click.IntRange(1), metavar="ID")
def revoke(token_id: int) -> None:
    """End token ID at once."""
    connect().revoke_token(token_id)
    click.echo(f"Token {token_id} is revoked.")


def tell_secret(secret: str, token: TokenInfo, *, as_json: bool) -> None:
    """A token that was just made: its secret alone on standard output."""
    if as_json:
        print_json({"secret": secret, "token": token.model_dump(mode="json")})
        return
    click.echo(secret)
    click.echo(f"Keep it safe: it is not shown again. It ends on {token.expires_at:%Y-%m-%d}.", err=True)
