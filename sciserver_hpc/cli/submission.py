"""What `sciserver-submit` does: options and header lines to a request, the request to the portal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..client import Client
from ..domain import headers, options
from ..domain.errors import Invalid
from ..domain.jobs import Kind
from ..domain.sweeps import from_csv
from ..domain.views import JobView
from . import sent
from .table import clean
from .verb import INTERRUPTED, connect, leave, print_json

LARGEST = 8_000_000
"""Bytes of a script or notebook that are read at all."""

SWEEP = ("sweep", "grid", "at_once")
_WORDS = ("wrap", "notebook", "script", "arguments", "key", "as_json", "dry_run", *SWEEP)
"""Parameters of the command that are no options of a job."""


def run(given: Mapping[str, Any]) -> None:
    """Do what the command line `given` says."""
    payload, written = _payload(given)
    values = options.merged(written.values, _values(given))
    for warning in (*written.warnings, *options.warnings(values)):
        click.echo(f"sciserver-submit: warning: {warning}", err=True)
    client = connect()
    if options.needs_place(values):
        values["domain"] = (options.place(values, client.domains()),)
    request = client.request(**(payload | options.fields(values) | _sweep(given)))
    as_json = given["as_json"]
    if given["dry_run"]:
        sent.show(client.preview(request), as_json)
    elif "test-only" in values:
        message = client.test_only(request)
        print_json({"message": message}) if as_json else click.echo(clean(message))
    else:
        job = client.submit(request, key=given["key"])
        if not as_json or "wait" not in values:
            _tell(job, as_json, "parsable" in values)
        if "wait" in values:
            _wait(client, job, as_json, "parsable" in values)


def _values(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The job's options on the command line, as header lines would say them."""
    named = {name.replace("_", "-"): value for name, value in given.items() if name not in _WORDS}
    return {
        name: value if isinstance(value, tuple) else ("",) if value is True else (value,)
        for name, value in named.items()
        if value not in (None, False, ())
    }


def _sweep(given: Mapping[str, Any]) -> dict[str, Any]:
    """What varies from task to task."""
    path, grid = given["sweep"], given["grid"]
    if path and grid:
        raise Invalid({"--grid": "give --sweep or --grid, not both."})
    try:
        if path:
            return {"sweep": {"table": from_csv(_read(path)), "at_once": given["at_once"]}}
        if grid:
            return {"sweep": {"grid": dict(map(options.values_of, grid)), "at_once": given["at_once"]}}
    except ValueError as error:
        raise Invalid({"--sweep" if path else "--grid": f"{error}."}) from error
    if given["at_once"]:
        raise Invalid({"--at-once": "it is for --sweep and --grid; of an array write 0-99%10."})
    return {}


def _payload(given: Mapping[str, Any]) -> tuple[dict[str, Any], headers.Headers]:
    """What to run as fields of a JobRequest, and the options written in it."""
    nothing = headers.Headers({}, ())
    sources = [name for name in ("wrap", "notebook", "script") if given[name] is not None]
    if len(sources) > 1:
        raise Invalid({"SCRIPT": f"give one of {', '.join(sources)}, not {len(sources)} of them."})
    if given["wrap"] is not None:
        return {"kind": Kind.SHELL, "command": given["wrap"], "name": "wrap"}, nothing
    path = given["notebook"] or given["script"] or "-"
    text = _read(path)
    name = options.payload_name(path) if path != "-" else "stdin"
    common = {"filename": name, "name": name}
    if given["notebook"] or path.endswith(".ipynb"):
        if given["arguments"]:
            raise Invalid({"ARGUMENTS": "a notebook takes no arguments; use --param NAME=VALUE."})
        return common | {"kind": Kind.NOTEBOOK, "notebook": text}, nothing
    fields = {"kind": Kind.SCRIPT, "script": text, "arguments": given["arguments"]}
    return common | fields, headers.read(text)


def _read(path: str) -> str:
    """The text of file `path`, or of standard input for `-`."""
    if path == "-" and sys.stdin.isatty():
        raise Invalid({"SCRIPT": "name a script, or give a command with --wrap; see --help."})
    try:
        with sys.stdin.buffer if path == "-" else Path(path).open("rb") as stream:
            data = stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise Invalid({path: "it is larger than 8 MB; put data into a volume."})
        return data.decode()
    except UnicodeDecodeError as error:
        raise Invalid({path: "it is not UTF-8 text; a program is started from a script."}) from error
    except OSError as error:
        raise Invalid({path: f"it cannot be read: {error.strerror}."}) from error


def _tell(job: JobView, as_json: bool, parsable: bool) -> None:
    if as_json:
        print_json(job)
    elif parsable:
        click.echo(job.id)
    else:
        click.echo(f"Submitted job {job.id} to domain {job.domain}, image {job.image} {job.image_version}.")
        click.echo(f"Results:  {job.folder}")
        click.echo(f"Follow:   sciserver-logs -f {job.id}")


def _wait(client: Client, job: JobView, as_json: bool, parsable: bool) -> None:
    """Wait, and leave with the job's exit code; an interrupt leaves the job alone."""
    try:
        job = client.wait(job.id)
    except KeyboardInterrupt:
        click.echo(
            f"\nJob {job.id} goes on. Look at it with: sciserver job {job.id}   "
            f"Stop it with: sciserver-cancel {job.id}",
            err=True,
        )
        leave(INTERRUPTED)
    if as_json:
        print_json(job)
    elif not parsable:
        click.echo(f"Job {job.id}: {clean(job.sentence)}", err=True)
    leave(exit_code(job))


def exit_code(job: JobView) -> int:
    """0 for success; else the job's own code, 128 + signal, or 1."""
    if job.state == "SUCCEEDED":
        return 0
    if job.end is None:
        return 1
    return job.end.exit_code or (128 + job.end.signal if job.end.signal else 1)
