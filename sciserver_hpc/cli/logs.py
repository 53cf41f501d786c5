"""`sciserver-logs`: what a job wrote, or is writing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .verb import INTERRUPTED, Verb, connect, json_option, leave, print_json

if TYPE_CHECKING:
    from ..client import Client, LogPiece

EPILOG = """\b
Examples:
  sciserver-logs 12                     all output so far
  sciserver-logs -f 12                  follow it until the job is over
  sciserver-logs --stderr -n 20 12      the last 20 lines of the errors
"""

TAIL = 65536
"""Bytes from the end among which `--lines` looks for its lines."""


@click.command("sciserver-logs", cls=Verb, epilog=EPILOG)
@click.argument("job", type=click.IntRange(1), metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on as the job writes, until it is over.")
@click.option("-e", "--stderr", is_flag=True, help="The job's errors instead of its output.")
@click.option(
    "-n", "--lines", type=click.IntRange(0), help="Only the last so many lines (of the last 64 kB)."
)
@json_option
def logs(job: int, follow: bool, stderr: bool, lines: int | None, as_json: bool) -> None:
    """Print what job ID wrote.

    With --json: {"text", "next", "size", "final"}; with --follow one such object a line.
    """
    client = connect()
    stream = "stderr" if stderr else "stdout"
    try:
        offset = 0
        if lines is not None:
            last = client.log(job, stream, -TAIL, TAIL)
            _print(last.model_copy(update={"text": tail(last.text, lines)}), as_json)
            offset = last.next
        if follow or lines is None:
            for piece in _pieces(client, job, stream, offset, follow):
                _print(piece, as_json)
    except KeyboardInterrupt:
        click.echo(f"\nJob {job} goes on. Stop it with: sciserver-cancel {job}", err=True)
        leave(INTERRUPTED)


def tail(text: str, lines: int) -> str:
    """The last `lines` lines of `text`."""
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""


def _pieces(client: Client, job: int, stream: str, offset: int, follow: bool) -> Iterator[LogPiece]:
    if follow:
        yield from client.follow_pieces(job, stream, offset)
        return
    while True:
        piece = client.log(job, stream, offset)
        yield piece
        if piece.next >= piece.size or piece.next == offset:
            return
        offset = piece.next


def _print(piece: LogPiece, as_json: bool) -> None:
    if as_json:
        print_json(piece)
    else:
        click.echo(piece.text, nl=False)
