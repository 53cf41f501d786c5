"""MariaDB: slurmdbd's database, on a unix socket only."""

from __future__ import annotations

from pathlib import Path

from .accounts import owner
from .daemon import Daemon, answers
from .namespace import Command, Namespace
from .state import State, directory

_SQL = """
CREATE DATABASE IF NOT EXISTS slurm_acct;
CREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED VIA unix_socket;
GRANT ALL ON slurm_acct.* TO slurm@localhost;
"""


def socket(state: State) -> Path:
    """Where it listens."""
    return state.run / "mysqld" / "mysqld.sock"


def prepare(namespace: Namespace) -> None:
    """Make the data directory."""
    state, mysql = namespace.state, owner(namespace.state, "mysql")
    directory(state.run / "mysqld", 0o755, mysql)
    data = directory(state.root / "mariadb", 0o700, mysql)
    if not (data / "mysql").exists():
        argv = [
            "mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db",
            "--auth-root-authentication-method=socket",
        ]  # fmt: skip
        namespace.check(Command(argv, user="mysql"), "mariadb", timeout=120)


def daemon(namespace: Namespace) -> Daemon:
    """mariadbd; the sizes silence slurmdbd's warnings and stay small."""
    state = namespace.state
    argv = [
        "mariadbd", "--no-defaults", f"--datadir={state.root / 'mariadb'}", f"--socket={socket(state)}",
        f"--pid-file={state.run / 'mysqld' / 'mariadbd.pid'}", "--skip-networking",
        "--innodb-buffer-pool-size=256M", "--innodb-lock-wait-timeout=900",
        "--innodb-flush-log-at-trx-commit=2",
    ]  # fmt: skip
    return Daemon("mariadbd", Command(argv, user="mysql"), lambda: answers(socket(state)), patience=60)


def after(namespace: Namespace) -> None:
    """Make slurmdbd's database and its user, who logs in by being the Unix user `slurm`."""
    argv = ["mariadb", "--no-defaults", f"--socket={socket(namespace.state)}", "--batch"]
    namespace.check(Command(argv), "mariadb", text=_SQL)
