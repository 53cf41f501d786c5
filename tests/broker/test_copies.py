"""Which sighting is whose, where one person's job claims another's Slurm id."""

from __future__ import annotations

from sciserver_hpc.broker.looking import copies_of
from sciserver_hpc.domain.scheduling import Observation, Sighting
from sciserver_hpc.domain.states import JobState
from tests.fakes.jobs import NOON, make_job


def test_a_claimed_id_hides_nobodys_job() -> None:
    """Alice renamed her job in Slurm, so only its id tells; bob's job says it has the same id."""
    alices = make_job(state=JobState.RUNNING, slurm_id=7)
    bobs = make_job(state=JobState.RUNNING, slurm_id=7, id=2, uuid="b" * 32, owner="bob", uid=alices.uid + 1)
    seen = Sighting(slurm_id=7, uuid=None, uid=alices.uid, state=JobState.RUNNING)
    look = Observation(at=NOON, sightings=(seen,), live_complete=True, ended_complete=True)
    for jobs in ([alices, bobs], [bobs, alices]):
        assert copies_of(jobs, look) == {alices.uuid: [seen], bobs.uuid: []}


def test_while_the_controller_is_away_only_the_copy_that_claimed_its_start_is_believed() -> None:
    """The known copy may have left at the fence, and the true one run on, shown by nobody."""
    job = make_job(state=JobState.RUNNING, slurm_id=7)
    seen = Sighting(slurm_id=7, uuid=job.uuid, uid=job.uid, state=JobState.SUCCEEDED)
    look = Observation(at=NOON, sightings=(seen,), live_complete=False, ended_complete=True)
    assert copies_of([job], look) == {job.uuid: []}
    assert copies_of([job.model_copy(update={"claimed_by": 7})], look) == {job.uuid: [seen]}
