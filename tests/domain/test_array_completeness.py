"""An array whose early tasks Slurm has forgotten is not taken for a success."""

from __future__ import annotations

from datetime import timedelta

from sciserver_hpc.domain.lifecycle import after_end
from sciserver_hpc.domain.scheduling import EndRecord, Sighting
from sciserver_hpc.domain.states import JobState
from tests.fakes.jobs import NOON, make_job, make_spec

GRACE = timedelta(minutes=1)
SPEC = make_spec(array="0-2")
JOB = make_job(spec=SPEC, state=JobState.RUNNING, slurm_id=7)
SEEN = Sighting(
    slurm_id=7,
    uuid=JOB.uuid,
    uid=JOB.uid,
    state=JobState.SUCCEEDED,
    ended_at=NOON,
    tasks={"SUCCEEDED": 2},
)
RECORD = EndRecord(exit_code=0, slurm_id=7)


def test_two_records_of_three_tasks_wait_and_then_fail() -> None:
    waiting = after_end(JOB, SEEN, [RECORD] * 2, NOON, GRACE)
    assert waiting is not None and waiting.new.state is JobState.COMPLETING
    over = after_end(waiting.new, SEEN, [RECORD] * 2, NOON + 2 * GRACE, GRACE)
    assert over is not None and over.new.state is JobState.FAILED


def test_a_record_of_every_task_is_success() -> None:
    over = after_end(JOB, SEEN, [RECORD] * 3, NOON, GRACE)
    assert over is not None and over.new.state is JobState.SUCCEEDED
