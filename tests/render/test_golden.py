"""All that is rendered, word for word. `SCISERVER_WRITE_GOLDEN=1 pytest tests/render` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sciserver_hpc.domain.jobs import JobSpec, Kind
from sciserver_hpc.render import SWEEP, Door, Surroundings, parameters_text, render, sweep_text
from sciserver_hpc.render.gate import program

from . import samples

GOLDEN = Path(__file__).parent / "golden"
AROUND = Surroundings(
    claim_url="https://portal.example.org/", ca_file="/etc/sciserver/ca.pem", apptainer="/usr/bin/apptainer"
)
CASES: dict[str, tuple[JobSpec, dict[str, str]]] = {
    "shell": (samples.SHELL, {"command.txt": "hostname\n"}),
    "script": (samples.SCRIPT, {"fit.py": "#!/usr/bin/env python3\n"}),
    "notebook": (
        samples.NOTEBOOK,
        {"sun spots.ipynb": '{"cells": []}', "parameters.txt": parameters_text({"a": 1e-7})},
    ),
    "array": (samples.ARRAY, {"command.txt": "echo $SLURM_ARRAY_TASK_ID\n"}),
    "sweep": (
        samples.SWEEP,
        {"command.txt": "echo $PARAM_period\n", SWEEP: sweep_text(Kind.SHELL, [{"a": 1}, {"a": "x\ny"}])},
    ),
    "gpu": (samples.GPU, {"command.txt": "nvidia-smi\n"}),
}


def shown(spec: JobSpec, files: dict[str, str], around: Surroundings, door: Door | None = None) -> str:
    """Options, the head of the wrapper, and the files, as one text; the gate's program as a word."""
    ids = {3: 300, 4: 400}
    job = render(spec, 7, files=files, claim_secret="s3cret", surroundings=around, slurm_ids=ids, door=door)
    head = job.script.partition("# shellcheck")[0]
    shown = {file.path: "(the gate)" if file.text == program() else file.text for file in job.files}
    texts = [f"--- {file.path} {file.mode:o}\n{shown[file.path]}\n" for file in job.files]
    return "\n".join([f"{job.mark} {job.root} {job.folder}", *job.options, "", head, *texts])


def check(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("SCISERVER_WRITE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", CASES)
def test_rendered_as_recorded(name: str) -> None:
    check(name, shown(*CASES[name], AROUND))


def test_a_session_is_rendered_as_recorded() -> None:
    door = Door(secret="the app's", certificate="KEY\n", ca="CA\n", origin="https://u.sessions.example.org")
    check("session", shown(samples.SESSION, {}, AROUND, door))


def test_a_session_with_a_service_is_rendered_as_recorded() -> None:
    door = Door(secret="the app's", certificate="KEY\n", ca="CA\n", origin="https://u.sessions.example.org")
    check("services", shown(samples.SERVICES, {}, AROUND, door))


def test_without_apptainer_paths_are_the_hosts() -> None:
    spec = samples.spec(workdir="/home/idies/workspace/Storage/alice/persistent/fits")
    text = shown(spec, {"command.txt": "hostname\n"}, Surroundings(apptainer=""))
    assert "readonly payload_workdir=/srv/Storage/alice/persistent/fits\n" in text
    check("host", text)
