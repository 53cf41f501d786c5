"""From option words to a JobRequest's fields."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sciserver_hpc.domain import options
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.names import FileName
from sciserver_hpc.domain.volumes import Mode, VolumeMount

PLACES = [
    SimpleNamespace(name="batch", partition="long", account="science", qos=None),
    SimpleNamespace(name="quick", partition="short", account=None, qos="high"),
]


def test_every_option_finds_its_field() -> None:
    values = {
        "job-name": ["fit"],
        "time": ["0:30"],
        "cpus-per-task": ["1", "4"],
        "ntasks": ["2"],
        "nodes": ["2"],
        "mem": ["4G"],
        "gres": ["gpu:a100:2"],
        "output": ["out.txt"],
        "error": ["err.txt"],
        "chdir": ["/home/idies/workspace/sdss"],
        "dependency": ["afterok:3"],
        "array": ["0-3"],
        "domain": ["batch"],
        "image": ["python"],
        "results": ["Storage/alice/x"],
        "volume": ["sdss", "Storage/alice/x:rw"],
        "wait": [""],
    }
    request = JobRequest(kind="shell", command="true", **options.fields(values))
    assert request.resources is not None
    assert request.resources.model_dump() == {
        "cpus": 4,
        "tasks": 2,
        "nodes": 2,
        "memory_mb": 4096,
        "time_limit_s": 60,
        "gpus": 2,
    }
    assert request.results == VolumeMount(volume="Storage/alice/x", mode=Mode.READ_WRITE)
    assert [str(mount) for mount in request.volumes] == ["sdss:ro", "Storage/alice/x:rw"]
    assert request.dependencies[0].job == 3


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("time", "soon", "no time limit"),
        ("nodes", "1-2", "whole number"),
        ("cpus-per-task", "0", "whole number"),
        ("output", "logs/a.txt", "plain file name"),
        ("output", "slurm-%j.out", "folder of its own"),
        ("volume", "x:rx", "read only"),
        ("volume", "../etc", "sciserver volumes"),
        ("results", "x:ro", "leave :ro out"),
        ("param", "a b=1", "no parameter"),
        ("param", "a", "no parameter"),
    ],
)
def test_a_bad_value_is_told_with_its_option(name: str, text: str, word: str) -> None:
    with pytest.raises(Invalid) as invalid:
        options.fields({name: [text]})
    assert word in invalid.value.problems[f"--{name}"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_json_parameters_come_through(value: object) -> None:
    assert options.parameter(f"x={json.dumps(value)}") == ("x", value)


@pytest.mark.parametrize("text", ["abc", "NaN", "-Infinity", "[1", "1,2", ""])
def test_other_parameters_are_strings(text: str) -> None:
    assert options.parameter(f"x={text}") == ("x", text)


def test_the_command_line_wins() -> None:
    written = {"time": ["5"], "partition": ["long"], "account": ["science"], "mem": ["1G"]}
    assert options.merged(written, {"time": ["9"]}) == written | {"time": ["9"]}
    assert options.merged(written, {"domain": ["quick"]}) == {
        "time": ["5"],
        "mem": ["1G"],
        "domain": ["quick"],
    }


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"partition": ["short"]}, "quick"),
        ({"partition": ["quick"]}, "quick"),
        ({"account": ["science"]}, "batch"),
        ({"qos": ["high"]}, "quick"),
        ({"domain": ["batch"], "partition": ["long"], "account": ["science"]}, "batch"),
    ],
)
def test_a_domain_is_found_by_slurms_words(asked: dict, name: str) -> None:
    assert options.needs_place(asked)
    assert options.place(asked, PLACES) == name


@pytest.mark.parametrize(
    "asked", [{"partition": ["gpu"]}, {"domain": ["batch"], "qos": ["high"]}, {"account": ["root"]}]
)
def test_a_place_that_is_no_domain_is_refused_with_the_choice(asked: dict) -> None:
    with pytest.raises(Invalid, match=r"batch \(partition long\), quick \(partition short\)"):
        options.place(asked, PLACES)


@given(st.text())
def test_any_path_gives_a_name_for_the_payload(path: str) -> None:
    TypeAdapter(FileName).validate_python(options.payload_name(path))


def test_a_gpus_kind_left_out_is_told() -> None:
    assert "a100" in options.warnings({"gres": ["gpu:a100:2"]})[0]
    assert options.warnings({"gres": ["gpu:2"]}) == ()
