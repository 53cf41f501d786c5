"""Verbs of `sciserver group` about who is in: come, go, be promoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .table import clean
from .verb import Verb, connect, json_option, print_json

if TYPE_CHECKING:
    from ..domain.groups import Membership

_name = click.argument("name", metavar="GROUP")
_who = click.argument("who", metavar="WHO")
_for = click.option(
    "--for", "other", metavar="OTHER", help="Answer for group OTHER, which I administer, or for my svc:OTHER."
)


def _told(now: Membership, sentence: str, as_json: bool) -> None:
    """Print the membership as it stands, or `sentence` with its {who}, {group} and {role} filled in."""
    from ..domain.notation import named  # noqa: PLC0415

    if as_json:
        print_json(now)
        return
    click.echo(clean(sentence.format(who=named(now.member), group=f"group {now.group}", role=now.role)))


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  sciserver group invite survey bob
  sciserver group invite survey carol --admin
  sciserver group invite survey group:students
  sciserver group invite survey directory:astro
""",
)
@_name
@_who
@click.option("--admin", is_flag=True, help="As one who may invite and remove others.")
@json_option
def invite(name: str, who: str, admin: bool, as_json: bool) -> None:
    """Invite WHO to GROUP. A Unix group (directory:NAME), where nobody could answer, is in at once."""
    now = connect().invite(name, who, "admin" if admin else "member")
    _told(now, "{who} is in {group}." if now.counts else "{who} is invited to {group} as {role}.", as_json)


@click.command(
    cls=Verb,
    epilog="\b\nExamples:\n  sciserver group accept survey\n  sciserver group accept survey --for students\n",
)
@_name
@_for
@json_option
def accept(name: str, other: str | None, as_json: bool) -> None:
    """Accept the invitation to GROUP, or the group itself where it is offered to me."""
    _told(connect().accept(name, other), "{who} is in {group} as {role}.", as_json)


@click.command(cls=Verb, epilog="\b\nExample:\n  sciserver group decline survey\n")
@_name
@_for
@json_option
def decline(name: str, other: str | None, as_json: bool) -> None:
    """Decline the invitation to GROUP."""
    _told(connect().decline(name, other), "{who} stays out of {group}.", as_json)


@click.command(cls=Verb, epilog="\b\nExample:\n  sciserver group withdraw survey bob\n")
@_name
@_who
@json_option
def withdraw(name: str, who: str, as_json: bool) -> None:
    """Take back the invitation of WHO to GROUP."""
    _told(connect().withdraw(name, who), "{who} is no longer invited to {group}.", as_json)


@click.command(cls=Verb, epilog="\b\nExample:\n  sciserver group join survey\n")
@_name
@json_option
def join(name: str, as_json: bool) -> None:
    """Join GROUP, which is open to everyone."""
    _told(connect().join(name), "{who} is in {group} as {role}.", as_json)


@click.command(
    cls=Verb,
    epilog="\b\nExamples:\n  sciserver group leave survey\n  sciserver group leave survey --for students\n",
)
@_name
@_for
@json_option
def leave(name: str, other: str | None, as_json: bool) -> None:
    """Leave GROUP. Its owner hands it over first."""
    _told(connect().leave(name, other), "{who} left {group}.", as_json)


@click.command(cls=Verb, epilog="\b\nExample:\n  sciserver group remove survey bob\n")
@_name
@_who
@json_option
def remove(name: str, who: str, as_json: bool) -> None:
    """Remove WHO from GROUP. A person comes back by invitation only."""
    _told(connect().remove_member(name, who), "{who} is out of {group}.", as_json)


@click.command(cls=Verb, epilog="\b\nExample:\n  sciserver group promote survey bob\n")
@_name
@_who
@json_option
def promote(name: str, who: str, as_json: bool) -> None:
    """Make WHO an admin of GROUP: one who may invite and remove others."""
    _told(connect().set_role(name, who, "admin"), "{who} is {role} of {group}.", as_json)


@click.command(cls=Verb, epilog="\b\nExample:\n  sciserver group demote survey bob\n")
@_name
@_who
@json_option
def demote(name: str, who: str, as_json: bool) -> None:
    """Make WHO a plain member of GROUP again."""
    _told(connect().set_role(name, who, "member"), "{who} is {role} of {group}.", as_json)


@click.command(cls=Verb, epilog="\b\nExample:\n  sciserver group transfer survey bob\n")
@_name
@_who
@json_option
def transfer(name: str, who: str, as_json: bool) -> None:
    """Offer GROUP to WHO, a member, who owns it once they accept. I stay as an admin then."""
    now = connect().transfer_group(name, who)
    offered = "{group} is offered to {who}, who owns it once they accept."
    _told(now, "{who} is {role} of {group}." if now.counts else offered, as_json)


VERBS = (invite, accept, decline, withdraw, join, leave, remove, promote, demote, transfer)
"""What `sciserver group` adds to its own."""
