"""What all commands share: errors in sentences, exit codes, `--json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from ..domain import errors

if TYPE_CHECKING:
    from ..client import Client

USAGE = 2
FAILED = 1
TEMPORARY = 75
"""EX_TEMPFAIL of sysexits.h: the same command may work later."""
INTERRUPTED = 130

_OPTIONS = {
    "expires": "until",
    "name": "name",
    "resources.cpus": "cpus",
    "resources.gpus": "gpus",
    "values": "field",
}
"""A field of the API → the option that sets it where it is not the one of a job."""

F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of text for people."
)


class Verb(click.Command):
    """A command whose errors are sentences on stderr and never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except errors.SciServerError as error:
            for sentence in sentences(error):
                click.echo(f"{ctx.command_path}: {sentence}", err=True)
            ctx.exit(exit_code(error))
        except BrokenPipeError:
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"{ctx.command_path}: {where}{error.strerror or error}.", err=True)
            ctx.exit(FAILED)


class Verbs(click.Group):
    """A group of verbs."""

    command_class = Verb


def sentences(error: errors.SciServerError) -> list[str]:
    """What to tell: one line per problem, each naming its option where there is one."""
    if isinstance(error, errors.Invalid):
        return [f"{_option(field)}: {text}" for field, text in error.problems.items()]
    if isinstance(error, errors.Refused):
        return [f"{_option(item)}: {reason}" for item, reason in error.items.items()]
    if isinstance(error, errors.BadCredentials) and "sciserver login" not in str(error):
        return [f"{error} Run: sciserver login"]
    return [str(error)]


def exit_code(error: errors.SciServerError) -> int:
    """2: the request is not well formed; 75: try again later; 1: refused or failed."""
    if isinstance(error, errors.Invalid):
        return USAGE
    return TEMPORARY if isinstance(error, errors.Unavailable) else FAILED


def _option(field: str) -> str:
    from ..domain.options import OPTION_OF  # noqa: PLC0415 (pydantic is slow to load and seldom needed)

    head, _, rest = field.partition(".")
    there = {option for param in _command().params for option in param.opts}
    for options in (_OPTIONS, OPTION_OF):
        for name in (field, head):
            # A field of the same name may be another thing: a group's name is no job's.
            if name in options and (written := f"--{options[name]}") in there:
                return f"{written} {rest}" if name == "values" and rest else written
    return field


def _command() -> click.Command:
    return click.get_current_context().command


def connect() -> Client:
    """The portal of this person, closed when the command ends; or the one a caller gave as context object."""
    from ..client import Client  # noqa: PLC0415 (requests and pydantic are slow to load)

    context = click.get_current_context()
    return context.find_object(Client) or context.with_resource(Client())


def print_json(value: Any) -> None:
    """`value`, models in it included, as JSON."""
    click.echo(json.dumps(value, default=lambda model: model.model_dump(mode="json"), indent=2))


def leave(code: int) -> NoReturn:
    """End with `code`."""
    sys.stdout.flush()
    click.get_current_context().exit(code)
