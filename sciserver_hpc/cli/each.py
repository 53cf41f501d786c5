"""The same done to several things, each for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar

import click

from ..domain.errors import SciServerError
from .verb import exit_code, leave, print_json, sentences

T = TypeVar("T")


def each(
    ids: Iterable[int], thing: str, act: Callable[[int], T], told: Callable[[T], str], *, as_json: bool
) -> NoReturn:
    """Act on each and tell of it; what cannot be done is told and keeps none of the others. Leaves."""
    path = click.get_current_context().command_path
    done: list[T] = []
    worst = 0
    for number in ids:
        try:
            now = act(number)
        except SciServerError as error:
            worst = max(worst, exit_code(error))
            for sentence in sentences(error):
                click.echo(f"{path}: {thing} {number}: {sentence}", err=True)
        else:
            done.append(now)
            if not as_json:
                click.echo(told(now))
    if as_json:
        print_json(done)
    leave(worst)
