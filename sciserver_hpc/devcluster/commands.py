"""The project's own commands and plugins, run from the checkout as setup.cfg declares them: nothing is
installed."""

from __future__ import annotations

import configparser
import sys

from .mounts import CHECKOUT
from .state import State, directory


def entry_points(group: str = "console_scripts") -> dict[str, str]:
    """Name, of the group of commands a command → `module:function`."""
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg")
    rows = parser["options.entry_points"][group].strip().splitlines()
    return {name.strip(): target.strip() for name, _, target in (row.partition("=") for row in rows)}


def argv(command: str, *arguments: str) -> list[str]:
    """The argv that runs `command`."""
    module, _, function = entry_points()[command].partition(":")
    call = f"import sys; sys.argv[0] = {command!r}; from {module} import {function}; sys.exit({function}())"
    return [sys.executable, "-c", call, *arguments]


def environment(state: State) -> dict[str, str]:
    """Where Python finds the code in the namespace, and what an installation would tell of it."""
    return {"PYTHONPATH": f"{state.src}:{state.root / 'lib'}", "PYTHONDONTWRITEBYTECODE": "1"}


def prepare(state: State) -> None:
    """Put a launcher per command into the state's bin directory, for people in `./dev shell`; and beside it
    the metadata by which submitit finds its plugin (packaging.python.org, entry points)."""
    for name, target in entry_points().items():
        module, _, function = target.partition(":")
        text = (
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(state.src)!r})\n"
            f"from {module} import {function}\nsys.exit({function}())\n"
        )
        State.write(state.root / "bin" / name, text, mode=0o755)
    told = directory(directory(state.root / "lib") / "sciserver_hpc-0.dist-info")
    points = "".join(f"{name} = {target}\n" for name, target in entry_points("submitit").items())
    State.write(told / "METADATA", "Metadata-Version: 2.1\nName: sciserver-hpc\nVersion: 0\n", mode=0o644)
    State.write(told / "entry_points.txt", f"[submitit]\n{points}", mode=0o644)
