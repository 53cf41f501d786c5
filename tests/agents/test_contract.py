"""What every agent must do, the fake and the real one alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from sciserver_hpc.agents import SocketAgents
from sciserver_hpc.domain.acl import Entry, Named, Tag, allows
from sciserver_hpc.domain.acl_walk import AclSlice
from sciserver_hpc.domain.errors import AgentError, Refused
from sciserver_hpc.domain.files import FileKind
from sciserver_hpc.domain.gates import SessionRecord
from sciserver_hpc.domain.projection import Drift, Projection, passage, project
from sciserver_hpc.domain.scheduling import EndRecord, Owner, Verdict
from sciserver_hpc.ports import Agent, Agents
from tests.fakes.agents import FakeAgents

from .commands import FATES, Commands
from .conftest import make_job


class World(Protocol):
    """Agents, and the hands to prepare what they meet."""

    agents: Agents
    root: str

    def put(self, path: str, data: bytes) -> None: ...
    def make_directory(self, path: str) -> None: ...
    def decide(self, *fates: Verdict) -> None: ...
    def without_acls(self) -> str:
        """A root on a filesystem that keeps none."""
        ...


class RealWorld:
    def __init__(self, agents: SocketAgents, root: Path, commands: Commands) -> None:
        self.agents: Agents = agents
        self.root = str(root)
        self._commands = commands

    def put(self, path: str, data: bytes) -> None:
        self.make_directory(str(Path(path).parent))
        (Path(self.root) / path).write_bytes(data)

    def make_directory(self, path: str) -> None:
        (Path(self.root) / path).mkdir(parents=True, exist_ok=True)

    def decide(self, *fates: Verdict) -> None:
        self._commands.decide(*(FATES[fate] for fate in fates))

    def without_acls(self) -> str:
        return "/proc"


class FakeWorld:
    def __init__(self, me: Owner) -> None:
        self.fake = FakeAgents(min_uid=0)
        self.agents: Agents = self.fake
        self.root = "/shared/volume"
        self._uid = me.uid
        self.fake.make_directory(self.root, self._uid)

    def put(self, path: str, data: bytes) -> None:
        self.fake.put(f"{self.root}/{path}", data, self._uid)

    def make_directory(self, path: str) -> None:
        self.fake.make_directory(f"{self.root}/{path}", self._uid)

    def decide(self, *fates: Verdict) -> None:
        self.fake.fates.extend(fates)

    def without_acls(self) -> str:
        self.fake.make_directory("/proc")
        self.fake.acls.without.add("/proc")
        return "/proc"


@pytest.fixture(params=["real", "fake"])
def world(
    request: pytest.FixtureRequest, agents: SocketAgents, root: Path, commands: Commands, me: Owner
) -> Iterator[World]:
    yield RealWorld(agents, root, commands) if request.param == "real" else FakeWorld(me)


@pytest.fixture
def agent(world: World, me: Owner) -> Agent:
    return world.agents.of(me)


def reason(call: object, *arguments: object) -> str:
    """The reason of the AgentError that a call must raise."""
    assert callable(call)
    with pytest.raises(AgentError) as caught:
        call(*arguments)
    assert str(caught.value)
    return caught.value.reason


def test_ping_says_as_whom(world: World, me: Owner) -> None:
    assert f"uid {me.uid}" in world.agents.ping(me)


def test_submit_makes_the_folder_and_returns_the_id(world: World, agent: Agent) -> None:
    job = make_job(world.root)
    [outcome] = agent.submit([job])
    assert (outcome.verdict, outcome.uuid, outcome.slurm_id) == (Verdict.ACCEPTED, job.uuid, 1001)
    assert agent.read(world.root, f"{job.folder}/command.txt") == (b"echo hello\n", 11)


def test_outcomes_keep_the_order_and_slurms_words(world: World, agent: Agent) -> None:
    jobs = [make_job(world.root) for _ in range(3)]
    world.decide(Verdict.REJECTED, Verdict.ACCEPTED, Verdict.UNKNOWN)
    outcomes = agent.submit(jobs)
    assert [outcome.uuid for outcome in outcomes] == [job.uuid for job in jobs]
    assert [o.verdict for o in outcomes] == [Verdict.REJECTED, Verdict.ACCEPTED, Verdict.UNKNOWN]
    assert "Invalid partition" in outcomes[0].message
    assert "timed out" in outcomes[2].message


def test_a_controller_that_is_down_leaves_the_job_for_later(world: World, agent: Agent) -> None:
    world.decide(Verdict.NOT_TRIED)
    job = make_job(world.root)
    assert agent.submit([job])[0].verdict is Verdict.NOT_TRIED
    assert agent.submit([job])[0].verdict is Verdict.ACCEPTED


def test_the_folder_of_another_job_is_refused(world: World, agent: Agent) -> None:
    agent.submit([make_job(world.root, folder="one")])
    [outcome] = agent.submit([make_job(world.root, folder="one")])
    assert outcome.verdict is Verdict.REJECTED
    assert "exists already" in outcome.message


@pytest.mark.parametrize("folder", ["../out", "/etc/x", "a//b", ""])
def test_a_folder_outside_the_root_is_refused(world: World, agent: Agent, folder: str) -> None:
    assert agent.submit([make_job(world.root, folder=folder)])[0].verdict is Verdict.REJECTED


def test_a_missing_root_is_a_rejection(world: World, agent: Agent) -> None:
    assert agent.submit([make_job(f"{world.root}/none")])[0].verdict is Verdict.REJECTED


def test_jobs_are_handed_over_as_set(world: World, agent: Agent) -> None:
    assert agent.door() == ""


def test_test_only_returns_slurms_words_and_makes_nothing(world: World, agent: Agent) -> None:
    assert "to start at" in agent.test_only(make_job(world.root))
    assert agent.listing(world.root, "") == []


def test_test_only_refused(world: World, agent: Agent) -> None:
    world.decide(Verdict.REJECTED)
    with pytest.raises(Refused, match="Invalid partition"):
        agent.test_only(make_job(world.root))


def test_end_records_one_per_task_in_order(world: World, agent: Agent) -> None:
    for task in (10, 2):
        record = EndRecord(exit_code=task, slurm_id=1)
        world.put(f"array/.sciserver/end.{task}.json", record.model_dump_json().encode())
    world.put("one/.sciserver/end.json", EndRecord(exit_code=3, slurm_id=2).model_dump_json().encode())
    found = agent.end_records([(world.root, "one"), (world.root, "none"), (world.root, "array")])
    assert [[record.exit_code for record in records] for records in found] == [[3], [], [2, 10]]


def test_session_records_of_each_folder(world: World, agent: Agent) -> None:
    record = SessionRecord(uuid="a" * 32, slurm_id=7, restarts=1, port=40123)
    world.put("one/.sciserver/session.json", record.model_dump_json().encode())
    world.put("two/.sciserver/session.json", b'{"uuid": "a"')
    folders = [(world.root, name) for name in ("none", "one", "two", "../one", "one/..", "")]
    assert agent.session_records(folders) == [None, record, None, None, None, None]


def test_make_volume_twice(world: World, agent: Agent) -> None:
    world.make_directory("alice")
    agent.make_volume(world.root, "alice", "jobs")
    agent.make_volume(world.root, "alice", "jobs")
    assert agent.stat(world.root, "alice/jobs").kind is FileKind.DIRECTORY


def test_make_volume_needs_the_owners_directory(world: World, agent: Agent) -> None:
    assert reason(agent.make_volume, world.root, "nobody-here", "jobs") == "not_found"


def test_listing_is_sorted_and_limited(world: World, agent: Agent) -> None:
    for name in ("b.txt", "a.txt", "c/d.txt"):
        world.put(name, b"12345")
    entries = agent.listing(world.root, "")
    assert [(entry.name, entry.kind) for entry in entries] == [
        ("a.txt", FileKind.FILE),
        ("b.txt", FileKind.FILE),
        ("c", FileKind.DIRECTORY),
    ]
    assert entries[0].size == 5
    assert [entry.name for entry in agent.listing(world.root, "", 1)] == ["a.txt"]


def test_reading_parts(world: World, agent: Agent) -> None:
    world.put("log.txt", b"0123456789")
    assert agent.read(world.root, "log.txt", 2, 3) == (b"234", 10)
    assert agent.read(world.root, "log.txt", -4) == (b"6789", 10)
    assert agent.read(world.root, "log.txt", -99, 2) == (b"01", 10)
    assert agent.read(world.root, "log.txt", 50) == (b"", 10)


def test_what_is_not_there(world: World, agent: Agent) -> None:
    world.put("file", b"")
    assert reason(agent.stat, world.root, "none") == "not_found"
    assert reason(agent.read, world.root, "none/none") == "not_found"
    assert reason(agent.listing, world.root, "file") == "invalid"
    assert reason(agent.read, world.root, "") == "invalid"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a//b", "a/", ".", "a\0b"])
def test_paths_that_are_not_plain(world: World, agent: Agent, path: str) -> None:
    assert reason(agent.stat, world.root, path) == "invalid"
    assert reason(agent.read, world.root, path) == "invalid"
    assert reason(agent.listing, world.root, path) == "invalid"


BOB, LAB = 60001, 60010


def shared(me: Owner, write: bool = True) -> Projection:
    """Bob may write or read, the lab may read."""
    return project(me.uid, {Named(tag=Tag.USER, id=BOB): write, Named(tag=Tag.GROUP, id=LAB): False}, {})


def walked(agent: Agent, root: str, path: str, projection: Projection, limit: int) -> list[AclSlice]:
    """All slices of a walk that applies."""
    slices = [agent.acl_apply(root, path, projection, "", limit)]
    while slices[-1].cursor is not None:
        slices.append(agent.acl_apply(root, path, projection, slices[-1].cursor, limit))
    return slices


def test_sharing_reaches_what_is_there_and_what_comes(world: World, agent: Agent, me: Owner) -> None:
    for name in ("x", "a/y", "a-b/z"):
        world.put(f"vol/{name}", b"")
    slices = walked(agent, world.root, "vol", shared(me), 2)
    assert [(one.seen, one.changed) for one in slices] == [(2, 2), (2, 2), (2, 2)]
    assert sum(one.drift[Drift.MISSING] for one in slices) == 6
    world.put("vol/a/later", b"")
    for path in ("vol/x", "vol/a/y", "vol/a/later"):
        found = agent.acl_show(world.root, path)
        assert [allows(found, BOB, [], bits) for bits in (4, 6, 1)] == [True, True, False]
        assert [allows(found, 60002, [LAB], bits) for bits in (4, 6)] == [True, False]
    assert not allows(found, 60002, [], 4)
    assert agent.acl_verify(world.root, "vol", shared(me)).drift == {}


def test_verifying_tells_and_changes_nothing(world: World, agent: Agent, me: Owner) -> None:
    world.put("vol/x", b"")
    walked(agent, world.root, "vol", shared(me), 100)
    found = agent.acl_verify(world.root, "vol", shared(me, write=False))
    assert found.drift == {Drift.WIDER: 2, Drift.EXTRA: 1}  # nobody else makes files any more
    assert [(sample.path, sample.what) for sample in found.samples][-1] == ("x", Drift.WIDER)
    assert (found.seen, found.changed, found.cursor) == (2, 0, None)
    assert agent.acl_verify(world.root, "vol", shared(me)).drift == {}


def test_revoking_leaves_what_was_before(world: World, agent: Agent, me: Owner) -> None:
    world.put("vol/x", b"")
    before = [agent.acl_show(world.root, path) for path in ("vol", "vol/x")]
    walked(agent, world.root, "vol", shared(me), 100)
    world.put("vol/y", b"")
    over = project(me.uid, {}, {}, held=[entry.named for entry in shared(me).entries])
    [last] = walked(agent, world.root, "vol", over, 100)
    assert last.drift == {Drift.EXTRA: 3}
    assert [agent.acl_show(world.root, path) for path in ("vol", "vol/x")] == before
    assert agent.acl_show(world.root, "vol/y").access.named == ()


def test_the_way_to_a_volume_is_for_passing_through(world: World, agent: Agent, me: Owner) -> None:
    world.put("vol/x", b"")
    [done] = walked(agent, world.root, "", passage([shared(me)]), 100)
    assert (done.seen, done.changed) == (1, 1)
    home = agent.acl_show(world.root, "")
    assert Entry(named=Named(tag=Tag.GROUP, id=LAB), bits=1 | home.access.other) in home.access.named
    assert home.default is None
    assert agent.acl_show(world.root, "vol").access.named == ()


def test_a_filesystem_without_acls_is_told(world: World, agent: Agent, me: Owner) -> None:
    root = world.without_acls()
    assert reason(agent.acl_show, root, "") == "unsupported"
    assert reason(agent.acl_apply, root, "", shared(me)) == "unsupported"


def test_more_people_than_a_filesystem_can_name(world: World, agent: Agent, me: Owner) -> None:
    world.make_directory("vol")
    everybody = {Named(tag=Tag.USER, id=100_000 + number): False for number in range(8_190)}
    with pytest.raises(AgentError, match=r"8190 users and groups .* room for [1-9]") as caught:
        agent.acl_apply(world.root, "vol", project(me.uid, everybody, {}))
    assert caught.value.reason == "too_large"
    assert agent.acl_show(world.root, "vol").access.named == ()
    assert agent.listing(world.root, "vol") == []


def test_acls_of_what_has_none(world: World, agent: Agent, me: Owner) -> None:
    world.put("file", b"")
    assert reason(agent.acl_show, world.root, "none") == "not_found"
    assert reason(agent.acl_show, world.root, "../x") == "invalid"
    assert reason(agent.acl_apply, world.root, "none", shared(me)) == "not_found"
    assert reason(agent.acl_apply, world.root, "file", shared(me)) == "invalid"


def test_cancel_nothing_and_something(agent: Agent) -> None:
    agent.cancel([])
    agent.cancel([5, 6])


def test_a_system_account_is_refused(place: Path) -> None:
    daemon = Owner(username="daemon", uid=1, gid=1)
    for agents in (SocketAgents(place / "r", _NEVER), FakeAgents()):
        with pytest.raises(Refused, match="system account"):
            agents.of(daemon)


class _Never:
    checks_name = False

    def argv(self, owner: Owner) -> list[str]:
        raise AssertionError("nothing may be started")


_NEVER = _Never()


def test_a_unix_group_has_the_number_this_machine_knows(world: World, me: Owner) -> None:
    agent = world.agents.of(me)
    if isinstance(world.agents, FakeAgents):
        world.agents.groups["root"] = 0
    assert agent.unix_group("root") == 0
    for name in ("no-group-of-this-name", "", "a\0b", "0"):
        assert agent.unix_group(name) is None


def test_results_are_told_one_by_one_with_what_is_wrong(world: World, agent: Agent) -> None:
    world.put("2026/1/result.0.json", b'{"a": 1}')
    world.put("2026/1/result.1.json", b"x" * 16385)
    world.put("2026/1/result.2.json", b"\xff")
    world.make_directory("2026/1/result.3.json")
    names = [f"result.{task}.json" for task in range(5)]
    found = agent.results(world.root, "2026/1", names)
    assert found[0] == ('{"a": 1}', "")
    assert [text for text, _ in found[1:]] == [""] * 4
    assert [problem.rpartition("is ")[2][:10] for _, problem in found[1:4]] == [
        "larger tha",
        "not UTF-8 ",
        "not a regu",
    ]
    assert found[4] == ("", "absent")
    with pytest.raises(AgentError) as caught:
        agent.results(world.root, "2026/2", names)
    assert caught.value.reason == "not_found"
