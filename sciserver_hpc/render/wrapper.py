"""The script Slurm starts: a head of quoted values and a fixed body (templates/wrapper.sh)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files as resources
from pathlib import PurePosixPath

from ..domain.jobs import JobSpec, Kind
from .apptainer import HOME, exec_options, mount_points
from .payload import command, host_path
from .session import SAVE
from .shell import assign, assign_list
from .sweep import SWEEP


def wrapper(
    spec: JobSpec,
    job_id: int,
    *,
    apptainer: str,
    verify: str,
    claim: tuple[str, str],
    parametrised: bool,
    swept: bool = False,
) -> str:
    """The whole script.

    `apptainer`: its path, or "" to run on the host; `claim`: the portal's URL and its CA file;
    `parametrised`: the folder holds a notebook's parameters; `swept`: a row for each task.
    """
    folder = spec.target if apptainer else spec.path
    workdir = spec.workdir if spec.workdir is None or apptainer else host_path(spec, spec.workdir)
    head = [
        assign("uuid", spec.uuid),
        assign("folder", spec.path),
        assign("claim_url", claim[0]),
        assign("ca_file", claim[1]),
        *_image(spec, apptainer, verify),
        *_names(spec),
        assign_list("environment", _environment(spec, job_id, folder)),
        assign("sweep", SWEEP if swept else ""),
        assign("payload_folder", folder),
        assign("payload_workdir", workdir or folder),
        assign_list("payload", command(spec, folder, parametrised)),
        *_session(spec, folder),
        *(_services(spec, verify) if spec.app else []),
    ]
    return "#!/bin/bash\n" + "\n".join(head) + "\n" + _body()


@cache
def _body() -> str:
    return resources(__package__).joinpath("templates/wrapper.sh").read_text(encoding="utf-8")


def _image(spec: JobSpec, apptainer: str, verify: str) -> list[str]:
    return [
        assign("apptainer", apptainer),
        assign("image", spec.image_path),
        assign("image_name", f"{spec.image} {spec.image_version}"),
        assign("image_sha256", spec.image_sha256),
        assign("image_unchanged", _unchanged(spec.image_size, spec.image_mtime_ns, verify)),
        assign_list("exec_options", exec_options(spec)),
        assign_list("mount_points", mount_points(spec)),
        assign("home", HOME),
        assign("results_target", spec.results_target),
    ]


def _unchanged(size: int, mtime_ns: int, verify: str) -> str:
    """What `stat --format='%s %.9Y'` prints while the file is the one whose digest was taken; "" where it is
    always taken anew."""
    seconds, nanoseconds = divmod(mtime_ns, 1_000_000_000)
    return "" if verify == "always" else f"{size} {seconds}.{nanoseconds:09d}"


def _services(spec: JobSpec, verify: str) -> list[str]:
    """What runs beside a session's app: lists of equal length, none without services."""
    services = spec.services
    lists = {
        "services": [one.service for one in services],
        "service_images": [one.path for one in services],
        "service_image_names": [f"{one.image} {one.version}" for one in services],
        "service_sha256s": [one.sha256 for one in services],
        "service_unchanged": [_unchanged(one.size, one.mtime_ns, verify) for one in services],
    }
    return [assign_list(name, values) for name, values in lists.items()]


def _session(spec: JobSpec, folder: str) -> list[str]:
    app = spec.app
    hook = ["/bin/bash", f"{folder}/{SAVE}"]
    return [
        assign("session", app.name if app else ""),
        assign("app_port", app.port or "" if app else ""),
        assign("save", "yes" if app and app.save else ""),
        assign_list("save_payload", hook if app else []),
    ]


def _names(spec: JobSpec) -> list[str]:
    """File names in two parts: an array task's number goes between them."""
    notebook = spec.filename if spec.kind is Kind.NOTEBOOK else ""
    named = (("stdout", spec.stdout), ("stderr", spec.stderr), ("notebook", notebook))
    lines = []
    for name, filename in named:
        path = PurePosixPath(filename)
        lines += [assign(f"{name}_stem", path.stem), assign(f"{name}_suffix", path.suffix)]
    return lines


def _environment(spec: JobSpec, job_id: int, folder: str) -> list[str]:
    """What the payload finds in its environment besides Slurm's own variables."""
    return [
        f"SCISERVER_JOB_ID={job_id}",
        f"SCISERVER_JOB_FOLDER={folder}",
        f"SCISERVER_USER_ID={spec.uid}",
        f"SCISERVER_USER_NAME={spec.owner}",
        f"OMP_NUM_THREADS={spec.resources.cpus}",
    ]
