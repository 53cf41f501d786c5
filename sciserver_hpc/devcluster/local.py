"""Single-user mode: portal and broker as the caller, SQLite, jobs as child processes; no root, no Slurm."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import click

from ..client import Client
from ..directory import static
from ..domain import toml
from ..domain.access import Action, Grant, Resource, Subject
from ..domain.catalogue import ComputeDomain, Site
from ..domain.errors import SciServerError
from ..domain.people import Person
from ..domain.resources import Limits
from ..domain.states import JobState
from ..domain.volumes import RootVolume
from . import broker, commands, demo, runtime, site
from .daemon import Daemon, listens, start
from .errors import Failed
from .mounts import CHECKOUT
from .namespace import PATH, Command
from .processes import Process, Records, end, launch, process, socket_holders, wait
from .state import State, directory

ROOTS = ("Storage", "Temporary")


class Machine:
    """Runs commands as they are: the caller's account, the machine's own files."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.records = Records(state)

    def spawn(self, name: str, command: Command, log: IO[bytes]) -> Process | None:
        """Start a process that stays and record it; None when it ended at once."""
        argv = ["env", f"--chdir={command.directory}", *command.argv]
        started = process(name, launch(argv, _environment(command), log))
        if started:
            self.records.add(started)
        return started


def state() -> State:
    """The state directory of single-user mode, beside the cluster's."""
    root = State.from_environment().root
    return State(root.with_name(f"{root.name}-local"))


def run(state: State) -> None:
    """Start portal and broker, submit the sample notebook as the caller, print what came of it.

    Raises Failed.
    """
    if os.geteuid() == 0:
        raise Failed("demo", "single-user mode is for an ordinary user: jobs would run as root", _AS_USER)
    state.make()
    _tree(state)
    found = runtime.find(lambda line: click.echo(f"dev: {line}"))
    prepare(state, found)
    for daemon in daemons(state):
        if start(Machine(state), daemon):
            click.echo(f"dev: {daemon.name} answers")
    try:
        with Client.login(url(state), getpass.getuser(), password(state)) as client:
            demo.show(client, getpass.getuser())
    except SciServerError as error:
        raise Failed("demo", str(error), "see the log", state.logs / "portal.log") from error
    click.echo(f"\nPortal:    {url(state)}")
    click.echo(f"Account:   {getpass.getuser()} {password(state)}")
    click.echo("Stop it:   ./dev down --local")


def url(state: State) -> str:
    """The portal's address."""
    return f"http://127.0.0.1:{state.port('portal', 8000)}"


def password(state: State) -> str:
    """The caller's password for the portal, made at first use."""
    return state.secret("password", 9)


def values(state: State, found: runtime.Runtime) -> dict[str, Any]:
    """The settings as tables."""
    return {
        "portal": {
            "url": url(state),
            "bind": f"127.0.0.1:{state.port('portal', 8000)}",
            "secret_key_file": state.secrets / "portal.key",
            "runtime_dir": state.run / "sciserver",
            "log_format": "console",
        },
        "database": {"url": f"sqlite:///{state.root / 'sciserver.db'}"},
        "directory": {"kind": "static", "users_file": state.secrets / "users.toml"},
        "agents": {"transport": "self", "min_uid": min(1000, os.getuid()), "local_path": found.path},
        "clusters": {"default": {"kind": "local"}},
        "broker": {"tick_s": 0.5},
        "images": {"apptainer": found.apptainer},
        "catalogue": {"file": state.etc / "site.toml"},
    }


def prepare(state: State, found: runtime.Runtime) -> None:
    """Write settings, user and catalogue; bring the database up to date."""
    state.secret("portal.key", 48)
    State.write(state.etc / "sciserver.toml", toml.dumps(values(state, found)))
    _write_user(state)
    site.write(state, _catalogue(state, found))
    for words in (("upgrade",), ("apply", "--yes")):
        command = _command(state, "db", *words)
        done = subprocess.run(
            command.argv,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd="/",
            env=_environment(command),
        )
        if done.returncode:
            raise Failed("database", (done.stderr or done.stdout).strip()[-2000:])


def daemons(state: State) -> tuple[Daemon, ...]:
    """Portal and broker."""
    port = state.port("portal", 8000)
    return (
        Daemon("portal", _command(state, "serve"), lambda: listens(port), workers=True),
        Daemon("broker", _command(state, "broker"), lambda: broker.wakes(state)),
    )


def status(state: State) -> list[tuple[str, Process | None, bool]]:
    """Both parts: name, process while that lives, whether it answers."""
    live = Records(state).live()
    return [(d.name, live.get(d.name), d.name in live and d.ready()) for d in daemons(state)] if live else []


def down(state: State, say: Callable[[str], None]) -> None:
    """Cancel jobs, end both parts and the agent they started."""
    records = Records(state)
    if "portal" in records.live():
        _cancel_jobs(state)
    for one in reversed(records.all()):
        if one.alive:
            end([one])
            say(f"{one.name} ended")
    end(socket_holders(state.run))
    if state.exists:
        records.forget([one.name for one in records.all()])


def _cancel_jobs(state: State) -> None:
    """Best effort: a portal that does not answer must not keep anything from being ended."""
    try:
        with Client.login(url(state), getpass.getuser(), password(state)) as client:
            waiting = [client.cancel(job.id).id for job in client.jobs(states=_ACTIVE)]
            wait(lambda: all(client.job(number).final for number in waiting), 10, pause=0.2)
    except SciServerError as error:
        click.echo(f"dev: jobs could not be cancelled: {error}")


def clean(state: State, say: Callable[[str], None]) -> None:
    """End both and remove the state directory."""
    if not state.root.exists():
        say(f"{state.root} is not there")
        return
    down(state, say)
    state.remove()
    say(f"{state.root} removed")


def _command(state: State, *words: str) -> Command:
    env = {"SCISERVER_CONFIG": str(state.etc / "sciserver.toml"), "PYTHONPATH": str(CHECKOUT)}
    return Command(commands.argv("sciserver-hpc", *words), env=env)


def _environment(command: Command) -> dict[str, str]:
    return {"PATH": PATH, "LANG": "C.UTF-8", "HOME": str(Path.home())} | dict(command.env)


def _tree(state: State) -> None:
    directory(state.run / "sciserver", 0o700)
    for name in ROOTS:
        directory(state.shared / name / getpass.getuser())


def _write_user(state: State) -> None:
    me = Person(username=getpass.getuser(), uid=os.getuid(), gid=os.getgid())
    State.write(state.secrets / "users.toml", static.entry(me, password(state)), mode=0o600)


def _catalogue(state: State, found: runtime.Runtime) -> Site:
    me = Subject(kind="everyone")
    domain = ComputeDomain(
        name="local", description="This machine.", partition="local", interactive=True,
        images=(found.image.name,), root_volumes=ROOTS,
        limits=Limits(cpus=os.cpu_count(), time_limit_s=86_400),
    )  # fmt: skip
    things = (("domain", domain.name), ("image", found.image.name))
    return Site(
        domains=(domain,),
        images=(found.image,),
        root_volumes=tuple(RootVolume(name=name, path=str(state.shared / name)) for name in ROOTS),
        grants=tuple(
            Grant(subject=me, action=Action.USE, resource=Resource(kind=kind, name=name))
            for kind, name in things
        ),
    )


_ACTIVE = [state for state in JobState if not state.final]
_AS_USER = "run it as that user, or ./dev demo for the whole cluster"
