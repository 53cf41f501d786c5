"""The project's own commands, run from the checkout as setup.cfg declares them: nothing is installed."""

from __future__ import annotations

import configparser
import sys

from .mounts import CHECKOUT
from .state import State


def entry_points() -> dict[str, str]:
    """Command → `module:function`."""
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg")
    rows = parser["options.entry_points"]["console_scripts"].strip().splitlines()
    return {name.strip(): target.strip() for name, _, target in (row.partition("=") for row in rows)}


def argv(command: str, *arguments: str) -> list[str]:
    """The argv that runs `command`."""
    module, _, function = entry_points()[command].partition(":")
    call = f"import sys; sys.argv[0] = {command!r}; from {module} import {function}; sys.exit({function}())"
    return [sys.executable, "-c", call, *arguments]


def environment(state: State) -> dict[str, str]:
    """Where Python finds the code in the namespace."""
    return {"PYTHONPATH": str(state.src), "PYTHONDONTWRITEBYTECODE": "1"}


def prepare(state: State) -> None:
    """Put a launcher per command into the state's bin directory, for people in `./dev shell`."""
    for name, target in entry_points().items():
        module, _, function = target.partition(":")
        text = (
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(state.src)!r})\n"
            f"from {module} import {function}\nsys.exit({function}())\n"
        )
        State.write(state.root / "bin" / name, text, mode=0o755)
