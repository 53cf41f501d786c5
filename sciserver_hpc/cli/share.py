"""`sciserver share`: who may do what with my things, and what others share with me."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from .table import clean, moment, show
from .verb import Verbs, connect, json_option, print_json
from .why import POWERS

if TYPE_CHECKING:
    from ..client import GrantInfo

RIGHTS = (
    "read",
    "write",
    "use",
    "create",
    "grant",
    *POWERS,
    "reader",
    "writer",
    "user",
    "creator",
    "manager",
)
"""Actions, then the roles that bundle them; not every thing knows all."""

EPILOG = """\b
Examples:
  sciserver share give Storage/alice/shared bob reader
  sciserver share give job:17 group:survey read --until 2027-01-01
  sciserver share give session:12 user:bob read
  sciserver share list Storage/alice/shared
  sciserver share with-me

\b
RESOURCE is <Root>/<owner>/<name> for a user volume, or job:17, session:12,
image:python, app:jupyterlab, domain:batch, data:sunspots, root:Storage. SUBJECT
is a user name, group:NAME for a group of the portal, directory:NAME for a Unix
group, svc:NAME for a service account, or everyone. RIGHT is an action (read,
write, use, create, grant) or a role: reader, writer (read and write), user,
creator, manager (all, and grant). Whoever may read a session looks at it, if its
app can show itself so; whoever may write works in it, as me and with my files.
What administrators may do with site:site are powers: manage_domains,
manage_images, manage_volumes, manage_limits, manage_groups, read_audit, support.
"""

_number = click.option(
    "-n", "--number", type=click.IntRange(1), default=1000, show_default=True, help="At most so many grants."
)
_dry = click.option("--dry-run", is_flag=True, help="Tell what would change; change nothing.")


class _Moment(click.ParamType[datetime]):
    """A date, or date and time, in this machine's zone where none is written."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return datetime.fromisoformat(str(value)).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no date; write 2027-01-01 or 2027-01-01T18:00", param, ctx)


@click.group(cls=Verbs, epilog=EPILOG)
def share() -> None:
    """Share volumes, jobs, sessions and what else is mine with people and groups."""


@share.command(
    "list", epilog="\b\nExamples:\n  sciserver share list\n  sciserver share list Storage/alice/shared\n"
)
@click.argument("resource", required=False)
@_number
@json_option
def list_grants(resource: str | None, number: int, as_json: bool) -> None:
    """List the grants on RESOURCE, which I may share; default: all that I granted."""
    found = list(islice(connect().grants(resource), number))
    if as_json:
        print_json(found)
    else:
        rows = ((what, who, may, until, by) for what, who, may, until, by in _rows(found))
        show(("RESOURCE", "WHO", "MAY", "UNTIL", "GRANTED BY"), rows)


@share.command(
    "with-me", epilog="\b\nExamples:\n  sciserver share with-me\n  sciserver share with-me --json\n"
)
@_number
@json_option
def with_me(number: int, as_json: bool) -> None:
    """List what others share with me or with a group I am in."""
    found = list(islice(connect().shared_with_me(), number))
    if as_json:
        print_json(found)
    else:
        rows = ((what, may, until, by, who) for what, who, may, until, by in _rows(found))
        show(("RESOURCE", "I MAY", "UNTIL", "FROM", "AS"), rows)


@share.command(
    epilog="\b\nExamples:\n  sciserver share give Storage/alice/shared bob reader\n"
    "  sciserver share give Storage/alice/shared group:survey write --until 2027-01-01\n"
    "  sciserver share give job:17 directory:astro read --dry-run\n"
)
@click.argument("resource")
@click.argument("subject")
@click.argument("rights", nargs=-1, required=True, type=click.Choice(RIGHTS), metavar="RIGHT...")
@click.option(
    "--until",
    type=_Moment(),
    metavar="DATE",
    help="When it ends: 2027-01-01 (its first moment), 2027-01-01T18:00. Given again, the new end holds.",
)
@_dry
@json_option
def give(
    resource: str,
    subject: str,
    rights: tuple[str, ...],
    until: datetime | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Let SUBJECT do RIGHT with RESOURCE. Nobody can give what they lack."""
    given = connect().give(resource, subject, *rights, until=until, dry_run=dry_run)
    if as_json:
        print_json(given)
        return
    would = "would get" if dry_run else "has"
    for what, who, may, end, _ in _rows(given):
        click.echo(clean(f"{who} {would} {may} on {what}{'' if end == '-' else f' until {end}'}."))
    _nothing_changed(dry_run)


@share.command(
    epilog="\b\nExamples:\n  sciserver share revoke Storage/alice/shared bob\n"
    "  sciserver share revoke Storage/alice/shared bob write --dry-run\n"
)
@click.argument("resource")
@click.argument("subject")
@click.argument("rights", nargs=-1, type=click.Choice(RIGHTS), metavar="[RIGHT]...")
@_dry
@json_option
def revoke(resource: str, subject: str, rights: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Take back RIGHT on RESOURCE from SUBJECT; without RIGHT, all of it. What others get stays."""
    gone = connect().revoke(resource, subject, *rights, dry_run=dry_run)
    if as_json:
        print_json(gone)
        return
    if not gone:
        click.echo(clean(f"{subject} has no such grant on {resource}."))
    loses = "would lose" if dry_run else "lost"
    for what, who, may, _, by in _rows(gone):
        click.echo(clean(f"{who} {loses} {may} on {what}, granted by {by}."))
    _nothing_changed(dry_run)


def _nothing_changed(dry_run: bool) -> None:
    if dry_run:
        click.echo("Dry run: nothing is changed.", err=True)


def _rows(grants: Iterable[GrantInfo]) -> Iterator[tuple[str, str, str, str, str]]:
    """Resource, subject, actions, end and giver; what differs in the action alone is one row."""
    from ..domain.notation import named, written  # noqa: PLC0415

    found: dict[tuple[str, str, str, str], list[str]] = {}
    for one in grants:
        end = moment(one.expires) + (" (over)" if one.expired else "")
        key = (written(one.resource), named(one.subject), end, one.granted_by)
        found.setdefault(key, []).append(one.action.value)
    for (what, who, end, by), actions in found.items():
        yield what, who, ", ".join(actions), end, by
