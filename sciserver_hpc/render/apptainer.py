"""The command line of `apptainer exec` (apptainer.org/docs/user/1.4), but for what only the node knows."""

from __future__ import annotations

import csv
import io

from ..domain.jobs import JobSpec, Mount

HOME = "/home/idies"
"""The home directory inside every image, as in SciServer."""


def exec_options(spec: JobSpec) -> list[str]:
    """Options between `exec` and the image; the wrapper adds the node-local home and work directory.

    `--no-eval`: values of variables are data, not shell text.
    """
    binds = [part for mount in mounts(spec) for part in ("--mount", bind(mount))]
    gpus = ["--nv"] if spec.resources.gpus else []
    return ["--containall", "--no-eval", *gpus, *binds, "--pwd", spec.workdir or spec.target]


def mounts(spec: JobSpec) -> list[Mount]:
    """What the image sees, parents before what is mounted below them; the results volume always, writable."""
    results = Mount(
        volume=spec.results_volume, source=spec.results_root, target=spec.results_target, writable=True
    )
    others = [mount for mount in spec.mounts if mount.target != results.target]
    return sorted([*others, results], key=lambda mount: mount.target)


def bind(mount: Mount) -> str:
    """One `--mount` value: CSV, so that commas, colons and quotes in a path stay part of it."""
    fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}"]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields if mount.writable else [*fields, "ro"])
    return line.getvalue()


def mount_points(spec: JobSpec) -> list[str]:
    """Directories to make in the node-local home, relative to it and parents first.

    A bind needs its target to exist where the target lies inside another bind, as the home is.
    """
    inside = [m.target.removeprefix(f"{HOME}/") for m in mounts(spec) if m.target.startswith(f"{HOME}/")]
    parts = [path.split("/") for path in inside]
    return sorted({"/".join(path[:depth]) for path in parts for depth in range(1, len(path) + 1)})
