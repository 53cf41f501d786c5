"""Parsers take anything and invent nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.arrays import task_count
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tasks import together
from sciserver_hpc.scheduler import sacct, squeue, values
from sciserver_hpc.scheduler.slurm_states import state_of

from .recordings import NONCE, recorded

TEXT = st.text(st.sampled_from("\x1f\x1e\n|x0159_.[]RUNNIGJOBN/A"), max_size=80)


@given(TEXT)
def test_a_broken_record_spoils_no_other(garbage: str) -> None:
    whole = recorded("squeue-every-kind")
    rows = squeue.parse(whole, NONCE)
    assert squeue.parse(f"{garbage}\x1f{NONCE}\n{whole}", NONCE)[-len(rows) :] == rows


@given(st.text(max_size=60))
def test_any_name_comes_back_unchanged(name: str) -> None:
    record = "\x1f".join(["7", "N/A", "RUNNING", "5", "0", "N/A", "N/A", "0", "n1", "None", name])
    [row] = squeue.parse(f"{record}\x1f{NONCE}\n", NONCE)
    assert (row.name, row.slurm_id, row.uid, row.state) == (name, 7, 5, JobState.RUNNING)


@given(st.text(max_size=200))
def test_anything_at_all_is_read_without_an_error(text: str) -> None:
    squeue.parse(text, NONCE)
    sacct.parse(text.replace("a", NONCE), NONCE)


def test_a_cut_answer_loses_only_its_last_record() -> None:
    whole = recorded("squeue-every-kind")
    assert squeue.parse(whole[:-20], NONCE) == squeue.parse(whole, NONCE)[:-1]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("RUNNING", JobState.RUNNING),
        ("SUSPENDED", JobState.RUNNING),
        ("CONFIGURING", JobState.PENDING),
        ("REQUEUE_HOLD", JobState.PENDING),
        ("CANCELLED by 1000", JobState.CANCELLED),
        ("CANCELLED+", JobState.CANCELLED),
        ("DEADLINE", JobState.TIMEOUT),
        ("BOOT_FAIL", JobState.FAILED),
        ("SOMETHING_NEW", None),
        ("", None),
    ],
)
def test_states(word: str, state: JobState | None) -> None:
    assert state_of(word) is state


@pytest.mark.parametrize(
    ("tasks", "state"),
    [
        ({JobState.PENDING: 3}, JobState.PENDING),
        ({JobState.PENDING: 3, JobState.SUCCEEDED: 1}, JobState.RUNNING),
        ({JobState.PENDING: 3, JobState.RUNNING: 1}, JobState.RUNNING),
        ({JobState.COMPLETING: 1, JobState.SUCCEEDED: 1}, JobState.RUNNING),
        ({JobState.COMPLETING: 2}, JobState.COMPLETING),
        ({JobState.SUCCEEDED: 2}, JobState.SUCCEEDED),
        ({JobState.SUCCEEDED: 2, JobState.FAILED: 1, JobState.TIMEOUT: 1}, JobState.TIMEOUT),
        ({JobState.SUCCEEDED: 2, JobState.CANCELLED: 1}, JobState.CANCELLED),
        ({JobState.SUCCEEDED: 2, None: 1}, None),
        ({JobState.RUNNING: 2, None: 1}, JobState.RUNNING),
        ({None: 1}, None),
        ({}, None),
    ],
)
def test_an_arrays_state(tasks: dict[JobState | None, int], state: JobState | None) -> None:
    assert together(tasks) is state


@pytest.mark.parametrize(
    ("indices", "count"),
    [
        ("0-9", 10),
        ("1,3,5-7", 5),
        ("0-99:10%2", 10),
        ("7", 1),
        ("0-200%1", 201),
        ("1,1-2", 2),
        ("", 1),
        ("0-4000000", 4000001),
    ],
)
def test_task_counts(indices: str, count: int) -> None:
    assert task_count(indices) == count


def test_values() -> None:
    assert values.seconds("1-02:03:04") == 93784
    assert values.seconds("00:01.500") == 1.5
    assert values.seconds("INVALID") is None
    assert values.size("3K") == 3072
    assert values.size("1.5G") == 1_610_612_736
    assert values.size("") is None
    assert values.exit_pair("768") == (3, None)
    assert values.exit_pair("3:0") == (3, None)
    assert values.exit_pair("0:9") == (0, 9)
    assert values.exit_pair("") == (None, None)
    assert values.moment("Unknown") is None
    assert values.moment("2026-11-23T22:20:48") == datetime(2026, 11, 23, 22, 20, 48, tzinfo=UTC)
