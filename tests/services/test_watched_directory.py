"""Word on a directory that stops answering, and on its return."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.errors import BadCredentials, NotFound, Unavailable
from sciserver_hpc.domain.groups import Accessibility, user
from sciserver_hpc.services.watched_directory import NOTE, WatchedDirectory

from .world import ALICE, BOB, World

MINE = Resource(kind="user_volume", name="Storage/alice/x")


def process(world: World) -> WatchedDirectory:
    """What another worker has in memory: nothing."""
    return WatchedDirectory(world.store, world.people, world.clock)


def ask(directory: WatchedDirectory) -> None:
    try:
        directory.person("alice")
    except Unavailable:
        return


@pytest.fixture
def written(world: World, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Notes as they are written."""
    values: list[dict[str, Any]] = []
    note = world.store.note
    monkeypatch.setattr(world.store, "note", lambda key, value: (values.append(value), note(key, value)))
    return values


def test_a_directory_that_answers_is_no_news(world: World, written: list[dict[str, Any]]) -> None:
    directory = process(world)
    directory.person("alice")
    with pytest.raises(NotFound):
        directory.person("nobody")
    with pytest.raises(BadCredentials):
        directory.authenticate("alice", "wrong")
    assert written == [] and not directory.silent


def test_an_outage_is_noted_once_and_renewed_once_a_minute(
    world: World, written: list[dict[str, Any]]
) -> None:
    world.people.down = True
    workers = [process(world), process(world)]
    for second in range(130):
        ask(workers[second % 2])
        world.clock.advance(1)
    assert [value["ok"] for value in written] == [False] * 3
    assert written[0]["problem"] == "ldap does not answer: timed out"


def test_any_process_that_is_answered_clears_it(world: World) -> None:
    world.people.down = True
    ask(process(world))
    assert world.store.notes()[NOTE]["ok"] is False
    world.people.down = False
    with pytest.raises(BadCredentials):
        process(world).authenticate("alice", "wrong")
    assert world.store.notes()[NOTE] == {"ok": True, "problem": "", "at": world.clock.now().isoformat()}


def test_the_return_is_noticed_by_whoever_asks_next(world: World) -> None:
    """Nobody is due to be asked about for a quarter of an hour, yet the note is renewed, and then cleared."""
    _, secret, _ = world.login.password("alice", "wonderland", "192.0.2.1")
    world.people.down = True
    with pytest.raises(Unavailable):
        world.login.password("bob", "builder", "192.0.2.1")
    noted = world.store.notes()[NOTE]["at"]
    asked = world.people.calls
    assert world.login.resolve(secret) is not None
    assert world.people.calls == asked, "it was asked just now"
    world.clock.advance(60)
    assert world.login.resolve(secret) is not None
    assert world.store.notes()[NOTE]["at"] > noted
    world.people.down = False
    world.clock.advance(60)
    assert world.login.resolve(secret) is not None
    assert world.store.notes()[NOTE]["ok"] is True


def test_an_outage_that_groups_or_sharing_meet_is_told_at_once(world: World) -> None:
    met = (
        lambda: world.groups.create(Asker(ALICE), "survey", "", Accessibility.PRIVATE),
        lambda: world.sharing.give(Asker(ALICE), MINE, user("bob"), [Action.READ]),
        lambda: world.entitled.meaning(Subject(kind="group", name="astro")),
    )
    world.store.remember_person(BOB)
    world.store.add_user_volume("Storage", "alice", "x", "")
    for meet in met:
        world.people.down = True
        with suppress(Unavailable):
            meet()
        assert world.store.notes()[NOTE]["ok"] is False
        world.people.down = False
        ask(process(world))
        assert world.store.notes()[NOTE]["ok"] is True
        world.clock.advance(60)
