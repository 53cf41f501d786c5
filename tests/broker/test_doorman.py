"""Sessions as the broker tends them: found, watched, warned of, stopped, closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.broker.errands import QUICK
from sciserver_hpc.domain.access import Action, Grant, Resource
from sciserver_hpc.domain.groups import user
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.sessions import StopCause, is_open
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.services.heralding import Heralding

from .session_world import GAUGE, PORT, SessionWorld

READY, IDLE = "Ready: its app answers", "Nobody uses it; it is stopped in 2 minutes unless somebody does"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SessionWorld]:
    made = SessionWorld(tmp_path)
    yield made
    made.close()


def ticks(world: SessionWorld, seconds: int, step: int = 2) -> None:
    for _ in range(seconds // step):
        world.tick(step)


def idle(world: SessionWorld, gate: Any, seconds: int) -> None:
    """Nobody uses it for so long."""
    for _ in range(seconds // 10):
        gate.idle_s += 10
        world.tick(10)


# opening ------------------------------------------------------------------------------------------
def test_a_session_opens_when_its_gate_answers_and_its_owner_is_told_once(world: SessionWorld) -> None:
    job, _ = world.open()
    row = world.row(job)
    assert is_open(job, row)
    assert (row.address, row.status and row.status.slurm_id) == ("10.0.0.1:40001", job.slurm_id)
    ticks(world, 60)
    assert world.told(job) == [READY]


def test_a_node_with_an_ipv6_address(world: SessionWorld) -> None:
    job = world.ask()
    world.tick()
    gate = world.start_app(job)
    world.cluster.advance(world.slurm_id(job), JobState.RUNNING, node="n2")
    world.gates.listening = {"[fd00::2]:40001": gate}
    ticks(world, 10)
    assert world.row(job).address == "[fd00::2]:40001"


@pytest.mark.parametrize(
    "forged",
    [{"uuid": "f" * 32}, {"slurm_id": 1}, {"restarts": 1}, {"restarts": 7, "slurm_id": 1}],
    ids=str,
)
def test_a_record_of_another_run_or_session_opens_nothing(world: SessionWorld, forged: Any) -> None:
    job = world.ask()
    world.tick()
    world.start_app(job, **forged)
    ticks(world, 20)
    assert not world.row(job).address
    assert world.gates.asked == [], "nobody was asked at all"


def test_a_record_with_the_port_of_anothers_gate_opens_nothing(world: SessionWorld) -> None:
    """What listens there has another session's certificate."""
    theirs, gate = world.open("bob", port=40002)
    job = world.ask()
    world.tick()
    del world.gates.listening[f"10.0.0.1:{world.start_app(job) and PORT}"]
    record = world.folders.gates[job.spec.folder]
    world.folders.gates[job.spec.folder] = record.model_copy(update={"port": 40002})
    ticks(world, 20)
    assert not world.row(job).address
    assert is_open(world.job(theirs), world.row(theirs)) and gate.stop == ""


@pytest.mark.parametrize("lie", [{"slurm_id": 1}, {"restarts": 3}])
def test_a_gate_of_an_earlier_run_opens_nothing(world: SessionWorld, lie: dict[str, int]) -> None:
    """It has the session's own certificate, and the record may be forged."""
    job = world.ask()
    world.tick()
    gate = world.start_app(job)
    for name, value in lie.items():
        setattr(gate, name, value)
    world.gates.listening = {f"10.0.0.1:{PORT}": gate}
    world.cluster.advance(world.slurm_id(job), JobState.RUNNING, node="n1")
    ticks_without_sweep(world, 20)
    assert not world.row(job).address


def ticks_without_sweep(world: SessionWorld, seconds: int) -> None:
    """The gates stay, whatever they say of themselves."""
    for _ in range(seconds // 2):
        world.clock.advance(2)
        world.broker.tick()


def test_a_node_that_slurm_does_not_know_opens_nothing_until_it_does(world: SessionWorld) -> None:
    world.cluster.nodes.clear()
    job = world.ask()
    world.tick()
    world.start_app(job)
    ticks(world, 20)
    assert not world.row(job).address
    world.cluster.nodes["n1"] = "10.0.0.1"
    ticks(world, 6)
    assert world.row(job).address


def test_a_gate_is_looked_for_again_but_not_in_each_turn(world: SessionWorld) -> None:
    job = world.ask()
    world.tick()
    world.start_app(job)
    gate = world.gates.listening.pop(f"10.0.0.1:{PORT}")
    for _ in range(20):
        world.tick(0.3)  # others' jobs bring turns
    asked = len(world.gates.asked)
    assert asked <= 4
    world.gates.listening[f"10.0.0.1:{PORT}"] = gate
    row = world.row(job)
    world.store.keep_session(row, row.model_copy(update={"knocked": True}))
    world.tick(0.3)
    assert world.row(job).address, "a gate that knocks is looked for at once"
    assert not world.row(job).knocked


def test_a_run_that_is_requeued_is_found_anew(world: SessionWorld) -> None:
    job, old = world.open()
    slurm_id = world.slurm_id(job)
    world.cluster.advance(slurm_id, JobState.PENDING, restarts=1, node="", started_at=None)
    world.gates.listening.clear()
    ticks(world, 6)
    world.cluster.advance(slurm_id, JobState.RUNNING, node="n2")
    world.folders.gates[job.spec.folder] = world.folders.gates[job.spec.folder].model_copy(
        update={"restarts": 1, "port": 5000}
    )
    ticks(world, 6)
    assert not is_open(world.job(job), world.row(job))
    world.gates.listen("[fd00::2]:5000", job.uuid, slurm_id, restarts=1)
    ticks(world, 10)
    assert world.row(job).address == "[fd00::2]:5000"
    assert is_open(world.job(job), world.row(job))
    assert world.told(job) == [READY, READY] and old.stop == ""


# hanging ------------------------------------------------------------------------------------------
def test_nobody_waits_for_anothers_gate(world: SessionWorld) -> None:
    """More owners' gates hang than there are places; the others' are opened, watched and stopped."""
    world.people |= {
        f"u{n}": world.people["alice"].model_copy(update={"username": f"u{n}", "uid": 3000 + n})
        for n in range(QUICK + 2)
    }
    hanging = [world.open(f"u{n}", port=41000 + n)[0] for n in range(QUICK + 2)]
    for job in hanging:
        world.gate.shut("gate", job.uid)
    ticks(world, 120)
    assert len(world.strands.standing) >= QUICK
    began = world.strands.waited
    job, gate = world.open("bob")
    world.ask_cancel(job, "bob")
    ticks(world, 4)
    assert gate.stop == "stopped"
    assert world.strands.waited == began, "turns wait for none of them"


def test_whose_agent_hangs_keeps_nobodys_session_from_opening(world: SessionWorld) -> None:
    world.gate.shut("session records", 2001)
    mine = world.ask("alice")
    world.tick()
    world.start_app(mine, port=40005)
    ticks(world, 10)
    theirs, _ = world.open("bob")
    assert world.row(theirs).address and not world.row(mine).address


def test_a_gate_that_does_not_answer_any_more_is_no_end(world: SessionWorld) -> None:
    job, gate = world.open()
    gate.silent = True
    ticks(world, 300, 10)
    assert world.row(job).stop is None and not world.job(job).state.final
    gate.silent = False
    gate.idle_s = 77
    ticks(world, 40, 10)
    status = world.row(job).status
    assert status is not None and status.idle_s >= 77


# watching -----------------------------------------------------------------------------------------
def test_how_it_is_used_is_asked_now_and_then_and_shown(world: SessionWorld) -> None:
    job, gate = world.open()
    world.gates.asked.clear()
    gate.idle_s, gate.open = 12, {7: 2}
    ticks(world, 120)
    assert 3 <= len(world.gates.asked) <= 5
    status = world.row(job).status
    assert status is not None and (status.idle_s, status.passes) == (12, {7: 2})


def test_who_logged_out_is_out_and_nobody_else(world: SessionWorld) -> None:
    job, gate = world.open()
    login = world.log_in()
    one, two = world.enter(job, login=login), world.enter(job)
    world.store.revoke_token("alice", login)
    ticks(world, 4)
    assert world.gates.closed == [(job.uuid, (one.id,))]
    assert world.live(job) == [two.id] == list(gate.open)


def test_who_lost_the_grant_is_out(world: SessionWorld) -> None:
    job, gate = world.open()
    thing = Resource(kind="session", name=str(job.id))
    given = Grant(subject=user("bob"), action=Action.WRITE, resource=thing, granted_by="alice")
    [share] = world.store.add_grants([given], world.now)
    mine, theirs = world.enter(job), world.enter(job, "bob")
    ticks(world, 10)
    assert world.live(job) == [mine.id, theirs.id]
    world.store.drop_grants([share.id])
    ticks(world, 4)
    assert world.live(job) == [mine.id] == list(gate.open)


def test_who_is_gone_from_the_directory_is_out(world: SessionWorld) -> None:
    job, gate = world.open()
    world.enter(job)
    del world.people["alice"]
    ticks(world, 4)
    assert world.live(job) == [] == list(gate.open)


def test_passes_whose_gate_hangs_are_closed_once_it_answers(world: SessionWorld) -> None:
    job, gate = world.open()
    login = world.log_in()
    mine = world.enter(job, login=login)
    gate.silent = True
    world.store.revoke_token("alice", login)
    ticks(world, 20)
    assert world.live(job) == [mine.id], "its connections may live"
    gate.silent = False
    ticks(world, 8)
    assert world.live(job) == []


# nobody uses it -----------------------------------------------------------------------------------
def test_a_session_nobody_uses_is_stopped_after_a_warning(world: SessionWorld) -> None:
    job, gate = world.open()
    idle(world, gate, GAUGE.idle_s - GAUGE.grace_s)
    idle(world, gate, 30)
    assert world.told(job)[1:] == [IDLE] and world.row(job).stop is None
    idle(world, gate, GAUGE.grace_s)
    assert world.row(job).stop is StopCause.IDLE
    assert gate.stop == "idle"
    world.leave(job)
    ticks(world, 10)
    done = world.job(job)
    assert done.state is JobState.CANCELLED
    assert done.end is not None and "nobody used it" in done.end.summary
    assert world.told(job)[1:] == [IDLE]


def test_use_after_the_warning_keeps_it(world: SessionWorld) -> None:
    job, gate = world.open()
    for turn in range(3):
        idle(world, gate, GAUGE.idle_s - GAUGE.grace_s + 40)
        assert len(world.told(job)) == turn + 2
        assert world.row(job).idle_warned_at is not None
        gate.idle_s = 0
        ticks(world, 40, 10)
        assert world.row(job).idle_warned_at is None
    assert gate.stop == "" and world.row(job).stop is None


def test_a_warning_that_was_not_kept_is_not_told(world: SessionWorld) -> None:
    """Somebody else changes the row in the same moment: told once, by the turn that notes it."""
    job, gate = world.open()
    gate.idle_s = GAUGE.idle_s - GAUGE.grace_s
    keep, calls = world.store.keep_session, [0]

    def quicker(old: Any, new: Any) -> Any:
        if new.idle_warned_at is not None and not calls[0]:
            calls[0] = 1
            found = world.store.session(old.job_id)
            keep(found[1], found[1].model_copy(update={"forgotten": True}))
        return keep(old, new)

    world.store.keep_session = quicker
    world.restart()
    ticks(world, 60, 10)
    assert calls[0] and world.told(job)[1:] == [IDLE]


# its time -----------------------------------------------------------------------------------------
def test_its_deadline_is_warned_of_and_then_stops_it(world: SessionWorld) -> None:
    job, gate = world.open(deadline_s=900)
    ticks(world, 600, 10)
    assert world.told(job)[1:] == ["5 minutes are left"]
    assert gate.stop == ""
    ticks(world, 320, 10)
    assert gate.stop == "time"
    world.leave(job)
    ticks(world, 10)
    assert world.job(job).state is JobState.TIMEOUT


def test_an_extension_moves_the_end_and_is_warned_of_anew(world: SessionWorld) -> None:
    job, gate = world.open(deadline_s=900)
    ticks(world, 650, 10)
    row = world.row(job)
    assert row.ends_at is not None
    longer = {"ends_at": row.ends_at + timedelta(minutes=10), "time_warned_at": None}
    assert world.store.keep_session(row, row.model_copy(update=longer))
    ticks(world, 400, 10)
    assert gate.stop == "" and len(world.told(job)) == 2
    ticks(world, 200, 10)
    assert len(world.told(job)) == 3
    ticks(world, 320, 10)
    assert gate.stop == "time"


def test_a_broker_that_was_away_over_the_end_warns_before_it_stops(world: SessionWorld) -> None:
    job, gate = world.open(deadline_s=900)
    world.clock.advance(5000)
    world.restart()
    ticks(world, 20)
    assert world.told(job)[1:] == ["2 minutes are left"] and gate.stop == ""
    ticks(world, 130, 10)
    assert gate.stop == "time"


# stopping -----------------------------------------------------------------------------------------
def scancelled(world: SessionWorld) -> bool:
    return bool(world.cluster.calls["cancel"])


def test_a_cancel_goes_to_the_gate_and_to_slurm_after_the_longest(world: SessionWorld) -> None:
    job, gate = world.open()
    world.ask_cancel(job)
    ticks(world, 4)
    assert gate.stop == "stopped" and not is_open(world.job(job), world.row(job))
    ticks(world, 80)
    assert not scancelled(world), "its app may save for a minute, and half a minute is its last words'"
    told = world.gates.stops.count((job.uuid, "stopped"))
    assert told >= 4, "a gate that lives is told again"
    ticks(world, 20)
    assert scancelled(world)
    assert world.job(job).state is JobState.CANCELLED


@pytest.mark.parametrize("also", ["", "a pass that is over"])
def test_a_gate_that_hangs_puts_a_cancel_off_no_longer(world: SessionWorld, also: str) -> None:
    job, gate = world.open()
    if also:
        login = world.log_in()
        world.enter(job, login=login)
        world.store.revoke_token("alice", login)
    gate.silent = True
    ticks(world, 60)
    world.ask_cancel(job)
    ticks(world, 80)
    assert not scancelled(world)
    ticks(world, 20)
    assert scancelled(world)


def test_an_owners_agent_that_hangs_puts_a_cancel_off_no_longer(world: SessionWorld) -> None:
    """The errand is out for all of the owner's sessions: the stop is decided without it."""
    job, _ = world.open()
    other = world.ask()
    world.tick()
    world.gate.shut("session records", 2001)
    world.start_app(other, port=40009)
    ticks(world, 10)
    world.ask_cancel(job)
    ticks(world, 110)
    assert scancelled(world)


def test_what_nobody_was_let_into_is_slurms_at_once(world: SessionWorld) -> None:
    job = world.ask()
    world.tick()
    assert world.run(world.slurm_id(job)) == "run"
    ticks(world, 4)
    world.ask_cancel(job)
    ticks(world, 4)
    assert scancelled(world) and world.job(job).state is JobState.CANCELLED


def test_a_new_broker_leaves_a_stop_to_its_gate(world: SessionWorld) -> None:
    """It knows no session before its first look, and sends cancels in its first turn."""
    job, gate = world.open()
    world.ask_cancel(job)
    ticks(world, 4)
    for _ in range(5):
        world.restart()
        ticks(world, 10)
    assert gate.stop == "stopped" and not scancelled(world)


def test_a_stop_of_the_portals_that_the_gate_does_not_obey_is_slurms(world: SessionWorld) -> None:
    job, gate = world.open(deadline_s=900)
    ticks(world, 920, 10)
    assert gate.stop == "time"
    ticks(world, 50, 10)
    assert not scancelled(world)
    ticks(world, 60, 10)
    done = world.job(job)
    assert scancelled(world) and done.state is JobState.CANCELLED
    assert done.end is not None and done.end.by == "the site"
    texts = [event.text for event in world.store.events(job.id) if event.kind == "cancel"]
    assert texts == ["Its gate did not end it (time); Slurm is told to"]


def test_who_cancels_what_is_being_stopped_changes_no_cause(world: SessionWorld) -> None:
    job, gate = world.open()
    idle(world, gate, GAUGE.idle_s + 60)
    assert gate.stop == "idle"
    world.ask_cancel(job)
    ticks(world, 30)
    assert {cause for _, cause in world.gates.stops} == {"idle"}
    assert world.row(job).stop is StopCause.IDLE


# its end ------------------------------------------------------------------------------------------
def counted(world: SessionWorld, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of those whose end was told."""
    told: list[int] = []
    monkeypatch.setattr(Heralding, "over", lambda _self, job: told.append(job.id))
    world.restart()
    return told


def test_a_session_is_closed_once_with_its_passes_and_told_once(
    world: SessionWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = counted(world, monkeypatch)
    job, _ = world.open()
    world.enter(job)
    world.leave(job)
    ticks(world, 20)
    world.restart()
    ticks(world, 20)
    assert world.job(job).state is JobState.SUCCEEDED
    assert world.row(job).closed and world.live(job) == [] and told == [job.id]


@pytest.mark.parametrize("started", [False, True])
def test_what_never_opened_is_closed_too(
    world: SessionWorld, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    told = counted(world, monkeypatch)
    job = world.ask()
    world.tick()
    if started:
        world.run(world.slurm_id(job))
        world.end(world.slurm_id(job), 93, "not_ready")
    else:
        world.ask_cancel(job)
    ticks(world, 20)
    assert world.row(job).closed and told == [job.id]
    assert world.told(job) == []


def test_a_session_that_was_thought_lost_is_open_again_and_watched(world: SessionWorld) -> None:
    job, gate = world.open()
    current = world.job(job)
    world.store.change_jobs([(current, current.model_copy(update={"state": JobState.LOST}), ())])
    world.cluster.live_down = world.cluster.accounting_down = True
    ticks(world, 4)
    assert world.row(job).closed and not is_open(world.job(job), world.row(job))
    world.cluster.live_down = world.cluster.accounting_down = False
    ticks(world, 10)
    back: Job = world.job(job)
    assert back.state is JobState.RUNNING and is_open(back, world.row(job))
    login = world.log_in()
    world.enter(job, login=login)
    world.store.revoke_token("alice", login)
    ticks(world, 4)
    assert world.live(job) == [] and gate.open == {}
