"""What the namespace shows in place of the machine's own files."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from . import accounts, nslcd
from .namespace import Mount
from .state import State, directory

CHECKOUT = Path(__file__).resolve().parents[2]
AGENT = Path("sciserver_hpc") / "agent"

_PAM = "".join(f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "session"))
"""sudo's rules alone decide: the service account has no password to ask for."""


def sudoers(state: State) -> str:
    """The service account's one privilege: the agent, with these very arguments, as a member of one group."""
    return (
        "Defaults env_reset, !requiretty, !use_pty, !lecture, !syslog\n"
        'Defaults secure_path="/usr/bin:/bin"\n'
        "root ALL=(ALL:ALL) NOPASSWD: ALL\n"
        f"{accounts.SERVICE} ALL=(%{accounts.USERS_GROUP}) NOPASSWD: "
        f"/usr/bin/python3 -I -S {state.src / AGENT}\n"
    )


def hosts() -> str:
    """Loopback names only: no lookup leaves the machine for its own name."""
    name = socket.gethostname()
    return f"127.0.0.1 localhost {name} {name.partition('.')[0]}\n::1 localhost\n"


def mounts(state: State) -> list[Mount]:
    """Render the files and return what is bound where."""
    files = {
        "/etc/hosts": (hosts(), 0o644),
        "/etc/nsswitch.conf": (nslcd.NSSWITCH, 0o644),
        "/etc/nslcd.conf": (nslcd.configuration(state), 0o600),
        "/etc/sudoers": (sudoers(state), 0o440),
        "/etc/pam.d/sudo": (_PAM, 0o644),
    }
    written = {
        target: State.write(state.etc / target.removeprefix("/etc/").replace("/", "-"), text, mode=mode)
        for target, (text, mode) in files.items()
    }
    bound = {**written, **accounts.write_files(state), **_directories(state)}
    found = [Mount(source, Path(target)) for target, source in bound.items()]
    return [*found, Mount(CHECKOUT, state.src, read_only=True), *_fuse(state)]


def _directories(state: State) -> dict[str, Path]:
    table = {
        "/etc/slurm": state.etc / "slurm",
        "/run/munge": state.run / "munge",
        "/run/nslcd": state.run / "nslcd",
    }
    if Path("/run/nscd").exists():  # a name service cache would answer for the machine, not for us
        table["/run/nscd"] = state.run / "nscd"
    for path in table.values():
        path.mkdir(exist_ok=True)
    directory(state.run / "munge", 0o755, accounts.owner(state, "munge"))
    return table


def _fuse(state: State) -> list[Mount]:
    """A /dev/fuse that everybody may open, for rootless containers; none where the kernel has none."""
    device, node = Path("/dev/fuse"), state.run / "fuse"
    if not device.exists():
        return []
    if not node.exists():
        os.mknod(node, 0o666 | stat.S_IFCHR, device.stat().st_rdev)
        node.chmod(0o666)
    return [Mount(node, device)]
