"""PostgreSQL, for a cluster brought up with `--database postgresql`: on a unix socket, by the Unix user."""

from __future__ import annotations

from pathlib import Path

from .accounts import SERVICE, owner
from .daemon import Daemon, answers
from .errors import Failed
from .namespace import Command, Namespace
from .state import State, directory

USER = "postgres"


def chosen(state: State) -> bool:
    """Whether this cluster keeps its database in PostgreSQL."""
    return bool(state.facts().get("database") == "postgresql")


def url(state: State) -> str:
    """The database's address for the service account."""
    return f"postgresql+psycopg://{SERVICE}@/{SERVICE}?host={_sockets(state)}"


def prepare(namespace: Namespace) -> None:
    """Make the database cluster: peer authentication on the socket, nothing else."""
    state, ids = namespace.state, owner(namespace.state, USER)
    directory(_sockets(state), 0o755, ids)
    data = directory(state.root / "postgresql", 0o700, ids)
    if not (data / "PG_VERSION").exists():
        argv = [_program("initdb"), f"--pgdata={data}", "--auth=peer", "--encoding=UTF8", "--no-sync"]
        namespace.check(Command(argv, user=USER), "postgresql", timeout=120)


def daemon(namespace: Namespace) -> Daemon:
    """The server."""
    state = namespace.state
    argv = [_program("postgres"), "-D", str(state.root / "postgresql"), "-k", str(_sockets(state)), "-h", ""]
    return Daemon("postgres", Command(argv, user=USER), lambda: answers(_sockets(state) / ".s.PGSQL.5432"))


def after(namespace: Namespace) -> None:
    """Make the service account's role and database."""
    for program in ("createuser", "createdb"):
        owned = [f"--owner={SERVICE}"] if program == "createdb" else []
        argv = [_program(program), f"--host={_sockets(namespace.state)}", *owned, SERVICE]
        done = namespace.run(Command(argv, user=USER))
        if done.returncode and "already exists" not in done.stderr:
            raise Failed("postgresql", done.stderr.strip())


def _sockets(state: State) -> Path:
    return state.run / "postgresql"


def _program(name: str) -> str:
    """Debian keeps the server's programs apart, by version; the newest is taken."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3]))
    if not found:
        raise Failed("postgresql", f"{name} is not installed", "run: apt-get install postgresql")
    return str(found[-1])
