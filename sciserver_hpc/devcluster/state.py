"""The state directory: everything the cluster keeps, and the only place it writes to."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import stat
from pathlib import Path
from typing import Any

from .errors import Failed

MARK = ".sciserver-hpc-dev"
"""A file that says: this directory is ours, it may be removed."""

DIRECTORIES = {"etc": 0o755, "logs": 0o700, "run": 0o755, "secrets": 0o711, "bin": 0o755, "src": 0o755}


class State:
    """A state directory and the small facts kept in it (`facts.json`)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_environment(cls) -> State:
        """The directory `SCISERVER_DEV_STATE` names, else the default of root or of an ordinary user."""
        chosen = os.environ.get("SCISERVER_DEV_STATE")
        if chosen:
            return cls(Path(chosen).absolute())
        home = Path("/var/lib/sciserver-hpc-dev") if os.geteuid() == 0 else _user_state()
        return cls(home)

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def shared(self) -> Path:
        return self.root / "shared"

    @property
    def src(self) -> Path:
        """Where the namespace shows the checkout, read-only and readable by every account."""
        return self.root / "src"

    @property
    def exists(self) -> bool:
        return (self.root / MARK).exists()

    def make(self) -> None:
        """Make the directory with its parts.

        Raises Failed when it is somebody else's, or writable by others, or holds something that is not ours.
        """
        if self.root.exists() and not self.exists and any(self.root.iterdir()):
            raise Failed("state directory", f"{self.root} holds files that are not ours", _ELSEWHERE)
        self.root.mkdir(parents=True, exist_ok=True)
        self.check()
        self.root.chmod(0o755)
        (self.root / MARK).touch()
        for name, mode in DIRECTORIES.items():
            directory = self.root / name
            directory.mkdir(exist_ok=True)
            if not os.path.ismount(directory):
                directory.chmod(mode)

    def check(self) -> None:
        """Raise Failed unless the directory is the caller's own and nobody else may write to it."""
        found = self.root.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise Failed("state directory", f"{self.root} is not a directory of your own", _ELSEWHERE)
        if found.st_mode & 0o022:
            raise Failed(
                "state directory", f"others may write to {self.root}", f"run: chmod go-w {self.root}"
            )

    def remove(self) -> None:
        """Remove the directory.

        Raises Failed for a path that does not carry our mark, or where something is still mounted.
        """
        if not self.exists or len(self.root.parts) < 3 or self.root.is_symlink():
            raise Failed("clean", f"{self.root} is not a state directory of ours", "nothing was removed")
        self.check()
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        if any(Path(mount).is_relative_to(self.root) for mount in mounts):
            raise Failed("clean", f"something is mounted below {self.root}", "unmount it first")
        shutil.rmtree(self.root)

    def facts(self) -> dict[str, Any]:
        """What is remembered between runs."""
        path = self.root / "facts.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def remember(self, **facts: Any) -> None:
        """Add to the facts."""
        self.write(self.root / "facts.json", json.dumps(self.facts() | facts, indent=1), mode=0o600)

    def fact(self, key: str, make: Any) -> Any:
        """The remembered value of `key`; made by `make()` the first time."""
        facts = self.facts()
        if key not in facts:
            self.remember(**{key: make()})
        return self.facts()[key]

    def port(self, name: str, preferred: int = 0) -> int:
        """The port of service `name` on the loopback, chosen free at first use and kept."""
        ports = dict(self.facts().get("ports", {}))
        if name not in ports:
            ports[name] = free_port(preferred, taken=set(ports.values()))
            self.remember(ports=ports)
        return int(ports[name])

    def drop_busy_ports(self) -> None:
        """Forget ports that somebody else took while nothing of ours ran."""
        ports = self.facts().get("ports", {})
        self.remember(ports={name: port for name, port in ports.items() if free_port(port) == port})

    def secret(self, name: str, length: int = 16) -> str:
        """The secret `name`, made at first use; only root reads the file until it is given to an account."""
        path = self.secrets / name
        if not path.exists():
            self.write(path, secrets.token_urlsafe(length), mode=0o600)
        return path.read_text()

    @staticmethod
    def write(path: Path, text: str, *, mode: int = 0o644, owner: tuple[int, int] | None = None) -> Path:
        """Write a file whole or not at all, with its mode and owner from the first moment."""
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            if owner:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
        new.replace(path)
        return path


def directory(path: Path, mode: int = 0o755, owner: tuple[int, int] | None = None) -> Path:
    """Make `path` with this mode and owner; a directory that is there is put right."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if owner:
        os.chown(path, *owner)
    return path


def free_port(preferred: int = 0, taken: set[int] | None = None) -> int:
    """A TCP port nobody listens on at 127.0.0.1: `preferred` where that is free."""
    for port in [preferred] + [0] * 50:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
            if found not in (taken or set()):
                return found
    raise Failed("ports", "no free TCP port on 127.0.0.1", "end what holds them: ss -ltnp")


def _user_state() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "sciserver-hpc"


_ELSEWHERE = "name another directory: SCISERVER_DEV_STATE=/some/where ./dev …"
