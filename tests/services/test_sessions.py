"""A person's sessions: start again, look, share, extend, stop, forget; kept forms; a gate that knocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from sciserver_hpc.domain.access import Action
from sciserver_hpc.domain.errors import Conflict, Invalid, NotFound, Refused
from sciserver_hpc.domain.gates import GateStatus
from sciserver_hpc.domain.people import NOBODY, Person
from sciserver_hpc.domain.service_accounts import Program
from sciserver_hpc.domain.session_views import Phase
from sciserver_hpc.domain.sessions import SessionMode, SessionRequest, StopCause
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.volumes import Mode, VolumeMount
from sciserver_hpc.services.sessions import MOST_PRESETS
from sciserver_hpc.store.engine import make_engine
from sciserver_hpc.store.schema import job_requests
from tests.fakes.sessions import make_status

from .session_world import SITE_WITH, SessionWorld
from .world import ALICE, BOB, CAROL, shell

ADMIN = Person(username="root1", uid=2009, gid=2009, admin=True)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SessionWorld]:
    made = SessionWorld(tmp_path)
    yield made
    made.store.close()


def cards(world: SessionWorld, person: Person = ALICE) -> list[int]:
    return [job.id for job, _ in world.sessions.list(person)]


def shared(world: SessionWorld, person: Person) -> list[int]:
    return [job.id for job, _ in world.sessions.shared(person)]


# starting again ------------------------------------------------------------------------------------
def test_starting_again_keeps_what_was_asked_and_takes_the_old_card_away(world: SessionWorld) -> None:
    asked = SessionRequest(
        app="lab",
        name="mine",
        values={"hours": 3},
        volumes=(VolumeMount(volume="Storage/alice/persistent", mode=Mode.READ_WRITE),),
    )
    old = world.over(world.sessions.start(ALICE, asked))
    new = world.sessions.again(ALICE, old.id)
    assert new.id != old.id and new.uuid != old.uuid
    assert world.sessions.request(ALICE, new.id) == asked
    assert [m.volume for m in new.spec.mounts] == [m.volume for m in old.spec.mounts]
    assert cards(world) == [new.id]
    assert world.sessions.get(ALICE, old.id)[1].forgotten


def test_clicking_twice_starts_it_once(world: SessionWorld) -> None:
    """The second click may come before the first hid the card, or after a crash between the two."""
    old = world.over(world.start())
    found = world.store.session(old.id)
    assert found is not None
    change, world.sessions._change = world.sessions._change, lambda *_: found[1]  # type: ignore[method-assign]
    first = world.sessions.again(ALICE, old.id)
    world.sessions._change = change  # type: ignore[method-assign]
    assert world.sessions.again(ALICE, old.id) == first
    assert cards(world) == [first.id]


def test_what_is_not_over_or_not_ones_own_is_not_started_again(world: SessionWorld) -> None:
    job = world.start()
    with pytest.raises(Conflict, match="not over"):
        world.sessions.again(ALICE, job.id)
    world.over(job)
    world.grant(job, Action.WRITE, BOB)
    for person in (BOB, CAROL):
        with pytest.raises(NotFound):
            world.sessions.again(person, job.id)


def test_what_may_not_start_again_keeps_its_card(world: SessionWorld) -> None:
    old = world.over(world.start())
    without = tuple(g for g in SITE_WITH.grants if g.resource.kind != "app")
    world.site_is(SITE_WITH.model_copy(update={"grants": without}))
    with pytest.raises(Refused):
        world.sessions.again(ALICE, old.id)
    assert cards(world) == [old.id]


# seeing ----------------------------------------------------------------------------------------------
def test_only_its_owner_and_who_was_granted_it_see_a_session(world: SessionWorld) -> None:
    job = world.opened(world.start())
    world.grant(job, Action.READ, BOB)
    for person in (ALICE, BOB):
        assert world.sessions.get(person, job.id)[0].id == job.id
        assert world.sessions.by_uuid(person, job.uuid)[0].id == job.id
    for person in (CAROL, ADMIN):
        with pytest.raises(NotFound):
            world.sessions.get(person, job.id)
        with pytest.raises(NotFound):
            world.sessions.by_uuid(person, job.uuid)
    with pytest.raises(NotFound):
        world.sessions.by_uuid(ALICE, "f" * 32)
    assert (shared(world, ALICE), shared(world, BOB), shared(world, CAROL)) == ([], [job.id], [])
    assert cards(world, BOB) == []


def test_what_is_shared_shows_while_it_is_open_and_the_grant_lives(world: SessionWorld) -> None:
    job = world.start()
    world.grant(job, Action.WRITE, BOB, world.clock.now() + HOUR)
    world.clock.advance(2)
    assert shared(world, BOB) == []
    world.opened(job)
    assert shared(world, BOB) == [job.id]
    world.clock.advance(3600)
    assert shared(world, BOB) == []
    with pytest.raises(NotFound):
        world.sessions.get(BOB, job.id)


def test_a_job_is_no_session(world: SessionWorld) -> None:
    job, _ = world.jobs.submit(ALICE, shell())
    with pytest.raises(NotFound):
        world.sessions.get(ALICE, job.id)


def test_a_card_tells_who_has_it_open_by_the_gates_last_word(world: SessionWorld) -> None:
    job = world.opened(world.start())
    world.grant(job, Action.READ, BOB)
    world.grant(job, Action.WRITE, CAROL)
    for person, mode in ((ALICE, SessionMode.USE), (BOB, SessionMode.VIEW), (CAROL, SessionMode.USE)):
        world.enter(job, person, mode)
    told: GateStatus = make_status(world.sessions.get(ALICE, job.id)[0], passes={1: 2, 2: 1, 3: 0, 99: 5})
    world.row(job, status=told)
    [card] = world.sessions.shown(BOB, [world.sessions.get(BOB, job.id)])
    assert card.here == ("alice", "bob")
    hidden = (card.values, card.job.mounts, card.job.results_volume, card.job.folder, card.job.target)
    assert hidden == ({}, (), "", "", ""), "where alice keeps her files is hers to tell"
    [own] = world.sessions.shown(ALICE, [world.sessions.get(ALICE, job.id)])
    assert own.job.folder and own.job.mounts
    assert (card.phase, card.can_view, card.title) == (Phase.OPEN, True, "The Lab")
    assert "1 h" in card.sentence or "60 min" in card.sentence


def test_a_card_from_click_to_end(world: SessionWorld) -> None:
    def phase() -> Phase:
        [card] = world.sessions.shown(ALICE, [world.sessions.get(ALICE, job.id)])
        return card.phase

    job = world.start()
    assert phase() is Phase.WAITING
    world.move(job, state=JobState.RUNNING, slurm_id=1001, node="n1")
    assert phase() is Phase.STARTING
    world.opened(job)
    assert phase() is Phase.OPEN
    world.row(job, stop=StopCause.IDLE)
    assert phase() is Phase.STOPPING
    world.over(job)
    assert phase() is Phase.OVER


# extending ---------------------------------------------------------------------------------------------
def test_it_is_extended_up_to_slurms_limit(world: SessionWorld) -> None:
    job = world.opened(world.start())
    began = world.clock.now()
    world.row(job, time_warned_at=began)
    row = world.sessions.extend(ALICE, job.id, HOUR)
    assert (row.ends_at, row.time_warned_at) == (began + 2 * HOUR, None)
    assert world.sessions.extend(ALICE, job.id, 24 * HOUR).ends_at == began + 3 * HOUR
    with pytest.raises(Refused, match="cannot be extended"):
        world.sessions.extend(ALICE, job.id, HOUR)


def test_only_its_owner_extends_or_stops_it(world: SessionWorld) -> None:
    job = world.opened(world.start())
    world.grant(job, Action.WRITE, BOB)
    for person in (BOB, CAROL, ADMIN):
        with pytest.raises(NotFound):
            world.sessions.extend(person, job.id, HOUR)
        with pytest.raises(NotFound):
            world.sessions.stop(person, job.id)
        with pytest.raises(NotFound):
            world.sessions.forget(person, job.id)


@pytest.mark.parametrize("by", [timedelta(0), -HOUR, timedelta(seconds=59)])
def test_it_is_extended_by_a_minute_at_least(world: SessionWorld, by: timedelta) -> None:
    job = world.opened(world.start())
    with pytest.raises(Invalid):
        world.sessions.extend(ALICE, job.id, by)


def test_what_is_not_open_is_not_extended(world: SessionWorld) -> None:
    job = world.start()
    with pytest.raises(Refused):
        world.sessions.extend(ALICE, job.id, HOUR)
    world.opened(job, deadline=None)
    with pytest.raises(Refused):
        world.sessions.extend(ALICE, job.id, HOUR)


# stopping, forgetting ------------------------------------------------------------------------------------
def test_a_stop_is_a_cancel_for_the_broker_to_carry(world: SessionWorld) -> None:
    job = world.opened(world.start())
    stopped = world.sessions.stop(ALICE, job.id)
    assert (stopped.cancel_requested, stopped.cancel_by, stopped.state) == (True, "alice", JobState.RUNNING)
    early = world.start()
    assert world.sessions.stop(ALICE, early.id).state is JobState.CANCELLED


def test_a_card_is_taken_away_when_it_is_over(world: SessionWorld) -> None:
    job = world.start()
    with pytest.raises(Conflict, match="stop it first"):
        world.sessions.forget(ALICE, job.id)
    world.over(job)
    world.sessions.forget(ALICE, job.id)
    assert cards(world) == []


def test_a_service_account_starts_no_session(world: SessionWorld) -> None:
    program = Program(username="svc:ci", uid=NOBODY, gid=NOBODY)
    with pytest.raises(Refused, match="no Unix user"):
        world.sessions.start(program, SessionRequest(app="lab"))


# a gate that knocks ----------------------------------------------------------------------------------------
def test_a_gate_that_is_ready_knocks_with_its_jobs_secret(world: SessionWorld) -> None:
    job = world.move(world.start(), state=JobState.RUNNING, slurm_id=1001)
    secret, woken = world.renderer.claim_secret(job.uuid), world.waker.woken
    assert not world.sessions.knock(job.uuid, "x", 1001)
    assert not world.sessions.knock("f" * 32, secret, 1001)
    assert not world.sessions.get(ALICE, job.id)[1].knocked and world.waker.woken == woken
    assert world.sessions.knock(job.uuid, secret, 1001)
    assert world.sessions.get(ALICE, job.id)[1].knocked and world.waker.woken == woken + 1
    assert not world.sessions.knock(job.uuid, secret, 1002), "a second copy"


def test_who_is_let_in_already_need_not_knock(world: SessionWorld) -> None:
    job = world.opened(world.start())
    woken = world.waker.woken
    assert world.sessions.knock(job.uuid, world.renderer.claim_secret(job.uuid), 1001)
    assert not world.sessions.get(ALICE, job.id)[1].knocked and world.waker.woken == woken


# kept forms ------------------------------------------------------------------------------------------------
def test_forms_are_kept_and_removed(world: SessionWorld) -> None:
    asked = SessionRequest(app="lab", values={"hours": 2})
    world.sessions.keep_preset(ALICE, "short", asked)
    kept = world.sessions.presets(ALICE, "lab")["short"]
    assert SessionRequest.model_validate_json(kept) == asked
    assert world.sessions.presets(BOB, "lab") == {}
    world.sessions.remove_preset(ALICE, "lab", "short")
    with pytest.raises(NotFound):
        world.sessions.remove_preset(ALICE, "lab", "short")


def test_so_many_forms_are_kept_and_one_of_them_may_still_change(world: SessionWorld) -> None:
    for number in range(MOST_PRESETS):
        world.sessions.keep_preset(ALICE, f"n{number}", SessionRequest(app="lab"))
    with pytest.raises(Invalid):
        world.sessions.keep_preset(ALICE, "more", SessionRequest(app="lab"))
    world.sessions.keep_preset(ALICE, "n0", SessionRequest(app="lab", name="changed"))


def test_the_form_remembers_what_was_asked_last(world: SessionWorld, tmp_path: Path) -> None:
    assert world.sessions.last(ALICE, "lab") is None
    job = world.start(values={"hours": 2})
    last = world.sessions.last(ALICE, "lab")
    assert last is not None and last.values == {"hours": 2}
    assert world.sessions.last(BOB, "lab") is world.sessions.last(ALICE, "desk") is None
    engine = make_engine(f"sqlite:///{tmp_path}/sciserver.db")
    with engine.begin() as connection:
        connection.execute(delete(job_requests).where(job_requests.c.job_id == job.id))
    engine.dispose()
    assert world.sessions.last(ALICE, "lab") is None, "its text is kept no more"


def test_what_the_scheduler_says_starts_nothing(world: SessionWorld) -> None:
    assert "to start at" in world.sessions.expected_start(ALICE, SessionRequest(app="lab"))
    assert cards(world) == []
