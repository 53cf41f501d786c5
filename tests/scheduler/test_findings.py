"""Facts about Slurm that cost jobs when forgotten, each on what a real Slurm printed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sciserver_hpc.domain.states import JobState
from sciserver_hpc.scheduler import sacct, squeue
from sciserver_hpc.scheduler.merging import merged
from sciserver_hpc.scheduler.rows import sightings

from .recordings import GAMES, NONCE, SLURM, accounted, live, only, recorded, uuid


def test_finding_4_json_is_never_asked_for() -> None:
    asked = [*squeue.arguments(NONCE), *sacct.arguments(NONCE, *sacct.numbered([1]))]
    assert not [option for option in asked if "json" in option]


@pytest.mark.parametrize(("number", "code", "signal"), [(1, 0, None), (2, 3, None), (5, 0, 9)])
def test_exits_agree_between_queue_and_accounting(number: int, code: int, signal: int | None) -> None:
    for seen in (sightings(live()), sightings(accounted())):
        found = only(seen, number)
        assert (found.exit_code, found.signal) == (code, signal)


@pytest.mark.parametrize(("number", "true", "mangled"), [(3, 255, 127), (4, 137, 9)])
def test_finding_5_accounting_mangles_large_exit_codes_and_the_queue_does_not(
    number: int, true: int, mangled: int
) -> None:
    assert only(sightings(accounted()), number).exit_code == mangled
    assert only(sightings(live()), number).exit_code == true
    assert only(merged(live(), accounted()), number).exit_code == true


def test_finding_6_jobs_cancelled_while_held_are_found_since_states_are_named() -> None:
    assert only(sightings(accounted()), 7).state is JobState.CANCELLED
    for question in (sacct.ended_since(datetime.now(UTC)), sacct.named(["x"], datetime.now(UTC))):
        assert any(option.startswith("--state=") and "CA" in option for option in question)


def test_finding_7_names_with_newlines_and_separators_spoil_no_row() -> None:
    rows = live()
    assert recorded("squeue-every-kind").count(f"\x1f{NONCE}") == len(rows)
    [evil] = [row for row in rows if row.slurm_id == 70]
    assert evil.name == f"evil\n1|2\tx\x1f3\x1e{NONCE}"
    assert only(sightings(rows), 2).state is JobState.FAILED


def test_finding_7_a_name_cannot_forge_a_row() -> None:
    """Job 71's name holds a whole record that says job 1 of root runs."""
    rows = live()
    assert not [row for row in rows if row.slurm_id == 1]
    assert not [row for row in rows if row.uid == 0]


def test_a_name_in_accounting_cannot_shift_columns() -> None:
    [row] = sacct.parse(_record("12", "a\nb|12.batch\n", "COMPLETED", "5"), NONCE)
    assert (row.slurm_id, row.uid, row.name) == (12, 5, "a\nb|12.batch\n")


def _record(job_id: str, name: str, state: str, uid: str) -> str:
    fields = [job_id, name, state, "0:0", uid, "n1", "Unknown", "Unknown", "0", "00:00.001", ""]
    return "".join(f"{field}{NONCE}" for field in fields) + "\n"


def test_the_same_uuid_of_another_user_is_another_sighting() -> None:
    both = [s for s in sightings(live()) if s.uuid == uuid(1)]
    assert {s.uid for s in both} == {GAMES, SLURM}


def test_who_cancelled_comes_from_accounting() -> None:
    seen = merged(live(), accounted())
    assert only(seen, 6).cancelled_by == 0
    assert only(seen, 8).cancelled_by == GAMES
    assert only(seen, 10).cancelled_by is None


def test_a_dependency_that_can_never_hold_says_so() -> None:
    assert only(sightings(live()), 10).reason == "DependencyNeverSatisfied"
    assert only(sightings(live()), 10).state is JobState.CANCELLED
    assert only(sightings(live()), 11).state is JobState.PENDING


def test_a_requeued_job_waits_again_with_a_higher_count() -> None:
    [waiting] = sightings(live("squeue-requeued"))
    assert (waiting.state, waiting.restarts, waiting.reason) == (JobState.PENDING, 1, "BeginTime")
    seen = only(sightings(accounted("sacct-requeued-and-large")), 15)
    assert (seen.state, seen.restarts) == (JobState.PENDING, 1)


def test_memory_comes_from_the_steps() -> None:
    usage = only(sightings(accounted("sacct-requeued-and-large")), 14).usage
    assert usage and usage.max_rss == 209_784_832
    assert (usage.elapsed_s, usage.cpu_s) == (4, 0.159)


def test_an_array_is_one_sighting_with_the_worst_end() -> None:
    for seen in (sightings(live()), sightings(accounted()), merged(live(), accounted())):
        found = only(seen, 12)
        assert found.slurm_id == 75
        assert found.state is JobState.FAILED
        assert (found.exit_code, found.tasks) == (7, {"SUCCEEDED": 3, "FAILED": 1})


def test_tasks_without_a_record_of_their_own_are_counted() -> None:
    found = only(sightings(live()), 13)
    assert (found.state, found.tasks) == (JobState.PENDING, {"PENDING": 201})
    assert found.expected_start == datetime(2027, 11, 23, 22, 33, 15, tzinfo=UTC)
    assert found.started_at is None


def test_tasks_are_told_one_by_one() -> None:
    for rows in (live(), accounted()):
        tasks = {task.index: task for task in only(sightings(rows), 12).known}
        assert sorted(tasks) == [0, 1, 2, 3]
        assert (tasks[2].state, tasks[2].exit_code, tasks[0].exit_code) == (JobState.FAILED, 7, 0)
    [used] = [task.elapsed_s for task in only(merged(live(), accounted()), 12).known if task.index == 2]
    assert used is not None


def test_tasks_that_wait_are_not_told_and_those_cancelled_before_they_began_are() -> None:
    waiting = [row for row in live() if row.name.endswith(uuid(13))]
    assert only(sightings(waiting), 13).known == ()
    ended = [replace(row, state=JobState.CANCELLED, task="5-9%2", count=5) for row in waiting]
    tasks = only(sightings(ended), 13).known
    assert [(task.index, task.started_at, task.measured) for task in tasks] == [
        (index, None, True) for index in range(5, 10)
    ]


def test_an_array_of_somebody_elses_names_no_tasks() -> None:
    """One of four million, cancelled, would take the memory of all."""
    [row] = [row for row in live() if row.name.endswith(uuid(13))]
    huge = replace(row, state=JobState.CANCELLED, task="0-4000000", count=4_000_001)
    assert sightings([huge])[0].known == ()
    assert sightings([replace(huge, name="theirs", task="0-3", count=4)])[0].known == ()
