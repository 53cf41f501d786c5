"""Whatever dies, stalls or lies in between: each accepted job runs at most once, and its row ends true."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.scheduling import Owner
from sciserver_hpc.domain.states import JobState
from tests.broker.world import World
from tests.fakes.scheduler import Reply

LIVE = {JobState.PENDING, JobState.RUNNING}


class Cluster(RuleBasedStateMachine):
    """Random work and random faults, then peace; in the end the rows are compared with what happened."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.jobs: list[Job] = []
        self.ran: dict[str, list[tuple[int, JobState]]] = {}
        self.running: dict[int, str] = {}
        self.queued_late: set[str] = set()
        """Uuids of which Slurm was given a copy when nobody could know any more."""

    # work
    @rule()
    def accept(self) -> None:
        self.jobs.append(self.world.accept())

    @rule(reply=st.sampled_from(Reply))
    def fate_of_next_submission(self, reply: Reply) -> None:
        self.world.cluster.script(reply)

    @rule(seconds=st.sampled_from([0.1, 2, 20, 61]))
    def turn(self, seconds: float) -> None:
        self.world.tick(seconds)

    @precondition(lambda self: self.jobs)
    @rule(pick=st.randoms(use_true_random=False))
    def cancel(self, pick: object) -> None:
        job = self.world.job(pick.choice(self.jobs))  # type: ignore[attr-defined]
        if not job.state.final:
            self.world.ask_cancel(job)

    # nodes
    @rule()
    def start_one(self) -> None:
        for slurm_id in self.world.cluster.submissions:
            if self.world.cluster.state(slurm_id) is JobState.PENDING:
                self._start(slurm_id)
                return

    def _start(self, slurm_id: int) -> None:
        uuid = self.world.uuid_of(slurm_id)
        if self.world.run(slurm_id) == "run":
            self.running[slurm_id] = uuid

    @rule(code=st.sampled_from([0, 0, 1, 255]))
    def end_one(self, code: int) -> None:
        for slurm_id in list(self.running):
            if self.world.cluster.state(slurm_id) is JobState.RUNNING:
                self._end(slurm_id, code)
                return

    def _end(self, slurm_id: int, code: int) -> None:
        self.world.end(slurm_id, code)
        state = JobState.FAILED if code else JobState.SUCCEEDED
        self.ran.setdefault(self.running.pop(slurm_id), []).append((slurm_id, state))

    @rule()
    def controller_forgets_the_finished(self) -> None:
        for slurm_id in self.world.cluster.submissions:
            state = self.world.cluster.state(slurm_id)
            if state is not None and state.final:
                self.world.cluster.purge(slurm_id)

    @rule()
    def a_killed_controller_forgets_what_waits(self) -> None:
        for slurm_id in self.world.cluster.submissions:
            if self.world.cluster.state(slurm_id) is JobState.PENDING:
                self.world.cluster.purge(slurm_id)

    @precondition(lambda self: self.world.cluster.submissions)
    @rule()
    def a_stalled_controller_queues_an_old_request_again(self) -> None:
        oldest = self.world.cluster.submissions[min(self.world.cluster.submissions)]
        [job] = [job for job in self.jobs if job.uuid == oldest.uuid]
        self.queued_late.add(job.uuid)
        self.world.cluster.queue(oldest, Owner(username=job.owner, uid=job.uid, gid=job.uid))

    # faults
    @rule(after_calls=st.integers(0, 12))
    def broker_dies(self, after_calls: int) -> None:
        self.world.crash(after_calls)

    @rule(down=st.booleans())
    def controller(self, down: bool) -> None:
        self.world.cluster.live_down = down

    @rule(down=st.booleans())
    def accounting(self, down: bool) -> None:
        self.world.cluster.accounting_down = down

    @rule(down=st.booleans())
    def agents(self, down: bool) -> None:
        self.world.folders.down = down

    @invariant()
    def what_slurm_has_and_shows_is_not_submitted_again(self) -> None:
        """The fence is for copies that a look could not show."""
        for job in getattr(self, "jobs", ()):
            alive = self.world.cluster.alive(job.uuid)
            assert len(alive) <= 1 or job.uuid in self.queued_late, f"job {job.id}: {alive}"

    # the end
    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._peace()
            for job in self.jobs:
                self._check(self.world.job(job))
        finally:
            self.world.close()
            self.folder.cleanup()

    def _peace(self) -> None:
        cluster = self.world.cluster
        cluster.live_down = cluster.accounting_down = self.world.folders.down = False
        cluster.script()
        for _ in range(120):
            self.world.tick(20)
            for slurm_id in list(cluster.submissions):
                if cluster.state(slurm_id) is JobState.PENDING:
                    self._start(slurm_id)
            for slurm_id in list(self.running):
                if cluster.state(slurm_id) is JobState.RUNNING:
                    self._end(slurm_id, 0)
            if all(self.world.job(job).state.final for job in self.jobs):
                return

    def _check(self, job: Job) -> None:
        ends = self.ran.get(job.uuid, [])
        assert job.state.final, f"job {job.id} never ended: {job.state}"
        assert len(ends) <= 1, f"job {job.id} ran {len(ends)} times"
        if ends:
            assert (job.slurm_id, job.state) == ends[0]
        else:
            assert job.state in {JobState.CANCELLED, JobState.REJECTED}, (
                f"job {job.id} never ran: {job.state}"
            )


TestCluster = Cluster.TestCase
TestCluster.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
