"""The verbs behind `./dev`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from . import cluster, commands, demo, local, settings, testing
from .errors import Failed
from .mounts import CHECKOUT
from .namespace import Command, Namespace
from .state import State

FROM_ANYWHERE = {"ignore_unknown_options": True, "allow_interspersed_args": False}


class Verbs(click.Group):
    """Shows a failed step in lines a person can act on."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Failed as error:
            click.echo(error.report(), err=True)
            sys.exit(1)


@click.group(cls=Verbs)
def dev() -> None:
    """The development cluster."""


@dev.command()
@click.option(
    "--database", type=click.Choice(["sqlite", "postgresql"]), help="Kept for this state directory."
)
def up(database: str | None) -> None:
    """Start what does not run."""
    state = State.from_environment()
    if database:
        state.make()
        cluster.choose_database(state, database)
    demo.bring_up(state)
    demo.tell_accounts(state)


@dev.command()
@click.option("--local", "alone", is_flag=True, help="The single-user portal.")
def down(alone: bool) -> None:
    """Stop what was started."""
    (local.down if alone else cluster.down)(_state(alone), click.echo)


@dev.command()
@click.option("--local", "alone", is_flag=True, help="The single-user portal.")
def clean(alone: bool) -> None:
    """Stop, and remove the state directory."""
    (local.clean if alone else cluster.clean)(_state(alone), click.echo)


@dev.command()
@click.option("--local", "alone", is_flag=True, help="The single-user portal.")
def status(alone: bool) -> None:
    """Every part: its process, and whether it answers."""
    rows = (local.status if alone else cluster.status)(_state(alone))
    if not rows:
        click.echo("nothing runs; start it: ./dev up")
        sys.exit(3)
    for name, process, answers in rows:
        word = "answers" if answers else "does not answer" if process else "is not running"
        click.echo(f"{name:12} {process.pid if process else '-':>8}  {word}")
    sys.exit(0 if all(row[2] for row in rows) else 1)


@dev.command("demo")
@click.option("--local", "alone", is_flag=True, help="Without root, Slurm and LDAP.")
def demonstrate(alone: bool) -> None:
    """Run the sample notebook through the portal's API."""
    if alone:
        local.run(_state(alone))
    else:
        demo.run(State.from_environment())


@dev.command()
@click.argument("who", default="root")
def shell(who: str) -> None:
    """A shell inside the cluster."""
    sys.exit(_inside(who, ["bash", "-i"]))


@dev.command("exec", context_settings=FROM_ANYWHERE)
@click.argument("who")
@click.argument("argv", nargs=-1, required=True)
def execute(who: str, argv: tuple[str, ...]) -> None:
    """One command inside the cluster."""
    sys.exit(_inside(who, list(argv)))


@dev.command()
@click.argument("name")
@click.argument("arguments", nargs=-1)
def bench(name: str, arguments: tuple[str, ...]) -> None:
    """Run a benchmark on the cluster."""
    if not (CHECKOUT / "benchmarks" / f"{name}.py").exists():
        known = sorted(p.stem for p in (CHECKOUT / "benchmarks").glob("[a-z]*.py"))
        raise Failed("bench", f"there is no benchmark {name}", f"choose one of: {', '.join(known)}")
    state = State.from_environment()
    demo.bring_up(state)
    sys.exit(_inside("root", [sys.executable, "-m", f"benchmarks.{name}", *arguments], directory=CHECKOUT))


@dev.command()
@click.option("-f", "--follow", is_flag=True)
@click.argument("part", required=False)
def logs(follow: bool, part: str | None) -> None:
    """What the parts wrote."""
    files = sorted(State.from_environment().logs.glob(f"{part or '*'}.log"))
    if not files:
        raise Failed("logs", "there are none", "start the cluster: ./dev up")
    argv = ["tail", "-n", "40", *(["-F"] if follow else []), "--", *map(str, files)]
    sys.exit(subprocess.call(argv))


@dev.command()
def lint() -> None:
    """Style, types, floors, shell."""
    sys.exit(testing.lint())


@dev.command(context_settings=FROM_ANYWHERE)
@click.option("--quick", is_flag=True, help="Without the cluster.")
@click.argument("paths", nargs=-1)
def test(quick: bool, paths: tuple[str, ...]) -> None:
    """Everything CI checks, or the tests in PATHS."""
    sys.exit(testing.run(quick, paths))


def _state(alone: bool) -> State:
    return local.state() if alone else State.from_environment()


PASSED_ON = frozenset({"TERM", "COLORTERM", "LANG"})
"""What people in the cluster get of the caller's environment: root's may hold secrets."""


def _inside(who: str, argv: list[str], directory: Path | None = None) -> int:
    """Run with this terminal, in the namespace, with the cluster's commands on PATH; people begin at home."""
    state = State.from_environment()
    home = state.shared / "home" / who
    begin = directory or (home if home.exists() else Path("/"))
    command = Command(argv, user=None if who == "root" else who, directory=str(begin))
    passed_on = {name: value for name, value in os.environ.items() if who == "root" or name in PASSED_ON}
    env = passed_on | commands.environment(state) | {
        "PATH": f"{state.root / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/root") if who == "root" else str(home),
        "USER": who,
        "SCISERVER_DEV_STATE": str(state.root),
        "SCISERVER_CONFIG": str(settings.file(state)),
        "SCISERVER_URL": settings.url(state),
        "SCISERVER_CA": str(state.etc / "ca.pem"),
    }  # fmt: skip
    return subprocess.call(Namespace(state).argv(command), env=env)


if __name__ == "__main__":
    dev(prog_name="./dev")
