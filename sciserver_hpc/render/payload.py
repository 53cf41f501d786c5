"""What a job runs: its command line, as seen from inside the image or, without an image, from the host."""

from __future__ import annotations

from collections.abc import Callable

from ..domain.jobs import JobSpec, Kind
from .session import START

PARAMETERS = "parameters.txt"
"""The notebook's parameters in the job folder (see `parameters_text`)."""


def command(spec: JobSpec, folder: str, parametrised: bool) -> list[str]:
    """The argument vector, where the job folder is seen at `folder`.

    A notebook's is without its last two, source and result, which depend on the array task.
    """
    return _COMMANDS[spec.kind](spec, folder, parametrised)


def _shell(spec: JobSpec, folder: str, _: bool) -> list[str]:
    return ["/bin/bash", f"{folder}/{spec.filename}"]


def _script(spec: JobSpec, folder: str, _: bool) -> list[str]:
    return [f"{folder}/{spec.filename}", *spec.arguments]


def _notebook(spec: JobSpec, folder: str, parametrised: bool) -> list[str]:
    kernel = ["-k", spec.kernel] if spec.kernel else []
    parameters = ["-f", f"{folder}/{PARAMETERS}"] if parametrised else []
    return ["papermill", "--no-progress-bar", *kernel, *parameters]


def _session(_: JobSpec, folder: str, __: bool) -> list[str]:
    return ["/bin/bash", f"{folder}/{START}"]


_COMMANDS: dict[Kind, Callable[[JobSpec, str, bool], list[str]]] = {
    Kind.SHELL: _shell,
    Kind.SCRIPT: _script,
    Kind.NOTEBOOK: _notebook,
    Kind.SESSION: _session,
}


def host_path(spec: JobSpec, path: str) -> str:
    """The host's path of `path`, a path inside the image: by the innermost mount that holds it."""
    known = [(m.target, m.source) for m in spec.mounts] + [(spec.results_target, spec.results_root)]
    holding = [(t, s) for t, s in known if path == t or path.startswith(f"{t}/")]
    target, source = max(holding, key=lambda pair: len(pair[0]), default=("", ""))
    return source + path.removeprefix(target)
