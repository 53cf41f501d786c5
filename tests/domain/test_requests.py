"""The door: what a request may hold, and the sentence for what it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.problems import problems
from sciserver_hpc.domain.volumes import VolumeMount

NOTEBOOK = json.dumps({"nbformat": 4, "cells": []})


def wrong(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        JobRequest(**fields)
    return str(problems(caught.value))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "shell"}, "a shell job needs `command`"),
        ({"kind": "shell", "command": ""}, "command"),
        ({"kind": "shell", "command": "a\0b"}, "NUL"),
        ({"kind": "shell", "command": "x", "script": "#!/bin/sh"}, "takes no `script`"),
        ({"kind": "shell", "command": "x", "parameters": {"a": 1}}, "parameters are for notebook jobs"),
        ({"kind": "shell", "command": "x", "arguments": ["a"]}, "arguments are for script jobs"),
        ({"kind": "script", "script": "#!/bin/sh\n" + "x" * 5_000_000}, "script"),
        ({"kind": "script", "script": "echo hello"}, "must name its interpreter"),
        ({"kind": "script", "script": "#!/bin/sh", "filename": "../x"}, "a plain file name"),
        ({"kind": "script", "script": "#!/bin/sh", "filename": ".bashrc"}, "a plain file name"),
        ({"kind": "notebook", "notebook": "print(1)"}, "not a notebook: not JSON"),
        ({"kind": "notebook", "notebook": "[" * 100_000}, "not a notebook: not JSON"),
        ({"kind": "notebook", "notebook": "[]"}, "no list of cells"),
        ({"kind": "notebook", "notebook": '{"cells": {}, "nbformat": 4}'}, "no list of cells"),
        ({"kind": "notebook", "notebook": '{"cells": [], "nbformat": 3}'}, "only notebooks of format 4"),
        ({"kind": "notebook", "notebook": NOTEBOOK, "parameters": {"a b": 1}}, "is not a variable name"),
        (
            {"kind": "notebook", "notebook": NOTEBOOK, "parameters": {"a": "x" * 200_000}},
            "larger than 100 kB",
        ),
        ({"kind": "shell", "command": "x", "stdout": "o", "stderr": "o"}, "different file names"),
        ({"kind": "shell", "command": "x", "array": "1-;rm"}, "array indices"),
        ({"kind": "shell", "command": "x", "array": "0-9999999"}, "more than 10000 tasks"),
        ({"kind": "shell", "command": "x", "user": "root"}, "is no known field"),
        ({"kind": "shell", "command": "x", "image": "/etc/passwd"}, "image"),
        ({"kind": "shell", "command": "x", "domain": "batch --uid=0"}, "domain"),
        ({"kind": "shell", "command": "x", "resources": {"cpus": 0}}, "resources.cpus"),
        ({"kind": "shell", "command": "x", "volumes": [{"volume": "../bob"}]}, "volumes.0.volume"),
    ],
)
def test_what_is_wrong_is_told(fields: dict[str, Any], words: str) -> None:
    assert words in wrong(**fields)


@pytest.mark.parametrize(
    "text", ["a\nb", "Storage/alice", "Storage/../x", "/etc", "a:rx", "Storage/alice/.x", ""]
)
def test_a_volume_is_named_and_never_a_path(text: str) -> None:
    with pytest.raises(ValidationError):
        VolumeMount.parse(text)


@pytest.mark.parametrize("text", ["sdss:ro", "Storage/alice/persistent:rw"])
def test_a_volume_is_written_as_it_is_read(text: str) -> None:
    assert str(VolumeMount.parse(text)) == text


def test_script_text_is_kept_whatever_its_sbatch_lines_say() -> None:
    script = "#!/bin/bash\n#SBATCH --uid=0 --partition=other\necho \u202e"
    assert JobRequest(kind="script", script=script).script == script


@pytest.mark.parametrize("depth", [1, 100, 190, 195, 196, 197, 198, 199, 200, 220, 254])
def test_parameters_that_are_accepted_are_read_back(depth: int) -> None:
    """What is read only when the job is submitted must not fail there."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    asked = {"kind": "notebook", "notebook": NOTEBOOK, "parameters": {"a": value}}
    try:
        request = JobRequest.model_validate(asked)
    except ValidationError as error:
        assert depth > 190 and "nest too deep" in str(error)
    else:
        assert JobRequest.model_validate_json(request.model_dump_json()) == request
