"""Whatever agents hang, and whenever their answers come: each job runs at most once, and ends true."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from sciserver_hpc.domain.lifecycle import in_doubt
from tests.broker.test_chaos import Cluster
from tests.broker.world import SLURM
from tests.fakes.strands import Crash, Strand

PLACES = ["submit", "answer", "cancel", "end records"]
LOOKS = ["look", "seen", "found", "ended"]
UIDS = {"alice": 2001, "bob": 2002}


class Late(Cluster):
    """`Cluster`, with agents that hang for any number of turns; brokers die while they do."""

    @initialize()
    def begin_with_agents(self) -> None:
        self.orphans: list[Strand] = []

    @rule()
    def accept_bobs(self) -> None:
        self.jobs.append(self.world.accept(owner="bob", uid=UIDS["bob"]))

    @rule(place=st.sampled_from(PLACES), who=st.sampled_from(list(UIDS)))
    def agent_hangs(self, place: str, who: str) -> None:
        self.world.gate.shut(place, UIDS[who])

    @rule(place=st.sampled_from(PLACES), who=st.sampled_from(list(UIDS)))
    def agent_is_well(self, place: str, who: str) -> None:
        self.world.gate.open(place, UIDS[who])

    @rule(place=st.sampled_from(LOOKS))
    def slurm_hangs(self, place: str) -> None:
        self.world.gate.shut(place, SLURM.uid)

    @rule(place=st.sampled_from(LOOKS))
    def slurm_is_well(self, place: str) -> None:
        self.world.gate.open(place, SLURM.uid)

    @rule()
    def another_led_for_a_moment(self) -> None:
        """What the broker asked before may be answered in its new term."""
        self.world.broker.begin()

    @precondition(lambda self: self.world.strands.standing)
    @rule()
    def agents_hang_for_minutes(self) -> None:
        """Longer than any quiet period."""
        for _ in range(5):
            self.world.tick(30)

    @precondition(lambda self: self.world.strands.standing)
    @rule(which=st.integers(0, 5))
    def answer_comes(self, which: int) -> None:
        standing = self.world.strands.standing
        self.world.strands.resume(standing[which % len(standing)])

    @precondition(lambda self: self.world.strands.standing)
    @rule(which=st.integers(0, 5), after_calls=st.integers(0, 6))
    def broker_dies_as_an_answer_comes(self, which: int, after_calls: int) -> None:
        self.world.fuse.left = after_calls
        try:
            self.answer_comes(which)
        except Crash:
            pass
        finally:
            self.world.fuse.left = None
        self.broker_restarts()

    @rule()
    def broker_restarts(self) -> None:
        """The agents do not die with it: what they were given may reach Slurm yet."""
        self.orphans += [strand for strand in self.world.strands.standing if strand.at == "submit"]
        self.world.restart()

    @precondition(lambda self: self.orphans)
    @rule()
    def what_a_dead_broker_asked_for_is_done(self) -> None:
        strand = self.orphans.pop(0)
        assert strand.owner is not None
        self.queued_late |= {job.uuid for job in strand.jobs}
        self.world.cluster.submit(strand.owner, strand.jobs)

    @invariant()
    def what_is_under_way_is_in_doubt_or_seen(self) -> None:
        """No row may say that Slurm certainly has no copy while an agent may be handing one over."""
        if not hasattr(self, "world"):
            return
        for uuid in self.world.gate.under_way:
            job = self.world.store.job_by_uuid(uuid)
            assert in_doubt(job) or self.world.cluster.found(uuid), f"job {job.id}: {job.state}"

    def _peace(self) -> None:
        self.world.gate.open_all()
        while self.world.strands.standing:
            self.world.strands.resume_all()
        super()._peace()


TestLate = Late.TestCase
TestLate.settings = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
