"""Sessions that the database lost: found by their UUID in Slurm, offered to their owner, taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.broker.looking import Look
from sciserver_hpc.broker.straying import Strays
from sciserver_hpc.domain.errors import Conflict, Invalid, NotFound, Refused, SciServerError
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.scheduling import Owner
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.volumes import Mode, VolumeMount
from sciserver_hpc.services.accepting import Acceptor
from sciserver_hpc.services.digest import digest
from sciserver_hpc.services.facts import Gatherer
from sciserver_hpc.services.straying import Straying

from .session_world import SessionWorld
from .world import ALICE, BOB

PERSISTENT = VolumeMount(volume="Storage/alice/persistent", mode=Mode.READ_WRITE)


class Restored:
    """A portal whose database is older than a session of alice's, which runs in Slurm."""

    def __init__(self, folder: Path) -> None:
        for name in ("before", "after"):
            (folder / name).mkdir()
        before = SessionWorld(folder / "before")
        self.lost = before.start(volumes=(PERSISTENT,))
        submission = before.renderer.without_secret(self.lost, before.jobs.request(ALICE, self.lost.id))
        before.store.close()
        self.world = SessionWorld(folder / "after")
        owner = Owner(username="alice", uid=ALICE.uid, gid=ALICE.gid)
        self.slurm_id = self.world.scheduler.queue(submission, owner)
        self.world.scheduler.advance(self.slurm_id, JobState.RUNNING, node="n1")
        self.record = json.loads(next(f.text for f in submission.files if f.path == "provenance.json"))
        self.write(json.dumps(self.record))
        world = self.world
        gatherer = Gatherer(world.store, world.clock, world.site, lambda _image: "")
        acceptor = Acceptor(world.store, world.clock, gatherer, world.homes, world.renderer, 100, 5)
        schedulers = {"default": world.scheduler}
        self.straying = Straying(world.store, world.agents, schedulers, acceptor, world.waker)
        self.strays = Strays(world.store, "default")

    def write(self, text: str) -> None:
        """The record in the job folder says this."""
        self.world.agents.put(f"{self.lost.spec.path}/provenance.json", text.encode(), ALICE.uid)

    def look(self) -> None:
        """The broker looks at the cluster."""
        now = self.world.clock.now()
        seen = self.world.scheduler.observe(None)
        self.strays.heed(Look([], now, now, None, seen, {}))

    def take_back(self) -> Job:
        return self.straying.take_back(ALICE, self.lost.uuid)


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[Restored]:
    made = Restored(tmp_path)
    yield made
    made.world.store.close()


def test_it_is_offered_to_its_owner_alone(restored: Restored) -> None:
    assert restored.straying.list(ALICE) == ()
    restored.look()
    [stray] = restored.straying.list(ALICE)
    assert (stray.uuid, stray.slurm_id, stray.node) == (restored.lost.uuid, restored.slurm_id, "n1")
    assert restored.straying.list(BOB) == ()
    for act in (restored.straying.take_back, restored.straying.stop):
        with pytest.raises(NotFound):
            act(BOB, restored.lost.uuid)


def test_it_is_known_again_and_never_submitted_again(restored: Restored) -> None:
    restored.look()
    job = restored.take_back()
    assert (job.uuid, job.owner, job.claimed_by) == (restored.lost.uuid, "alice", restored.slurm_id)
    assert job.spec.path == restored.lost.spec.path
    assert job.spec.resources == restored.lost.spec.resources
    assert job.spec.app == restored.lost.spec.app
    mounted = {(mount.volume, mount.writable) for mount in job.spec.mounts}
    assert mounted == {(mount.volume, mount.writable) for mount in restored.lost.spec.mounts}
    store, world = restored.world.store, restored.world
    assert store.session(job.id) is not None
    secret = world.renderer.claim_secret(job.uuid)
    assert store.claim(job.uuid, digest(secret), restored.slurm_id, 0, None, world.clock.now()) == "run"
    assert restored.straying.list(ALICE) == ()
    with pytest.raises(NotFound):
        restored.take_back()
    restored.look()
    assert restored.straying.list(ALICE) == ()


def test_a_row_lost_while_the_broker_runs_is_missed_too(restored: Restored) -> None:
    world = restored.world
    now, seen = world.clock.now(), world.scheduler.observe(None)
    restored.strays.heed(Look([restored.lost], now, now, None, seen, {}))
    assert restored.straying.list(ALICE) == ()
    restored.look()
    assert len(restored.straying.list(ALICE)) == 1


def test_the_owner_may_end_it(restored: Restored) -> None:
    restored.look()
    restored.straying.stop(ALICE, restored.lost.uuid)
    assert restored.world.scheduler.calls["cancel"] == 1


def test_what_the_database_knows_is_no_stray(restored: Restored) -> None:
    restored.look()
    restored.take_back()
    again = Strays(restored.world.store, "default")
    now = restored.world.clock.now()
    again.heed(Look([], now, now, None, restored.world.scheduler.observe(None), {}))
    assert restored.world.store.notes()["strays:default"] == {"found": []}


def _changed(record: dict[str, Any], *path: str, value: Any) -> str:
    inner = record
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return json.dumps(record)


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        (("job", "owner"), "bob", Invalid),
        (("job", "uuid"), "0" * 32, Invalid),
        (("payload", "kind"), "shell", Invalid),
        (("app", "name"), "../../etc", Invalid),
        (("app", "name"), "nothing", Invalid),
        (("app", "values"), {"x": [1]}, Invalid),
        (("image", "name"), "hidden", (Invalid, Refused)),
        (("domain", "name"), "closed", (Invalid, Refused)),
        (("volumes",), [{"volume": "Storage/bob/private", "mode": "rw"}], (Invalid, Refused)),
        (("volumes",), [{"volume": "/etc", "mode": "rw"}], Invalid),
        (("resources", "cpus"), -1, Invalid),
    ],
)
def test_a_forged_record_gives_nothing(
    restored: Restored, path: tuple[str, ...], value: Any, error: type[SciServerError]
) -> None:
    restored.write(_changed(restored.record, *path, value=value))
    restored.look()
    with pytest.raises(error):
        restored.take_back()
    assert restored.world.store.job_by_uuid(restored.lost.uuid) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "x" * 100])
def test_a_folder_without_a_record_gives_nothing(restored: Restored, text: str) -> None:
    restored.write(text)
    restored.look()
    with pytest.raises((Invalid, NotFound, Conflict)):
        restored.take_back()
