"""When a session's gate is asked, its owner warned, and when it is stopped."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from sciserver_hpc.domain.ending import end_of
from sciserver_hpc.domain.jobs import Dependency, Job, JobRequest, Kind
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.scheduling import EndRecord, Sighting
from sciserver_hpc.domain.session_views import Phase, extendable_until, phase, sentence, session_view
from sciserver_hpc.domain.sessions import (
    Gauge,
    Session,
    SessionRequest,
    StopCause,
    as_session,
    ends_at,
    is_open,
    is_reached,
)
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tending import (
    idle_left_s,
    idle_warned,
    idle_warning_due,
    insisting_due,
    leaves_by_itself,
    opened,
    seen,
    status_due,
    stop_due,
    telling_due,
    time_up_at,
    time_warning_due,
)
from sciserver_hpc.domain.volumes import VolumeMount
from tests.fakes.jobs import NOON
from tests.fakes.sessions import ADDRESS, make_app, make_row, make_session_job, make_status, open_row, running

GAUGE = Gauge(idle_s=7200, grace_s=600, time_warning_s=900)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
JOB = running(make_session_job())


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


# coming in -----------------------------------------------------------------------------------------
def test_a_gate_that_answers_opens_its_session_with_its_deadline() -> None:
    row = opened(JOB, make_row(JOB, knocked=True), ADDRESS, make_status(JOB), at(1))
    assert is_open(JOB, row) and not row.knocked
    assert (row.ready_at, row.seen_at, row.ends_at) == (at(1), at(1), at(60))
    assert extendable_until(JOB, row) == at(120)


@pytest.mark.parametrize(("deadline_s", "ends"), [(None, None), (7200, None), (90, NOON + 90 * SECOND)])
def test_a_deadline_that_is_not_before_slurms_is_slurms(
    deadline_s: int | None, ends: datetime | None
) -> None:
    job = running(make_session_job(deadline_s=deadline_s))
    row = opened(job, make_row(job), ADDRESS, make_status(job), at(1))
    assert row.ends_at == ends
    assert ends_at(job, row) == (ends or at(120))


def test_the_gate_of_an_earlier_run_lets_nobody_in() -> None:
    row = open_row(JOB)
    again = JOB.model_copy(update={"restarts": 1})
    assert not is_reached(again, row) and not is_open(again, row)
    assert phase(again, row) is Phase.STARTING


def test_a_run_that_is_requeued_begins_anew() -> None:
    before = open_row(JOB, stop=StopCause.IDLE, stop_at=at(5), told_at=at(5), time_warned_at=at(4), version=9)
    again = JOB.model_copy(update={"restarts": 1, "started_at": at(30)})
    row = opened(again, before, "10.0.0.9:5000", make_status(again), at(31))
    assert is_open(again, row)
    assert (row.stop, row.stop_at, row.told_at, row.time_warned_at) == (None,) * 4
    assert (row.ends_at, row.version) == (at(90), 9)


def test_a_run_that_was_thought_lost_goes_on_where_it_was() -> None:
    closed = open_row(JOB, closed=True, ends_at=at(100))
    assert not is_open(JOB, closed)
    row = opened(JOB, closed, ADDRESS, make_status(JOB), at(31))
    assert is_open(JOB, row)
    assert (row.ends_at, row.ready_at) == (at(100), at(1))


@pytest.mark.parametrize("state", [s for s in JobState if s is not JobState.RUNNING])
def test_only_what_runs_is_open(state: JobState) -> None:
    assert not is_open(JOB.model_copy(update={"state": state}), open_row(JOB))


# asking --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("seconds", "due"), [(0, False), (29, False), (30, True), (-29, False), (-600, True)]
)
def test_a_gate_is_asked_every_half_minute_whichever_way_the_clock_went(seconds: int, due: bool) -> None:
    assert status_due(open_row(JOB), at(1) + seconds * SECOND) is due


def test_cpu_is_told_between_two_statuses() -> None:
    row = seen(open_row(JOB), make_status(JOB, cpu_s=16.0), at(1.5))
    assert row.cpu_percent == 50.0
    assert seen(row, make_status(JOB, cpu_s=17.0), at(1)).cpu_percent is None  # the clock went back
    assert seen(row, make_status(JOB, cpu_s=0.0), at(2)).cpu_percent == 0.0
    assert seen(row, make_status(JOB, cpu_s=None), at(2)).cpu_percent is None


# nobody uses it --------------------------------------------------------------------------------------
def warned(idle_s: float = 6600, minute: float = 111) -> Session:
    row = seen(open_row(JOB, ends_at=None), make_status(JOB, idle_s), at(minute))
    return row.model_copy(update=idle_warned(row, at(minute)))


@pytest.mark.parametrize(("idle_s", "due"), [(0, False), (6599, False), (6600, True), (9000, True)])
def test_its_owner_is_told_before_it_is_stopped(idle_s: float, due: bool) -> None:
    row = seen(open_row(JOB), make_status(JOB, idle_s), at(111))
    assert idle_warning_due(row, GAUGE) is due
    assert stop_due(JOB, row, GAUGE, at(111)) is None
    assert not idle_warning_due(row.model_copy(update=idle_warned(row, at(111))), GAUGE)


@pytest.mark.parametrize(("idle_s", "cause"), [(7199, None), (7200, StopCause.IDLE), (9000, StopCause.IDLE)])
def test_it_is_stopped_once_the_grace_was_not_used(idle_s: float, cause: StopCause | None) -> None:
    row = seen(warned(), make_status(JOB, idle_s), at(118))
    assert stop_due(JOB, row, GAUGE, at(118)) is cause


def test_use_after_a_warning_takes_it_back() -> None:
    row = seen(warned(), make_status(JOB, 20), at(112))
    assert (row.idle_warned_at, row.idle_warned_s) == (None, None)
    assert idle_left_s(row, GAUGE) is None


def test_use_while_the_broker_was_away_takes_it_back_too() -> None:
    """Warned, used three minutes later, and nobody looked for four hours."""
    job = running(make_session_job(deadline_s=None))
    row = seen(warned(), make_status(job, 4 * 3600 - 180), at(111 + 240))
    assert row.idle_warned_at is None
    assert idle_warning_due(row, GAUGE)


def test_nobody_is_sent_away_by_what_a_gate_said_long_ago() -> None:
    row = seen(warned(), make_status(JOB, 7200), at(118))
    assert stop_due(JOB, row, GAUGE, at(118) + 11 * SECOND) is None
    assert stop_due(JOB, row, GAUGE, at(118) - 600 * SECOND) is None


def test_what_is_left_is_told_as_it_is() -> None:
    row = seen(warned(), make_status(JOB, 6900), at(116))
    assert idle_left_s(row, GAUGE) == 300
    assert session_view(JOB, row, (), GAUGE, at(116)).stops_idle_at == at(121)
    assert "stopped in 5 min" in sentence(JOB, row, GAUGE, at(116))


def test_a_grace_longer_than_what_it_is_of_is_no_gauge() -> None:
    with pytest.raises(ValidationError, match="grace_s must be less"):
        Gauge(idle_s=600, grace_s=600)


JUMPS = st.sampled_from([0, 0, 0, 600, -600])
STEP_S = 10


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_clocks_that_jump_stop_no_session_without_a_warning_and_the_whole_grace(data: st.DataObject) -> None:
    """The world's own time against what the broker does by a clock that jumps ten minutes either way."""
    gauge = Gauge(idle_s=300, grace_s=120)
    job, row = running(make_session_job(deadline_s=None)), open_row(JOB, ends_at=None, seen_at=None)
    job = job.model_copy(update={"uuid": JOB.uuid})
    off, used, told = 0, 0, None
    for real in range(0, 1500, STEP_S):
        off += data.draw(JUMPS)
        if data.draw(st.integers(0, 14)) == 0:
            used, told = real, None
        now = NOON + (real + off) * SECOND
        if status_due(row, now):
            row = seen(row, make_status(job, real - used), now)
        if idle_warning_due(row, gauge):
            row = row.model_copy(update=idle_warned(row, now))
            told = real
        if stop_due(job, row, gauge, now) is not None:
            assert real - used >= gauge.idle_s
            assert told is not None and real - told >= gauge.grace_s
            return


# its time --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("minute", "due"), [(44, False), (45, True), (70, True)])
def test_its_owner_is_told_before_its_time_is_up(minute: int, due: bool) -> None:
    assert time_warning_due(JOB, open_row(JOB), GAUGE, at(minute)) is due
    assert not time_warning_due(JOB, open_row(JOB, time_warned_at=at(1)), GAUGE, at(minute))
    assert not time_warning_due(JOB, open_row(JOB, stop=StopCause.STOPPED), GAUGE, at(minute))


def test_slurms_own_end_is_warned_of_too_and_left_to_slurm() -> None:
    job = running(make_session_job(deadline_s=None))
    row = open_row(job, ends_at=None)
    assert time_warning_due(job, row, GAUGE, at(105))
    assert time_up_at(job, row, GAUGE, at(105)) == at(120)
    told = row.model_copy(update={"time_warned_at": at(105)})
    assert stop_due(job, told, GAUGE, at(130)) is None


@pytest.mark.parametrize(
    ("warned_at", "stops", "why"),
    [
        (45, 60, "told in time: at the deadline"),
        (55, 65, "told late: the whole grace"),
        (200, 210, "the broker was away over the deadline: the whole grace all the same"),
    ],
)
def test_its_time_is_up_at_its_deadline_but_not_without_the_grace(
    warned_at: int, stops: int, why: str
) -> None:
    row = open_row(JOB, time_warned_at=at(warned_at))
    assert stop_due(JOB, open_row(JOB), GAUGE, at(300)) is None, "nobody was told"
    assert stop_due(JOB, row, GAUGE, at(stops) - SECOND) is None, why
    assert stop_due(JOB, row, GAUGE, at(stops)) is StopCause.TIME, why


def test_a_short_session_is_not_made_longer_by_the_grace() -> None:
    row = open_row(JOB, ends_at=at(3), ready_at=at(1), time_warned_at=at(1))
    assert stop_due(JOB, row, GAUGE, at(3)) is StopCause.TIME


def test_who_is_told_late_is_told_no_more_than_slurm_gives() -> None:
    assert time_up_at(JOB, open_row(JOB, ends_at=at(119)), GAUGE, at(118)) == at(120)


@pytest.mark.parametrize(
    ("row", "until"),
    [
        (open_row(JOB), at(120)),
        (open_row(JOB, ends_at=at(119)), at(120)),
        (open_row(JOB, ends_at=at(119) + SECOND), None),
        (open_row(JOB, ends_at=None), None),
        (open_row(JOB, stop=StopCause.TIME), None),
        (make_row(JOB), None),
    ],
)
def test_it_is_extended_as_far_as_slurm_lets_while_it_is_open(row: Session, until: datetime | None) -> None:
    assert extendable_until(JOB, row) == until


# stopping --------------------------------------------------------------------------------------------
CANCELLED = JOB.model_copy(update={"cancel_requested": True, "cancel_by": "alice"})


def test_a_stop_once_begun_has_one_cause() -> None:
    due = warned().model_copy(update={"time_warned_at": at(100), "ends_at": at(60)})
    due = seen(due, make_status(JOB, 7300), at(121))
    assert stop_due(CANCELLED, due, GAUGE, at(121)) is StopCause.STOPPED
    assert stop_due(JOB, due, GAUGE, at(121)) is StopCause.TIME
    for cause in StopCause:
        begun = due.model_copy(update={"stop": cause, "stop_at": at(121)})
        assert stop_due(CANCELLED, begun, GAUGE, at(300)) is None


def test_what_nobody_can_be_in_is_not_told_to_stop() -> None:
    assert stop_due(CANCELLED, make_row(JOB), GAUGE, at(5)) is None
    completing = CANCELLED.model_copy(update={"state": JobState.COMPLETING})
    assert stop_due(completing, open_row(JOB), GAUGE, at(5)) is None


@pytest.mark.parametrize(("seconds", "due"), [(0, False), (19, False), (20, True), (-600, True)])
def test_a_gate_that_lives_is_told_again(seconds: int, due: bool) -> None:
    row = open_row(JOB, stop=StopCause.STOPPED, stop_at=at(5), told_at=at(5))
    assert telling_due(row, at(5) + seconds * SECOND) is due
    assert telling_due(row.model_copy(update={"told_at": None}), at(5))
    assert not telling_due(open_row(JOB), at(5))


@pytest.mark.parametrize(
    ("job", "row", "seconds", "own"),
    [
        (CANCELLED, open_row(JOB), 0, True),
        (CANCELLED, open_row(JOB, stop=StopCause.STOPPED, stop_at=at(5)), 89, True),
        (CANCELLED, open_row(JOB, stop=StopCause.STOPPED, stop_at=at(5)), 90, False),
        # However often it was told: the time counts from the decision.
        (CANCELLED, open_row(JOB, stop=StopCause.STOPPED, stop_at=at(5), told_at=at(6.4)), 90, False),
        (CANCELLED, make_row(JOB), 0, False),
        (CANCELLED, None, 0, False),
        (CANCELLED.model_copy(update={"state": JobState.PENDING}), open_row(JOB), 0, False),
        (CANCELLED.model_copy(update={"restarts": 1}), open_row(JOB), 0, False),
    ],
)
def test_a_cancel_is_the_gates_first_and_slurms_after_the_longest(
    job: Job, row: Session | None, seconds: int, own: bool
) -> None:
    assert leaves_by_itself(job, row, at(5) + seconds * SECOND) is own


@pytest.mark.parametrize(("seconds", "due"), [(89, False), (90, True)])
def test_a_gate_that_does_not_obey_the_portal_is_slurms_too(seconds: int, due: bool) -> None:
    row = open_row(JOB, stop=StopCause.IDLE, stop_at=at(5))
    assert insisting_due(JOB, row, at(5) + seconds * SECOND) is due
    assert not insisting_due(CANCELLED, row, at(50))
    assert not insisting_due(JOB, open_row(JOB), at(50))


# its end ---------------------------------------------------------------------------------------------
OVER = Sighting(slurm_id=1001, uuid=JOB.uuid, uid=2001, state=JobState.SUCCEEDED)


@pytest.mark.parametrize(
    ("cause", "code", "cancelled", "state", "words"),
    [
        ("stopped", 0, True, JobState.CANCELLED, "Cancelled by alice."),
        ("stopped", 0, False, JobState.CANCELLED, "Cancelled."),
        ("idle", 0, False, JobState.CANCELLED, "nobody used it"),
        ("idle", 0, True, JobState.CANCELLED, "nobody used it"),
        ("time", 0, False, JobState.TIMEOUT, "its time was up"),
        ("", 0, False, JobState.SUCCEEDED, "the app was closed"),
        ("", 0, True, JobState.CANCELLED, "Cancelled by alice."),
        ("not_ready", 93, False, JobState.FAILED, "never answered"),
        ("app_gone", 93, False, JobState.FAILED, "went away"),
        ("gate", 93, False, JobState.FAILED, "lets people in failed"),
        ("", 3, False, JobState.FAILED, "exit code 3"),
    ],
)
def test_why_it_ended(cause: str, code: int, cancelled: bool, state: JobState, words: str) -> None:
    record = EndRecord(exit_code=code, slurm_id=1001, cause=cause)
    verdict, end = end_of(CANCELLED if cancelled else JOB, OVER, [record])
    assert verdict is state
    assert words in end.summary


# asking for one ----------------------------------------------------------------------------------------
MOUNTS = st.builds(VolumeMount, volume=st.sampled_from(["Storage/alice/a", "sdss"]))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "values": st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(max_size=3), max_size=3),
    "name": st.none() | st.sampled_from(["my lab", "x"]),
    "domain": st.none() | st.just("quick"),
    "image": st.none() | st.just("python"),
    "volumes": st.lists(MOUNTS, max_size=2, unique=True).map(tuple),
    "resources": st.none() | st.builds(Resources, cpus=st.integers(1, 8)),
}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({"app": st.just("lab")}, optional=FIELDS))
def test_a_request_is_the_same_there_and_back_with_only_what_was_set(fields: dict[str, JsonValue]) -> None:
    asked = SessionRequest(**fields)
    kept = JobRequest.model_validate_json(asked.as_job().model_dump_json(exclude_unset=True))
    back = as_session(kept)
    assert back == asked.model_copy(update={"name": asked.name or "lab"})
    assert back.model_fields_set == asked.model_fields_set | {"name"}
    assert back.as_job() == kept


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("array", "0-3"),
        ("results", VolumeMount(volume="Storage/alice/a")),
        ("dependencies", (Dependency(job=1),)),
        ("workdir", "/home/idies/workspace"),
        ("stdout", "mine.txt"),
        ("filename", "mine.sh"),
        ("command", "ls"),
    ],
)
def test_a_session_takes_nothing_that_would_be_lost(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match="takes no"):
        JobRequest(kind=Kind.SESSION, app="lab", **{field: value})


def test_saving_of_an_app_takes_as_long_as_it_says() -> None:
    job = running(make_session_job(app=make_app(save_s=600)), cancel_requested=True)
    row = open_row(job, stop=StopCause.STOPPED, stop_at=at(5))
    assert leaves_by_itself(job, row, at(15))
    assert not leaves_by_itself(job, row, at(15.5))
