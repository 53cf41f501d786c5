"""Building a SIF from a recipe, rootless.

Apptainer builds as an ordinary user with a range of subordinate uids (fakeroot). Root has neither, and its
builds fail where a capability is missing; so root builds as an account that exists in a private mount
namespace only, and the machine's own account files stay as they are. See subuid(5), unshare(1), setpriv(1).
"""

from __future__ import annotations

import ast
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import debian
from .errors import Failed

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
TIMEOUT_S = 3600
ACCOUNT = "sciserver-build"
UIDS = range(62000, 65000)
"""Reserved for assignment on request (Debian policy 9.2.2): the account takes the first free one."""

SUBORDINATE = "1000000000:65536"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_IN_NAMESPACE = """
set -e
for file in passwd group subuid subgid; do
    mount --bind "$1/$file" "/etc/$file"
done
shift
exec "$@"
"""
_PIP_OPTIONS = {"index-url", "extra-index-url", "trusted-host", "proxy"}


@dataclass(frozen=True)
class Order:
    """What to build: a recipe that lies, with the files it copies, in `directory`, all of it readable and
    the directory disposable."""

    apptainer: Path
    directory: Path
    recipe: str
    log: Path


def build(order: Order) -> Path:
    """Build and return the SIF, in the order's directory.

    Raises Failed, naming the log.
    """
    _describe_machine(order.directory / "machine")
    work = order.directory / "work"
    work.mkdir()
    argv = ["nice", "-n", "10", str(order.apptainer), "build", "--fakeroot", "image.sif", order.recipe]
    if os.geteuid() == 0:
        argv = _as_account(order.directory, argv)
    else:
        _require_subordinates()
    code = _run(argv, order, _environment(work))
    sif = order.directory / "image.sif"
    if code or not sif.exists():
        raise Failed(f"building {order.recipe}", f"apptainer build ended with {code}", _REMEDY, order.log)
    return sif


def pip_configuration() -> str:
    """The machine's package index for pip, as a pip.conf; places on this machine's own disk are left out."""
    argv = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    options: dict[str, str] = {}
    for line in sorted(done.stdout.splitlines(), key=lambda row: row.startswith(":env:")):  # which wins
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in _PIP_OPTIONS:
            options[name] = _remote(str(ast.literal_eval(value)))
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items() if value)


def _remote(value: str) -> str:
    return " ".join(word for word in value.split() if not word.startswith(("file:", "/")))


def _describe_machine(machine: Path) -> None:
    """Write what the recipes' setup.sh wants to know of this machine."""
    machine.mkdir()
    (machine / "mirror").write_text(f"{debian.mirror().uri}\n")
    (machine / "pip.conf").write_text(pip_configuration())
    (machine / "ca.crt").write_bytes(CA_BUNDLE.read_bytes() if CA_BUNDLE.exists() else b"")


def _environment(work: Path) -> dict[str, str]:
    """Nothing of the caller's but the way to the network."""
    proxies = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
    places = dict.fromkeys(("HOME", "TMPDIR", "APPTAINER_TMPDIR", "APPTAINER_CACHEDIR"), str(work))
    return {"PATH": PATH, "LC_ALL": "C.UTF-8", **places, **proxies}


def _as_account(directory: Path, argv: list[str]) -> list[str]:
    """The argv that runs `argv` as the build account, which then owns `directory`."""
    uid = _free_uid()
    files = directory.with_name(f"{directory.name}-etc")
    files.mkdir()
    lines = {
        "passwd": f"{ACCOUNT}:x:{uid}:{uid}::{directory / 'work'}:/bin/sh",
        "group": f"{ACCOUNT}:x:{uid}:",
        "subuid": f"{ACCOUNT}:{SUBORDINATE}",
        "subgid": f"{ACCOUNT}:{SUBORDINATE}",
    }
    for name, line in lines.items():
        here = Path("/etc") / name
        if not here.exists():
            raise Failed("building images", f"{here} is missing", f"run: touch {here}")
        (files / name).write_text(f"{here.read_text().rstrip()}\n{line}\n".lstrip())
        (files / name).chmod(0o644)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, uid, uid)
    enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _IN_NAMESPACE, "sh", str(files)]
    return [*enter, "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *argv]


def _free_uid() -> int:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in UIDS if uid not in taken)


def _require_subordinates() -> None:
    """Raise Failed unless the caller has a range of subordinate uids and the tools to use it."""
    user, uid = getpass.getuser(), str(os.getuid())
    ranges = Path("/etc/subuid")
    rows = ranges.read_text().splitlines() if ranges.exists() else []
    if not any(row.split(":")[0] in (user, uid) for row in rows) or not shutil.which("newuidmap"):
        raise Failed(
            "building images",
            f"{user} has no subordinate uids",
            f"ask root to run: apt-get install uidmap && usermod --add-subuids 100000-165535 "
            f"--add-subgids 100000-165535 {user}",
        )


def _run(argv: list[str], order: Order, environment: Mapping[str, str]) -> int:
    """Run to the end, its words into the log; whatever ends us ends the whole build."""
    with order.log.open("wb") as log:
        child = subprocess.Popen(
            argv, cwd=order.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            return child.wait(TIMEOUT_S)
        except BaseException as reason:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if isinstance(reason, subprocess.TimeoutExpired):
                return 124
            raise


_REMEDY = "look at the log; where the network or the mirror failed, run it again: what is built stays built"
