"""A machine whose directory is away knows nobody: that is an outage, not a verdict on the job."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from sciserver_hpc.agent import environment, submission
from sciserver_hpc.agent.problems import Problem


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_known", {})


def nobody(_uid: int) -> pwd.struct_passwd:
    raise KeyError


def test_a_user_nobody_knows_now_is_no_rejection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pwd, "getpwuid", nobody)

    def start(_job: submission.Job) -> tuple[str, int | None, str]:
        environment.built()
        raise AssertionError

    job: submission.Job = {"uuid": "f" * 32, "root": str(tmp_path), "folder": "2026/job", "files": []}
    assert submission.prepared(job, start)["verdict"] == "not_tried"


def test_a_user_who_was_known_stays_known(monkeypatch: pytest.MonkeyPatch) -> None:
    known = environment.account()
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert environment.account() == known


def test_a_user_never_known_is_told_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(Problem, match="does not know uid") as told:
        environment.account()
    assert told.value.reason == "unavailable"
