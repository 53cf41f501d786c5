"""`sciserver-results`: a job's folder, to look at or to fetch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..domain.errors import Invalid
from .table import clean, show
from .verb import FAILED, Verb, connect, json_option, leave, print_json

if TYPE_CHECKING:
    from ..domain.files import FileEntry

EPILOG = """\b
Examples:
  sciserver-results 12                  fetch all into ./job-12
  sciserver-results 12 --to ~/run1      ... into another directory
  sciserver-results 12 --list           only list them
  sciserver-results 12 fit.png out/a.txt
  sciserver-results 12 --table > found.csv
"""


@click.command("sciserver-results", cls=Verb, epilog=EPILOG)
@click.argument("job", type=click.IntRange(1), metavar="ID")
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@click.option("--to", type=click.Path(path_type=Path), help="Directory to write to; default: ./job-<ID>.")
@click.option("--list", "listing", is_flag=True, help="List the folder (or the directories named).")
@click.option("--table", is_flag=True, help="Of an array: print what its tasks found, as CSV.")
@json_option
def results(
    job: int, paths: tuple[str, ...], to: Path | None, listing: bool, table: bool, as_json: bool
) -> None:
    """Fetch the results of job ID: its whole folder, or the FILEs named.

    Links and special files are left out and told. A file is written whole or not at all.
    """
    if table:
        _table(job, as_json)
    elif listing:
        _list(job, paths or ("",), as_json)
    else:
        _fetch(job, paths, to or Path(f"job-{job}"), as_json)


def _table(job: int, as_json: bool) -> None:
    from ..domain.result_table import csv_lines  # noqa: PLC0415

    rows = list(connect().table(job))
    if as_json:
        print_json(rows)
        return
    for line in csv_lines(rows):
        click.echo(line.replace("\r\n", "\n"), nl=False)


def _list(job: int, paths: tuple[str, ...], as_json: bool) -> None:
    client = connect()
    found = [(path, entry) for path in paths for entry in client.files(job, path)]
    if as_json:
        print_json([entry.model_dump(mode="json") | {"directory": path} for path, entry in found])
    else:
        rows = (
            (_size(entry), f"{entry.modified_at:%Y-%m-%d %H:%M}", _name(path, entry)) for path, entry in found
        )
        show(("BYTES", "MODIFIED", "NAME"), rows, right=("BYTES",))


def _size(entry: FileEntry) -> str:
    return str(entry.size) if entry.kind == "file" else ""


def _name(path: str, entry: FileEntry) -> str:
    mark = {"directory": "/", "link": "@", "other": "|"}.get(entry.kind, "")
    return f"{path.rstrip('/')}/{entry.name}{mark}".lstrip("/")


def _fetch(job: int, paths: tuple[str, ...], to: Path, as_json: bool) -> None:
    client = connect()
    names = [path.rpartition("/")[2] for path in paths]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Invalid({"FILE": f"several are called {twice}; fetch each into a directory of its own."})
    if paths:
        to.mkdir(parents=True, exist_ok=True)
        saved, skipped = [client.download(job, path, to) for path in paths], dict[str, str]()
    else:
        fetched = client.results(job, to)
        saved, skipped = fetched.saved, fetched.skipped
    for path, reason in skipped.items():
        click.echo(f"sciserver-results: left out {clean(path)}: {reason}.", err=True)
    if as_json:
        print_json({"saved": [str(path) for path in saved], "skipped": skipped})
    else:
        click.echo(f"{len(saved)} file{'' if len(saved) == 1 else 's'} of job {job} in {to}")
    leave(FAILED if skipped and not saved else 0)
