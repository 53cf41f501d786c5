"""Archiving: what goes, what stays, and that death at any point loses and doubles nothing."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sciserver_hpc.archive_files import ArchiveFolder
from sciserver_hpc.domain.errors import Conflict, NotFound, Unavailable
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.services.archiving import Archiving
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.database import new_database
from tests.fakes.jobs import NOON, add_job, change_job, make_job, next_job_id
from tests.fakes.sessions import make_session_job

KEEP = timedelta(days=40)


class Dead(BaseException):
    """The process is gone: nothing catches it."""


class World:
    """A store, a folder, and archivers that may die at their n-th step outside themselves."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(NOON + timedelta(days=200))
        self.store = SqlStore(new_database(folder / "history.db"), now=self.clock.now)
        self.folder = folder / "archive"
        self.folder.mkdir()

    def add(self, days: float = 0, state: JobState = JobState.SUCCEEDED, **fields: Any) -> Job:
        """A job that ended so many days after noon."""
        at = NOON + timedelta(days=days)
        ended = at if state.final else None
        job = make_job(next_job_id(self.store), state=state, ended_at=ended, changed_at=at, **fields)
        return add_job(self.store, job, "d" * 64, '{"kind":"shell"}', f"key-{job.id}")

    def archiving(self, dies_at: int | None = None) -> Archiving:
        store, folder = self.store, ArchiveFolder(self.folder)
        if dies_at is None:
            return Archiving(store, self.clock, folder, KEEP)
        fuse = [dies_at]
        return Archiving(_Mortal(store, fuse), self.clock, _Mortal(folder, fuse), KEEP)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def archived(self) -> list[dict[str, Any]]:
        """Every record of every file there is."""
        return [record for name in self.files() for record in records(self.folder / name)]

    def everywhere(self) -> Counter[int]:
        """How often each job is there: by a row, or in a file."""
        rows = Counter(job.id for job in self.store.jobs(limit=10_000).jobs)
        return rows + Counter(record["job"]["id"] for record in self.archived())

    def run(self, archiving: Archiving) -> None:
        while archiving.step():
            pass


class _Mortal:
    """Calls go through until the fuse is burnt: it dies before a call, or after it."""

    def __init__(self, real: object, fuse: list[int]) -> None:
        self._real = real
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            self._burn()
            answer = getattr(self._real, name)(*args)
            self._burn()
            return answer

        return call

    def _burn(self) -> None:
        self._fuse[0] -= 1
        if self._fuse[0] < 0:
            raise Dead


def records(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_what_is_long_over_goes_with_all_that_hangs_on_it(world: World) -> None:
    old, young = world.add(name="old"), world.add(days=190)
    archiving = world.archiving()
    assert archiving.waiting() == 1
    world.run(archiving)
    assert world.store.job(old.id) is None
    assert world.store.events(old.id) == []
    assert world.store.requests([old.id]) == {}
    assert world.store.job(young.id) == young
    record = archiving.record(old.id)
    assert record["job"]["name"] == "old" and "claim_digest" not in record["job"]
    assert [event["text"] for event in record["events"]] == ["Accepted."]
    assert record["requests"][0]["request"] == '{"kind":"shell"}'
    assert archiving.find(old.id).results.startswith("Temporary/alice/jobs, folder ")
    with pytest.raises(NotFound):
        archiving.find(young.id)
    assert [job.job_id for job in archiving.list("alice", None, 10)] == [old.id]
    assert archiving.list("bob", None, 10) == archiving.list(None, old.id, 10) == []


@pytest.mark.parametrize("state", [state for state in JobState if not state.final])
def test_a_job_that_is_not_over_stays(world: World, state: JobState) -> None:
    job = world.add(state=state)
    # Even with an end that an earlier run of it left.
    change_job(world.store, job, job.model_copy(update={"ended_at": NOON, "changed_at": NOON}), [])
    world.run(world.archiving())
    assert world.store.job(job.id) is not None and world.files() == []


def test_a_job_that_changed_lately_stays(world: World) -> None:
    job = world.add()
    change_job(world.store, job, job.model_copy(update={"changed_at": world.clock.now()}), [])
    world.run(world.archiving())
    assert world.store.job(job.id) is not None


def test_a_session_stays_until_it_is_closed(world: World) -> None:
    job = make_session_job(next_job_id(world.store), state=JobState.SUCCEEDED, ended_at=NOON, changed_at=NOON)
    add_job(world.store, job, "d", "{}")
    world.run(world.archiving())
    found = world.store.session(job.id)
    assert found is not None
    world.store.keep_session(found[1], found[1].model_copy(update={"closed": True}))
    archiving = world.archiving()
    world.run(archiving)
    assert world.store.session(job.id) is None
    assert archiving.record(job.id)["sessions"][0]["app"] == job.spec.app.name


def test_files_are_of_one_month_and_private(world: World) -> None:
    for days in (0, 1, 40, 41, 80):
        world.add(days=days)
    world.run(world.archiving())
    assert [name.partition("/")[0] for name in world.files()] == ["2026-01", "2026-02", "2026-04"]
    modes = {(world.folder / name).stat().st_mode & 0o777 for name in world.files()}
    assert modes == {0o600}


def test_large_requests_make_small_batches(world: World) -> None:
    for _ in range(3):
        job = make_job(
            next_job_id(world.store), state=JobState.FAILED, ended_at=NOON, accepted_at=NOON, changed_at=NOON
        )
        add_job(world.store, job, "d", json.dumps({"notebook": "x" * 7_000_000}))
    world.run(world.archiving())
    assert [len(records(world.folder / name)) for name in world.files()] == [2, 1]


def test_nothing_is_archived_where_all_is_kept(world: World) -> None:
    world.add()
    archiving = Archiving(world.store, world.clock, ArchiveFolder(world.folder), None)
    assert not archiving.due() and not archiving.step() and archiving.waiting() == 0
    assert world.files() == []


def test_it_looks_again_a_day_later(world: World) -> None:
    archiving = world.archiving()
    assert archiving.due() and not archiving.step() and not archiving.due()
    world.clock.advance(timedelta(hours=25).total_seconds())
    assert archiving.due()


def test_a_folder_that_is_away_loses_nothing_and_is_tried_later(world: World) -> None:
    job = world.add()
    world.folder.rename(world.folder.with_name("away"))
    archiving = world.archiving()
    with pytest.raises(Unavailable, match="archive does not answer"):
        archiving.step()
    assert not archiving.due() and world.store.job(job.id) == job
    world.folder.with_name("away").rename(world.folder)
    world.clock.advance(700)
    world.run(archiving)
    assert world.everywhere() == {job.id: 1}


def test_a_job_that_changes_between_reading_and_deleting_stays(world: World) -> None:
    job = world.add()

    class Slow(ArchiveFolder):
        def write(self, name: str, lines: Iterable[str]) -> None:
            super().write(name, lines)
            change_job(world.store, job, job.model_copy(update={"reason": "news"}), [])

    with pytest.raises(Conflict):
        Archiving(world.store, world.clock, Slow(world.folder), KEEP).step()
    assert world.everywhere() == {job.id: 1} and world.files() == []


def test_one_who_was_shut_out_leaves_no_file(world: World) -> None:
    """A slow archiver whose file another took for a crash's: its rows stay, and its file is not counted."""
    job = world.add()

    class Slow(ArchiveFolder):
        def write(self, name: str, lines: Iterable[str]) -> None:
            world.run(world.archiving())
            super().write(name, lines)

    with pytest.raises(Conflict):
        Archiving(world.store, world.clock, Slow(world.folder), KEEP).step()
    assert world.everywhere() == {job.id: 1}
    assert world.archiving().record(job.id)["job"]["id"] == job.id


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 40), max_size=4), st.integers(1, 6))
def test_death_at_any_point_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[int], count: int
) -> None:
    world = World(tmp_path_factory.mktemp("archive"))
    made = {world.add(days=30 * (number % 3)).id for number in range(count)} | {world.add(days=199).id}
    for dies_at in deaths:
        with suppress(Dead):
            world.run(world.archiving(dies_at))
        known = {job.job_id for job in world.store.archived_jobs(None, None, 100)}
        rows = {job.id for job in world.store.jobs(limit=100).jobs}
        assert known | rows == made and not known & rows
        for job_id in known:
            assert world.archiving().record(job_id)["job"]["id"] == job_id
    world.run(world.archiving())
    assert world.everywhere() == dict.fromkeys(made, 1)
    assert world.store.unfinished_archive_files() == [] or deaths
    world.store.close()


CHILD = """
import sys
from datetime import timedelta
from pathlib import Path
from sciserver_hpc.archive_files import ArchiveFolder
from sciserver_hpc.services import archiving
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import NOON
archiving.BATCH = 3
clock = FakeClock(NOON + timedelta(days=200))
one = archiving.Archiving(
    SqlStore(sys.argv[1], now=clock.now), clock, ArchiveFolder(Path(sys.argv[2])), timedelta(days=40)
)
while one.step():
    print("batch", flush=True)
"""


def test_kill_9_of_a_real_process_loses_and_doubles_nothing(world: World) -> None:
    made = {world.add().id for _ in range(60)}
    argv = [sys.executable, "-c", CHILD, str(world.store._database.engine.url), str(world.folder)]
    for lines in (1, 3, 5):
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, env=os.environ)
        assert child.stdout is not None
        for _ in range(lines):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    world.run(world.archiving())
    assert world.everywhere() == dict.fromkeys(made, 1)


def test_a_damaged_file_is_told(world: World) -> None:
    job = world.add()
    world.run(world.archiving())
    path = world.folder / world.files()[0]
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(Unavailable, match="archive"):
        world.archiving().record(job.id)
