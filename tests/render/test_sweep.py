"""A sweep's rows reach each task as they were given, whatever they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sciserver_hpc.domain.jobs import Kind
from sciserver_hpc.render import SWEEP, parameters_text, sweep_text

from .nodes import Node, end_of, folder_of
from .test_parameters import VALUES

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
HOSTILE = TEXT | st.sampled_from(
    [
        "$(id)",
        "`id`",
        "'",
        '"',
        "a\nb\n",
        "\\n",
        "\\",
        "\\c",
        "%s",
        "*",
        "~",
        "${x}",
        "é☀",
        " a ",
        "\t",
        "\r\n",
    ]
)


def ran(node: Node, kind: Kind, rows: list[dict[str, Any]], task: int, **more: Any) -> dict[str, str]:
    """What a task finds in its environment."""
    name = "n.ipynb" if kind is Kind.NOTEBOOK else "command.txt"
    files = {name: "{}", SWEEP: sweep_text(kind, rows)} | more.pop("files", {})
    spec = node.spec(kind=kind, filename=name, array=f"0-{len(rows) - 1}")
    job = node.rendered(spec, files, **more)
    code, words = node.run(job, SLURM_ARRAY_JOB_ID="40", SLURM_ARRAY_TASK_ID=str(task))
    assert (code, words) == (0, "")
    return node.environment()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({"a": HOSTILE, "b": HOSTILE}), min_size=2, max_size=4))
def test_hostile_values_reach_a_command_unchanged(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    seen = ran(Node(tmp_path_factory.mktemp("sweep") / "node"), Kind.SHELL, rows, 1)
    assert {name: seen[f"APPTAINERENV_PARAM_{name}"] for name in "ab"} == rows[1]


def test_what_is_no_text_comes_as_json(tmp_path: Path) -> None:
    row = {"n": 5, "x": 0.5, "yes": True, "none": None, "list": [1, "é"], "word": "5"}
    seen = ran(Node(tmp_path / "node"), Kind.SHELL, [{"n": 4}, row], 1)
    found = {k.removeprefix("APPTAINERENV_PARAM_"): v for k, v in seen.items() if "_PARAM_" in k}
    assert found == {"n": "5", "x": "0.5", "yes": "true", "none": "", "list": '[1, "é"]', "word": "5"}


def test_on_the_host_they_are_the_same(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    files = {
        "command.txt": 'printf "%s" "$PARAM_a" >"$SCISERVER_RESULT"',
        SWEEP: "PARAM_a=1\nPARAM_a=$(id)\n",
    }
    job = node.rendered(node.spec(array="0-1"), files, contained=False)
    node.run(job, SLURM_ARRAY_JOB_ID="40", SLURM_ARRAY_TASK_ID="1")
    assert (folder_of(job) / "result.1.json").read_text() == "$(id)"


@given(st.dictionaries(st.from_regex(r"\A[a-z_]{1,8}\Z"), VALUES, min_size=1, max_size=5))
def test_a_notebooks_row_is_one_line_that_json_and_yaml_agree_on(row: dict[str, Any]) -> None:
    line, end, nothing = sweep_text(Kind.NOTEBOOK, [row]).partition("\n")
    assert (end, nothing) == ("\n", "")
    assert json.loads(line) == row
    assert yaml.safe_load(line) == row


def test_a_notebook_gets_its_row_over_its_parameters_and_not_by_its_command_line(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    home = f"$(find {node.tmp} -name .parameters.json)"
    node.apptainer(f'cat "{home}" >{node.notes}/row')
    ran(
        node,
        Kind.NOTEBOOK,
        [{"a": 1}, {"a": "it's"}],
        1,
        files={"parameters.txt": parameters_text({"a": 0, "b": 2})},
    )
    argv = node.argv()
    given_ = argv[argv.index("papermill") :]
    assert given_.index("-f") < given_.index("/home/idies/.parameters.json")
    assert [given_[i + 1].rpartition("/")[2] for i, word in enumerate(given_) if word == "-f"] == [
        "parameters.txt",
        ".parameters.json",
    ]
    assert not any("it's" in word for word in argv)
    assert json.loads((node.notes / "row").read_text()) == {"a": "it's"}


def test_a_row_that_is_gone_ends_the_task_with_its_cause(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    job = node.rendered(node.spec(array="0-1"), {"command.txt": "true", SWEEP: "PARAM_a=1\n"})
    code, words = node.run(job, SLURM_ARRAY_JOB_ID="40", SLURM_ARRAY_TASK_ID="1")
    assert (code, end_of(job, "end.1.json").cause) == (92, "sweep")
    assert "There is no row for task 1" in words


def test_every_payload_is_told_where_its_result_goes(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    job = node.rendered(node.spec())
    node.run(job)
    assert node.environment()["APPTAINERENV_SCISERVER_RESULT"].endswith(f"{job.folder}/result.json")
