"""`sciserver group`: groups of people."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

import click

from ..domain.errors import Refused
from . import membership
from .table import clean, moment, pairs, show
from .verb import Verbs, connect, json_option, print_json

if TYPE_CHECKING:
    from ..client import Client, GroupInfo
    from ..domain.groups import Membership

EPILOG = """\b
Examples:
  sciserver group create survey --description "Who looks up"
  sciserver group invite survey bob
  sciserver group accept survey

\b
WHO is a user name, group:NAME for a group of the portal, directory:NAME for a
Unix group, or svc:NAME for a service account. A group may be in another: its members are in both.
"""

_name = click.argument("name", metavar="GROUP")
_number = click.option(
    "-n", "--number", type=click.IntRange(1), default=100, show_default=True, help="At most so many."
)


@click.group(cls=Verbs, epilog=EPILOG)
def group() -> None:
    """Groups: make them, invite people, answer invitations."""


for verb in membership.VERBS:
    group.add_command(verb)


@group.command(
    "list",
    epilog="\b\nExamples:\n  sciserver group list\n  sciserver group list --public\n"
    "  sciserver group list --invitations\n",
)
@click.option("--public", is_flag=True, help="Groups anybody may join, in place of mine.")
@click.option("--invitations", is_flag=True, help="Invitations I may answer, in place of groups.")
@_number
@json_option
def list_groups(public: bool, invitations: bool, number: int, as_json: bool) -> None:
    """List the groups I am in, directly or through others. Open invitations are told on standard error."""
    if public and invitations:
        raise click.UsageError("Give --public or --invitations, not both.")
    client = connect()
    if invitations:
        _invitations(client.invitations()[:number], as_json)
        return
    found = list(islice(client.public_groups() if public else client.groups(), number))
    if as_json:
        print_json(found)
        return
    titles = ("NAME", "KEPT IN", "MY ROLE", "OWNER", "OPEN TO", "DESCRIPTION")
    show(titles, map(_row, found))
    if not public:
        _remind(client.invitations())


def _row(one: GroupInfo) -> tuple[object, ...]:
    role = one.role or ("through a group" if one.member and one.source == "portal" else "-")
    return one.name, one.source, role, one.owner or "-", _open_to(one), one.description


def _open_to(one: GroupInfo) -> str:
    if one.source == "directory":
        return "-"
    return "everyone" if one.accessibility == "public" else "the invited"


def _invitations(found: Iterable[Membership], as_json: bool) -> None:
    from ..domain.notation import named  # noqa: PLC0415

    if as_json:
        print_json(list(found))
        return
    rows = ((one.group, named(one.member), one.role, one.by, moment(one.changed_at)) for one in found)
    show(("GROUP", "FOR", "AS", "FROM", "SINCE"), rows)


def _remind(open_ones: list[Membership]) -> None:
    names = ", ".join(dict.fromkeys(one.group for one in open_ones))
    if names:
        click.echo(clean(f"You are invited to {names}; run: sciserver group list --invitations"), err=True)


@group.command(
    "show", epilog="\b\nExamples:\n  sciserver group show survey\n  sciserver group show survey --json\n"
)
@_name
@_number
@json_option
def show_group(name: str, number: int, as_json: bool) -> None:
    """Show GROUP: what it is, who is in it, and, to its admins, who is invited."""
    from ..domain.notation import named  # noqa: PLC0415

    client = connect()
    found = client.group(name)
    members, invited = _inside(client, found, number)
    if as_json:
        print_json({"group": found, "members": members, "invitations": invited})
        return
    pairs(
        (
            ("group", found.name),
            ("owner", found.owner),
            ("open to", _open_to(found)),
            ("made", moment(found.created_at)),
            ("my role", found.role or ("in it through another group" if found.member else "not in it")),
            ("description", found.description),
        )
    )
    for title, listed in (("MEMBER", members), ("INVITED", invited)):
        if listed:
            click.echo()
            rows = ((named(one.member), one.role, one.by, moment(one.changed_at)) for one in listed)
            show((title, "ROLE", "BY", "SINCE"), rows)


def _inside(client: Client, found: GroupInfo, number: int) -> tuple[list[Membership], list[Membership]]:
    """Members and invitations, as far as the asker may see them."""
    asks: tuple[Callable[[str], Iterable[Membership]], ...] = (client.members, client.invitations)
    lists: list[list[Membership]] = [[], []]
    for ask, listed in zip(asks, lists, strict=True):
        with contextlib.suppress(Refused):
            listed.extend(islice(ask(found.name), number))
    return lists[0], lists[1]


@group.command(
    epilog="\b\nExamples:\n  sciserver group create survey\n"
    '  sciserver group create survey --public --description "Who looks up"\n'
)
@_name
@click.option("--description", metavar="TEXT", default="", help="What the group is for.")
@click.option("--public", is_flag=True, help="Anybody may join; without it people are invited.")
@json_option
def create(name: str, description: str, public: bool, as_json: bool) -> None:
    """Make GROUP. I own it."""
    made = connect().make_group(name, description, public=public)
    if as_json:
        print_json(made)
    else:
        click.echo(f"Group {made.name} is yours. Invite people: sciserver group invite {made.name} WHO")


@group.command(
    epilog='\b\nExamples:\n  sciserver group describe survey "Who looks up"\n'
    "  sciserver group describe survey --private\n"
)
@_name
@click.argument("text", required=False)
@click.option(
    "--public/--private",
    default=None,
    help="Whether anybody may join, or the invited alone; the owner decides.",
)
@json_option
def describe(name: str, text: str | None, public: bool | None, as_json: bool) -> None:
    """Give GROUP another description, open or close it."""
    if text is None and public is None:
        raise click.UsageError("Say what shall change: a TEXT, --public or --private.")
    changed = connect().describe_group(name, text, public=public)
    if as_json:
        print_json(changed)
    else:
        click.echo(clean(f"Group {changed.name}, open to {_open_to(changed)}: {changed.description}"))


@group.command(
    epilog="\b\nExamples:\n  sciserver group unix survey\n  sciserver group unix survey --on\n"
    "  sciserver group unix survey --off\n"
)
@_name
@click.option("--on/--off", default=None, help="Make it a Unix group, or no more; the owner decides.")
@json_option
def unix(name: str, on: bool | None, as_json: bool) -> None:
    """Show whether GROUP is a Unix group; or make it one, or no more.

    Files then name one group in place of its members. Whoever is removed keeps the files in processes that
    run already, until these end; where members are named, they lose them at the next access.
    """
    client = connect()
    found = client.unix_group(name) if on is None else client.set_unix_group(name, on=on)
    if as_json:
        print_json(found)
    else:
        click.echo(clean(found.sentence))


@group.command(
    epilog="\b\nExamples:\n  sciserver group delete survey\n  sciserver group delete survey --yes\n"
)
@_name
@click.option("--yes", is_flag=True, help="Do not ask whether I mean it.")
def delete(name: str, yes: bool) -> None:
    """End GROUP, its memberships and the grants to it. Its name is never given again."""
    if not yes:
        click.confirm(f"End group {clean(name)} and every grant to it, for good?", abort=True, err=True)
    connect().delete_group(name)
    click.echo(f"Group {name} is no more.")
