"""Help: there for every command, with examples, and the same in the reference page."""

from __future__ import annotations

import configparser
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from sciserver_hpc.cli import completion
from sciserver_hpc.cli.admin import CHECKS
from sciserver_hpc.cli.reference import PROGRAMS, page, walk

ROOT = Path(__file__).parents[2]
COMMANDS = [context for name, program in PROGRAMS.items() for context in walk(program, name)]


def test_the_page_is_what_the_commands_say() -> None:
    assert (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8") == page(), (
        "run: python -m sciserver_hpc.cli.reference > docs/reference/cli.md"
    )


@pytest.mark.parametrize("context", COMMANDS, ids=lambda context: context.command_path)
def test_every_command_and_option_has_help_and_every_verb_an_example(context: click.Context) -> None:
    command = context.command
    assert command.help
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options)
    if not isinstance(command, click.Group):
        assert "Example" in (command.epilog or "")
        assert f"  {context.command_path}" in (command.epilog or "")


def test_every_installed_program_is_told_and_completed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    rows = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    targets = dict(row.replace(" ", "").split("=") for row in rows)
    assert set(targets) == set(PROGRAMS) == set(completion.PROGRAMS)
    for name, target in targets.items():
        module, _, attribute = target.partition(":")
        assert getattr(import_module(module), attribute) is PROGRAMS[name]


def test_help_loads_nothing_slow() -> None:
    code = (
        "import sys, sciserver_hpc.cli.submit, sciserver_hpc.cli.main, sciserver_hpc.cli.admin;"
        "print(sorted({'pydantic', 'requests', 'sqlalchemy', 'flask'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_the_checks_offered_are_those_there_are() -> None:
    checks = import_module("sciserver_hpc.cli.checks")
    assert tuple(checks.CHECKS) == CHECKS
