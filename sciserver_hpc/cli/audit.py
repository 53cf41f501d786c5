"""`sciserver audit`: what was done with groups and grants."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from .table import moment, show
from .verb import Verb, connect, json_option, print_json

if TYPE_CHECKING:
    from ..domain.audit import Entry


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  sciserver audit
  sciserver audit Storage/alice/shared
  sciserver audit group:survey --all --json > survey.json
""",
)
@click.argument("resource", required=False)
@click.option(
    "-n", "--number", type=click.IntRange(1), default=50, show_default=True, help="At most so many lines."
)
@click.option("--all", "everything", is_flag=True, help="Every line there is.")
@json_option
def audit(resource: str | None, number: int, everything: bool, as_json: bool) -> None:
    """Show what was done with groups and grants, and what was refused, newest first.

    Of RESOURCE (as in `sciserver share`, or group:NAME) for its owner and its admins; default: what I did and
    what was done about me; with the power read_audit, all there is.
    """
    found = list(islice(connect().audit(resource), None if everything else number))
    if as_json:
        print_json(found)
    else:
        show(("WHEN", "WHO", "ACT", "ON", "WHOM", "DETAIL"), map(_row, found))


def _row(entry: Entry) -> tuple[object, ...]:
    from ..domain.notation import named, written  # noqa: PLC0415

    refused = f"REFUSED: {entry.reason}" if entry.outcome == "refused" else ""
    detail = "; ".join(filter(None, (refused, entry.detail)))
    whom = named(entry.whom) if entry.whom else "-"
    return moment(entry.at), entry.who, entry.act, written(entry.on), whom, detail
