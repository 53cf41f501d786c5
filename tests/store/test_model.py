"""The jobs part of the store against a model in memory, by any sequence of calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sciserver_hpc.domain.errors import Conflict
from sciserver_hpc.domain.jobs import EventKind, Job, JobEvent, NewJob
from sciserver_hpc.domain.listing import Sought
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import NOON, add_job, make_job, next_job_id

OWNERS = st.sampled_from(["alice", "bob"])
KEYS = st.sampled_from([None, "k", "l", "k' OR 1=1"])
STATES = st.sampled_from(list(JobState))
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
PICK = st.integers(0, 10**6)


class JobsMachine(RuleBasedStateMachine):
    """Every rule does one thing to both, and compares the answers."""

    new_store: Callable[[], SqlStore]

    def __init__(self) -> None:
        super().__init__()
        self.store = type(self).new_store()
        self.jobs: dict[int, Job] = {}
        self.past: list[Job] = []
        self.keys: dict[tuple[str, str], tuple[int, str]] = {}
        self.texts: dict[int, list[str]] = {}
        self.highest = 0

    def teardown(self) -> None:
        self.store.close()

    @rule(owner=OWNERS, key=KEYS, fingerprint=st.sampled_from("fg"), name=TEXT, state=STATES)
    def add(self, owner: str, key: str | None, fingerprint: str, name: str, state: JobState) -> None:
        job_id = next_job_id(self.store)
        assert job_id > self.highest
        self.highest = job_id
        job = make_job(job_id, owner=owner, state=state, reason=name)
        earlier = self.keys.get((owner, key)) if key is not None else None
        if earlier is not None and earlier[1] != fingerprint:
            with pytest.raises(Conflict):
                add_job(self.store, job, "d", name, key, fingerprint)
            return
        stored = add_job(self.store, job, "d", name, key, fingerprint)
        if earlier is not None:
            assert stored == self.jobs[earlier[0]]
            return
        assert stored == job
        self._added(job, key, fingerprint)

    @rule(wanted=st.lists(st.tuples(OWNERS, KEYS, st.sampled_from("fg")), max_size=6))
    def add_many(self, wanted: list[tuple[str, str | None, str]]) -> None:
        ids = self.store.next_job_ids(len(wanted))
        assert ids == sorted(ids) and all(job_id > self.highest for job_id in ids)
        self.highest = max([self.highest, *ids])
        new = [
            NewJob(make_job(job_id, owner=owner), "d", "", key, fingerprint)
            for job_id, (owner, key, fingerprint) in zip(ids, wanted, strict=True)
        ]
        for one, answer in zip(new, self.store.add_jobs(new), strict=True):
            earlier = self.keys.get((one.job.owner, one.key)) if one.key is not None else None
            if earlier is None:
                assert answer == one.job
                self._added(one.job, one.key, one.fingerprint)
            elif earlier[1] == one.fingerprint:
                assert answer == self.jobs[earlier[0]]
            else:
                assert isinstance(answer, Conflict)

    def _added(self, job: Job, key: str | None, fingerprint: str) -> None:
        self.jobs[job.id] = job
        self.past.append(job)
        self.texts[job.id] = ["Accepted."]
        if key is not None:
            self.keys[job.owner, key] = (job.id, fingerprint)

    @precondition(lambda self: self.past)
    @rule(picks=st.lists(st.tuples(PICK, STATES, TEXT), min_size=1, max_size=4))
    def change(self, picks: list[tuple[int, JobState, str]]) -> None:
        changes, expected = [], []
        for pick, state, text in picks:
            old = self.past[pick % len(self.past)]
            new = old.model_copy(update={"state": state, "node": text})
            changes.append((old, new, [JobEvent(at=NOON, kind=EventKind.STATE, state=state, text=text)]))
            expected.append(self._expect(old, new, text))
        assert self.store.change_jobs(changes) == expected

    def _expect(self, old: Job, new: Job, text: str) -> Job | None:
        if self.jobs[old.id].version != old.version:
            return None
        stored = new.model_copy(update={"version": old.version + 1})
        self.jobs[old.id] = stored
        self.past.append(stored)
        self.texts[old.id].append(text)
        return stored

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK, slurm_id=st.integers(1, 3), digest=st.sampled_from("de"))
    def claim(self, pick: int, slurm_id: int, digest: str) -> None:
        job = list(self.jobs.values())[pick % len(self.jobs)]
        said = self.store.claim(job.uuid, digest, slurm_id, 0, None, NOON)
        if digest != "d":
            assert said == "unknown"
        elif job.claimed_by is None:
            assert said == "run"
            claimed = job.model_copy(update={"claimed_by": slurm_id, "version": job.version + 1})
            self.jobs[job.id] = claimed
            self.past.append(claimed)
            self.texts[job.id].append(f"Slurm job {slurm_id} starts.")
        else:
            assert said == ("run" if job.claimed_by == slurm_id else "duplicate")

    @rule(owner=OWNERS, states=st.lists(STATES, max_size=4))
    def count(self, owner: str, states: list[JobState]) -> None:
        matching = [job for job in self.jobs.values() if job.owner == owner and job.state in states]
        assert self.store.count_jobs(owner, states) == len(matching)
        assert self.store.jobs(Sought(owner=owner, states=states), limit=1000).jobs == matching[::-1]

    @invariant()
    def all_jobs_are_as_expected(self) -> None:
        assert self.store.jobs(limit=1000).jobs == list(self.jobs.values())[::-1]
        assert self.store.jobs_by_id(list(self.jobs)) == self.jobs

    @precondition(lambda self: self.jobs)
    @rule(pick=PICK)
    def history(self, pick: int) -> None:
        job_id = list(self.jobs)[pick % len(self.jobs)]
        assert [event.text for event in self.store.events(job_id)] == self.texts[job_id]


def test_the_store_behaves_like_the_model(url: str) -> None:
    def new_store() -> SqlStore:
        store = SqlStore(url)
        with store._database.writing() as connection:
            for table in ("job_events", "job_requests", "jobs"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        return store

    machine = type("Machine", (JobsMachine,), {"new_store": staticmethod(new_store)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
