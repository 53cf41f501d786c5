"""A working Apptainer: the machine's own, else Debian unstable's with a C library beside it.

Debian 12 has no package of Apptainer, and unstable's is built for a newer C library. So package and libraries
are unpacked into the cache and patchelf points the two executables at these libraries; the machine's own stay
as they are. Apptainer finds configuration and session directory relative to where it lies, so nothing has to
appear under /etc or /var. Users need squashfuse, fuse-overlayfs, newuidmap and a /dev/fuse they may open.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

from . import cache, debian
from .errors import Failed

STEP = "Apptainer"
SUITE = "sid"
LIBRARIES = ("libc6", "libgcc-s1", "libseccomp2", "libsqlite3-0")
LAYOUT = b"1"
"""To be raised with every change in how the tree below is laid out."""


def ensure() -> Path:
    """The path of a working `apptainer`, fetched into the cache where the machine has none.

    Raises Failed.
    """
    own = shutil.which("apptainer")
    if own:
        return Path(own)
    tree = cache.root() / "apptainer" / cache.digest([LAYOUT, *(name.encode() for name in LIBRARIES)])
    with cache.lock("apptainer"):
        if not tree.exists():
            _make(tree)
    return tree / "bin" / "apptainer"


def version(executable: Path) -> str:
    """What `apptainer version` says, for example `1.4.5`.

    Raises Failed when it does not run.
    """
    try:
        done = subprocess.run(
            [executable, "version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(STEP, f"{executable} does not run: {error}", _REMEDY) from error
    if done.returncode:
        raise Failed(STEP, f"{executable} version: {done.stderr.strip()[-500:]}", _REMEDY)
    return done.stdout.strip()


def _make(tree: Path) -> None:
    with cache.scratch(tree) as work:
        package, *libraries = debian.fetch(SUITE, ["apptainer", *LIBRARIES], work)
        made = work / "tree"
        _lay_out(package, libraries, made)
        for program in _programs(made):
            _point_at_libraries(program, tree / "lib" / "private")
        made.rename(tree)
    try:
        version(tree / "bin" / "apptainer")
    except Failed:
        shutil.rmtree(tree)
        raise


def _lay_out(package: Path, libraries: list[Path], made: Path) -> None:
    """Make a tree that is its own prefix, for the command (`bin/apptainer`) and for the starter alike."""
    private = cache.directory(made / "lib" / "private")
    for part in ("usr/bin", "usr/lib", "etc", "var"):
        shutil.copytree(package / part, made / Path(part).name, symlinks=True, dirs_exist_ok=True)
    for library in libraries:
        for file in _multiarch(library / "usr" / "lib").glob("*.so*"):
            shutil.copy2(file, private / file.name, follow_symlinks=False)
    # The starter takes the third directory above its own for the prefix: lib/, where Debian puts it one
    # deeper than upstream does.
    for name in ("bin", "etc", "var"):
        (made / "lib" / name).symlink_to(f"../{name}")


def _multiarch(directory: Path) -> Path:
    return directory / f"{platform.machine()}-linux-gnu"


def _programs(tree: Path) -> list[Path]:
    return [tree / "bin" / "apptainer", _multiarch(tree / "lib") / "apptainer" / "bin" / "starter"]


def _point_at_libraries(program: Path, libraries: Path) -> None:
    """Let `program` load its interpreter and libraries from `libraries` alone."""
    loader = _LOADERS.get(platform.machine())
    if loader is None:
        raise Failed(STEP, f"no recipe for {platform.machine()} processors", "install Apptainer 1.4")
    argv = [
        "patchelf", "--set-interpreter", str(libraries / loader),
        "--set-rpath", str(libraries), "--force-rpath", str(program),
    ]  # fmt: skip
    try:
        subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    except FileNotFoundError:
        raise Failed(STEP, "patchelf is missing", "run: apt-get install patchelf") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Failed(STEP, f"patchelf failed on {program.name}: {error}", _REMEDY) from error


_LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}
_REMEDY = "install Apptainer 1.4 or newer yourself, so that it is on PATH"
