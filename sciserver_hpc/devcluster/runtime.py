"""What runs jobs in single-user mode: Apptainer and the python image, else the packages of that image on the
machine itself."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..domain.catalogue import Image
from . import cache, images
from .errors import Failed

REQUIREMENTS = ("notebook.txt", "python.txt")
"""Of `containers/requirements/`: what the python image holds."""


@dataclass(frozen=True)
class Runtime:
    """`apptainer`: its path, "" for none; `path`: PATH of jobs where there is none."""

    apptainer: str
    image: Image
    path: str = "/usr/local/bin:/usr/bin:/bin"


def find(say: Callable[[str], None]) -> Runtime:
    """The containers' runtime where Apptainer is installed and its image can be built, else none.

    Raises Failed when the packages cannot be installed either.
    """
    program = shutil.which("apptainer")
    if program is None:
        say("Apptainer is not installed: jobs run without a container, as ordinary processes")
        return _host(say)
    try:
        (image,) = images.ensure(["python"], say)
    except Failed as error:
        say(f"the python image cannot be built ({error.why}): jobs run without a container")
        return _host(say)
    return Runtime(program, image)


def _host(say: Callable[[str], None]) -> Runtime:
    lists = [images.CONTAINERS / "requirements" / name for name in REQUIREMENTS]
    venv = cache.root() / f"host-{cache.digest(path.read_bytes() for path in lists)}"
    with cache.lock("host"):
        if not (venv / ".complete").exists():
            say(f"installing papermill and the scientific packages into {venv}: some minutes, once")
            _install(venv, lists)
    return Runtime("", _image(venv), f"{venv}/bin:/usr/local/bin:/usr/bin:/bin")


def _install(venv: Path, lists: list[Path]) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    log = cache.root() / "host.log"
    chosen = [word for path in lists for word in ("-r", str(path))]
    pip = [
        str(venv / "bin" / "python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--no-deps",
        *chosen,
    ]
    kernel = [str(venv / "bin" / "python"), "-m", "ipykernel", "install", "--sys-prefix"]
    with log.open("wb") as file:
        for argv in ([sys.executable, "-m", "venv", str(venv)], pip, kernel):
            code = subprocess.call(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=1800)
            if code:
                raise Failed("packages for jobs", f"{' '.join(argv[1:4])} ended with {code}", _REMEDY, log)
    (venv / ".complete").touch()


def _image(venv: Path) -> Image:
    """The stand-in for an image: its file is the program that runs notebooks."""
    file = venv / "bin" / "papermill"
    found = file.stat()
    return Image(
        name="python",
        version="host",
        path=str(file),
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        title="Python of this machine",
        description="No container: the packages of the python image, installed on this machine.",
        kernels=("python3",),
    )


_REMEDY = "look at the network and pip's settings, then run it again"
