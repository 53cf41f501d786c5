"""The reference page of all commands, made of their help: `python -m sciserver_hpc.cli.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from .admin import admin
from .cancel import cancel
from .logs import logs
from .main import sciserver
from .queue import queue
from .results import results
from .submit import submit

PROGRAMS: dict[str, click.Command] = {
    "sciserver": sciserver,
    "sciserver-submit": submit,
    "sciserver-queue": queue,
    "sciserver-cancel": cancel,
    "sciserver-logs": logs,
    "sciserver-results": results,
    "sciserver-hpc": admin,
}
"""Every program this package installs."""

_HEAD = """\
# Commands

What each command's `--help` says. Where one is logged in is kept in `~/.config/sciserver/credentials.toml`
(mode 0600); `SCISERVER_URL`, `SCISERVER_TOKEN` or `SCISERVER_TOKEN_FILE`, and `SCISERVER_CA` win over it.
Exit codes: 0 well, 1 refused or failed, 2 not well formed, 75 the portal does not answer (try again),
130 interrupted. With `--json` a command prints the API's own models; errors are sentences on standard error
in either case.

This page is printed by `python -m sciserver_hpc.cli.reference`.
"""


def walk(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """The context of `command`, then of every command below it."""
    context = click.Context(command, parent=parent, info_name=name, terminal_width=79, max_content_width=79)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from walk(found, below, context)


def page() -> str:
    """The page, Markdown."""
    parts = [_HEAD]
    for name, program in PROGRAMS.items():
        for context in walk(program, name):
            parts.append(f"## {context.command_path}\n\n```text\n{context.command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
