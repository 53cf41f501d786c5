"""`sciserver why`: why somebody may, or may not."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from .table import clean
from .verb import Verb, connect, json_option, print_json

POWERS = (
    "manage_domains",
    "manage_images",
    "manage_volumes",
    "manage_limits",
    "manage_groups",
    "read_audit",
    "support",
)
"""What one may do with `site:site`."""

ACTIONS = ("use", "read", "write", "create", "manage", "grant", *POWERS)


def _complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    return [CompletionItem(action) for action in ACTIONS if action.startswith(begun)]


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  sciserver why write Storage/alice/shared
  sciserver why bob read job:17
  sciserver why me use domain:gpu
""",
)
@click.argument(
    "words", nargs=-1, required=True, metavar="[PERSON] ACTION RESOURCE", shell_complete=_complete
)
@json_option
def why(words: tuple[str, ...], as_json: bool) -> None:
    """Tell why PERSON (default: me) may, or may not, do ACTION with RESOURCE.

    About others it tells those who may share the thing. ACTION: use, read, write, create, manage, grant; with
    site:site a power, as support. RESOURCE as in `sciserver share`.
    """
    person, action, resource = _split(words)
    answer = connect().explain(action, resource, person)
    if as_json:
        print_json(answer)
    else:
        click.echo(clean(answer.sentence))


def _split(words: tuple[str, ...]) -> tuple[str | None, str, str]:
    person, *rest = words if len(words) == 3 else ("me", *words)
    if len(rest) != 2:
        raise click.UsageError("Write: sciserver why [PERSON] ACTION RESOURCE")
    action, resource = rest
    if action not in ACTIONS:
        raise click.UsageError(f"{action!r} is no action; there are {', '.join(ACTIONS)}.")
    return None if person == "me" else person, action, resource
