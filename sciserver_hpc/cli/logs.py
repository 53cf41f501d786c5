"""`sciserver-logs`: what a job wrote, or is writing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .verb import INTERRUPTED, F, Verb, connect, json_option, leave, print_json

if TYPE_CHECKING:
    from ..client import Client, LogPiece

EPILOG = """\b
Examples:
  sciserver-logs 12                     all output so far
  sciserver-logs -f 12                  follow it until the job is over
  sciserver-logs --stderr -n 20 12      the last 20 lines of the errors
  sciserver-logs 12_3                   of an array, task 3 instead of the first
"""

TAIL = 65536
"""Bytes from the end among which `--lines` looks for its lines."""


_ID = re.compile(r"([1-9][0-9]{0,17})(?:_([0-9]{1,7}))?")


class TaskId(click.ParamType[tuple[int, int | None]]):
    """A job id, or with `_` and a number one task of an array, as squeue writes it."""

    name = "id"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int | None]:
        found = _ID.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is no job id; write 12, or 12_3 for task 3 of an array.", param, ctx)
        return int(found[1]), int(found[2]) if found[2] else None


def log_options(command: F) -> F:
    """Which part of a log is printed, and how."""
    for option in (
        json_option,
        click.option(
            "-n", "--lines", type=click.IntRange(0), help="Only the last so many lines (of the last 64 kB)."
        ),
        click.option("-e", "--stderr", is_flag=True, help="The errors instead of the output."),
        click.option("-f", "--follow", is_flag=True, help="Go on as more is written, until the end."),
    ):
        command = option(command)
    return command


@click.command("sciserver-logs", cls=Verb, epilog=EPILOG)
@click.argument("job", type=TaskId(), metavar="ID[_TASK]")
@log_options
def logs(job: tuple[int, int | None], follow: bool, stderr: bool, lines: int | None, as_json: bool) -> None:
    """Print what job ID wrote; of an array one TASK, the first when none is named.

    With --json: {"text", "next", "size", "final"}; with --follow one such object a line.
    """
    print_log(job, follow, stderr, lines, as_json)


def print_log(
    job: tuple[int, int | None], follow: bool, stderr: bool, lines: int | None, as_json: bool
) -> None:
    """Print what a job, or a task of it, wrote; an interrupt leaves the job alone."""
    client = connect()
    stream = "stderr" if stderr else "stdout"
    number, task = job
    try:
        offset = 0
        if lines is not None:
            last = client.log(number, stream, -TAIL, TAIL, task)
            _print(last.model_copy(update={"text": tail(last.text, lines)}), as_json)
            offset = last.next
        if follow or lines is None:
            for piece in _pieces(client, job, stream, offset, follow):
                _print(piece, as_json)
    except KeyboardInterrupt:
        click.echo(f"\nJob {number} goes on. Stop it with: sciserver-cancel {number}", err=True)
        leave(INTERRUPTED)


def tail(text: str, lines: int) -> str:
    """The last `lines` lines of `text`."""
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""


def _pieces(
    client: Client, job: tuple[int, int | None], stream: str, offset: int, follow: bool
) -> Iterator[LogPiece]:
    number, task = job
    if follow:
        yield from client.follow_pieces(number, stream, offset, task=task)
        return
    while True:
        piece = client.log(number, stream, offset, task=task)
        yield piece
        if piece.next >= piece.size or piece.next == offset:
            return
        offset = piece.next


def _print(piece: LogPiece, as_json: bool) -> None:
    if as_json:
        print_json(piece)
    else:
        click.echo(piece.text, nl=False)
