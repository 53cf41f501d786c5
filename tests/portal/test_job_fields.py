"""The form's fields and the request they stand for."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.job_fields import command_line, from_request, to_request
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.resources import Resources

from .notebooks import PLAIN

REQUESTS = (
    JobRequest(kind="shell", command="a\nb 'c'", name="it's"),
    JobRequest(kind="script", script="#!/bin/bash\ntrue\n", filename="job.sh", arguments=("a b", "$c")),
    JobRequest(
        kind="notebook", notebook=json.dumps(PLAIN), filename="n.ipynb", parameters={"n": 3, "s": "x"}
    ),
    JobRequest(
        kind="shell",
        command="x",
        domain="batch",
        image="python",
        volumes=({"volume": "sunspots"}, {"volume": "Storage/alice/persistent", "mode": "rw"}),
        resources=Resources(cpus=4, memory_mb=1536, time_limit_s=5400, gpus=1),
    ),
    JobRequest(
        kind="shell",
        command="x",
        array="1-100%5",
        dependencies=({"job": 12}, {"job": 13}, {"type": "afternotok", "job": 14}),
    ),
)


@pytest.mark.parametrize("asked", REQUESTS)
def test_an_earlier_request_comes_back_through_the_form(asked: JobRequest) -> None:
    again = JobRequest.model_validate(to_request(from_request(asked)))
    assert again.model_dump(exclude={"resources"}) == asked.model_dump(exclude={"resources"})
    assert again.resources == (asked.resources or Resources())


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"cpus": "many"}, "resources.cpus"),
        ({"memory_gb": "nan"}, "resources.memory_mb"),
        ({"hours": "-1"}, "resources.time_limit_s"),
        ({"gpus": "1e99"}, "resources.gpus"),
        ({"kind": "notebook", "parameters": "no sign"}, "parameters"),
        ({"after_afterok": "12, x"}, "after_afterok"),
        ({"after_afterany": "0"}, "after_afterany"),
        ({"after_afternotok": "-3"}, "after_afternotok"),
        ({"after_afterok": "1" * 19}, "after_afterok"),
        ({"after_afterok": "١٢"}, "after_afterok"),
    ],
)
def test_what_is_no_number_is_told_at_its_field(fields: dict[str, str], problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        to_request({"kind": "shell", "command": "x", **fields})
    assert list(caught.value.problems) == [problem]


def test_lines_end_as_bash_reads_them() -> None:
    assert to_request({"kind": "shell", "command": "a\r\nb"})["command"] == "a\nb"


def test_parameters_are_numbers_where_they_look_like_it() -> None:
    text = "n=3\nname = M31\nlist=[1, 2]\nweird=NaN"
    wanted = {"n": 3, "name": "M31", "list": [1, 2], "weird": "NaN"}
    assert to_request({"kind": "notebook", "parameters": text})["parameters"] == wanted


def test_jobs_to_wait_for_are_read_as_people_write_them() -> None:
    fields = {"kind": "shell", "command": "x", "array": " 1-3 ", "after_afterok": " 12,13 #14;15:16\n"}
    asked = JobRequest.model_validate(to_request(fields))
    assert asked.array == "1-3"
    assert [dependency.job for dependency in asked.dependencies] == [12, 13, 14, 15, 16]


def test_the_command_line_says_array_and_dependencies() -> None:
    words = shlex.split(command_line(REQUESTS[-1]))
    assert words[words.index("-a") + 1] == "1-100%5"
    assert words[words.index("-d") + 1] == "afterok:12:13,afternotok:14"


@given(st.text(min_size=1, max_size=50).filter(lambda text: "\0" not in text))
def test_the_command_line_is_quoted(command: str) -> None:
    words = shlex.split(command_line(JobRequest(kind="shell", command=command)))
    assert words[-2:] == ["--wrap", command]


@given(
    st.dictionaries(
        st.sampled_from(["kind", "cpus", "hours", "parameters", "arguments", "array", "after_afterany"]),
        st.text(max_size=20),
    )
)
def test_any_text_is_a_request_or_a_sentence(fields: dict[str, Any]) -> None:
    try:
        to_request(fields)
    except (Invalid, ValueError) as error:
        assert str(error)
