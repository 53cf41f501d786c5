"""Who is let into a session, and who no longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sciserver_hpc.domain.access import Action, Subject
from sciserver_hpc.domain.errors import Conflict, NotFound, Refused
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.sessions import SessionMode, StopCause
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tokens import Scope, Token, TokenKind
from sciserver_hpc.services.admitting import Admission, Incoming, Refusal
from sciserver_hpc.services.people import REFRESH
from tests.fakes.sessions import ADDRESS

from .session_world import ORIGIN, SessionWorld
from .world import ALICE, BOB, CAROL, grant

USE, VIEW = SessionMode.USE, SessionMode.VIEW
ADMIN = Person(username="root1", uid=2009, gid=2009, admin=True)
SECOND = timedelta(seconds=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SessionWorld]:
    made = SessionWorld(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def job(world: SessionWorld) -> Job:
    """Alice's, open."""
    return world.opened(world.start())


def over(world: SessionWorld) -> list[int]:
    """Passes that the broker would close now."""
    return [one for passes in world.admitting.over(world.store.sessions_to_tend()).values() for one in passes]


# tickets -------------------------------------------------------------------------------------------
def test_a_click_becomes_a_pass_and_the_pass_a_way_in(world: SessionWorld, job: Job) -> None:
    entered = world.admitting.enter(job.uuid, world.ticket(job))
    assert entered is not None and entered.path == "/lab"
    assert world.admit(job, entered.secret) == Admission(ADDRESS, job.uuid, 1, USE, "alice")


def test_a_ticket_is_good_once_and_in_its_session_and_for_thirty_seconds(
    world: SessionWorld, job: Job
) -> None:
    other = world.opened(world.start())
    secret = world.ticket(job)
    assert world.admitting.enter(other.uuid, secret) is None
    assert world.admitting.enter("f" * 32, secret) is None
    assert world.admitting.enter(job.uuid, "x") is world.admitting.enter(job.uuid, "") is None
    assert world.admitting.enter(job.uuid, secret) is not None
    assert world.admitting.enter(job.uuid, secret) is None
    late = world.ticket(job)
    world.clock.advance(30)
    assert world.admitting.enter(job.uuid, late) is None


def test_a_ticket_is_no_pass_and_a_pass_no_ticket(world: SessionWorld, job: Job) -> None:
    secret = world.ticket(job)
    assert world.admit(job, secret) is Refusal.NO_PASS
    assert world.admitting.enter(job.uuid, world.enter(job)) is None


def test_a_pass_is_for_its_session_alone(world: SessionWorld, job: Job) -> None:
    secret = world.enter(job)
    assert world.admit(world.opened(world.start()), secret) is Refusal.NO_PASS


def test_nobody_enters_what_was_stopped_since_the_click(world: SessionWorld, job: Job) -> None:
    secret = world.ticket(job)
    world.row(job, stop=StopCause.STOPPED)
    assert world.admitting.enter(job.uuid, secret) is None


def test_what_is_not_open_cannot_be_opened(world: SessionWorld) -> None:
    job = world.start()
    with pytest.raises(Conflict):
        world.ticket(job)
    world.opened(job)
    secret = world.enter(job)
    world.move(job, state=JobState.COMPLETING)
    assert world.admit(job, secret) is Refusal.NOT_OPEN
    with pytest.raises(Conflict):
        world.ticket(job)


@pytest.mark.parametrize("kind", [kind for kind in TokenKind if kind is not TokenKind.LOGIN])
def test_sessions_are_opened_after_a_login_alone(world: SessionWorld, job: Job, kind: TokenKind) -> None:
    """Not by a personal token, not by a service account, not by who looks as somebody else for support."""
    token = world.logins["alice"].model_copy(update={"kind": kind})
    with pytest.raises(Refused, match="after a login"):
        world.ticket(job, login=token)


def test_a_personal_token_of_ones_own_is_no_login(world: SessionWorld, job: Job) -> None:
    _, token = world.login.personal_token(ALICE, "program", list(Scope), timedelta(days=1))
    with pytest.raises(Refused, match="after a login"):
        world.ticket(job, login=token)


# rights ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("person", [BOB, ADMIN])
def test_a_stranger_learns_nothing_and_an_administrator_has_no_silent_way_in(
    world: SessionWorld, job: Job, person: Person
) -> None:
    for mode in SessionMode:
        with pytest.raises(NotFound):
            world.ticket(job, person, mode, world.logins["bob"])
    with pytest.raises(NotFound):
        world.ticket(job.model_copy(update={"id": 999}), person, login=world.logins["bob"])


def test_who_may_look_may_not_use(world: SessionWorld, job: Job) -> None:
    world.grant(job, Action.READ, BOB)
    with pytest.raises(Refused, match="no grant to write"):
        world.ticket(job, BOB, USE)
    secret = world.enter(job, BOB, VIEW)
    found = world.admit(job, secret)
    assert isinstance(found, Admission) and (found.mode, found.username) == (VIEW, "bob")


def test_who_may_use_may_look(world: SessionWorld, job: Job) -> None:
    world.grant(job, Action.WRITE, BOB)
    for mode in SessionMode:
        found = world.admit(job, world.enter(job, BOB, mode))
        assert isinstance(found, Admission) and found.mode is mode


def test_an_app_that_cannot_show_itself_is_not_looked_at(world: SessionWorld, job: Job) -> None:
    assert job.spec.app is not None
    blind = job.spec.app.model_copy(update={"view": False})
    spec = job.spec.model_copy(update={"app": blind})
    world.grant(job, Action.WRITE, BOB)
    found = world.store.session(job.id)
    assert found is not None
    world.store.session = lambda _id: (found[0].model_copy(update={"spec": spec}), found[1])  # type: ignore[method-assign]
    with pytest.raises(Refused, match="cannot show itself"):
        world.ticket(job, BOB, VIEW)
    assert world.ticket(job, BOB, USE)


def test_a_grant_that_is_over_ends_the_pass(world: SessionWorld, job: Job) -> None:
    world.grant(job, Action.WRITE, BOB, world.clock.now() + 60 * SECOND)
    secret = world.enter(job, BOB)
    assert isinstance(world.admit(job, secret), Admission) and over(world) == []
    world.clock.advance(60)
    assert world.admit(job, secret) is Refusal.NOT_YOURS
    assert len(over(world)) == 1
    with pytest.raises(NotFound):
        world.ticket(job, BOB)


def test_a_grant_that_is_withdrawn_ends_the_pass_at_once_and_no_other(world: SessionWorld, job: Job) -> None:
    for person in (BOB, CAROL):
        world.grant(job, Action.WRITE, person)
    mine, bobs, carols = world.enter(job), world.enter(job, BOB), world.enter(job, CAROL)
    world.revoke(job)
    world.grant(job, Action.WRITE, CAROL)
    assert world.admit(job, bobs) is Refusal.NOT_YOURS
    assert isinstance(world.admit(job, mine), Admission) and isinstance(world.admit(job, carols), Admission)
    assert over(world) == [2]


def test_who_may_only_look_now_is_no_longer_in_to_use(world: SessionWorld, job: Job) -> None:
    world.grant(job, Action.WRITE, BOB)
    use, view = world.enter(job, BOB), world.enter(job, BOB, VIEW)
    world.revoke(job)
    world.grant(job, Action.READ, BOB)
    assert world.admit(job, use) is Refusal.NOT_YOURS
    assert isinstance(world.admit(job, view), Admission)
    assert over(world) == [1]


# logins ------------------------------------------------------------------------------------------------
def test_a_logout_ends_the_passes_of_that_login_and_of_no_other(world: SessionWorld, job: Job) -> None:
    second = world.log_in(ALICE)
    one = world.enter(job)
    entered = world.admitting.enter(job.uuid, world.ticket(job, login=second))
    assert entered is not None
    world.login.logout(world.logins["alice"])
    assert world.admit(job, one) is Refusal.NO_PASS
    assert isinstance(world.admit(job, entered.secret), Admission)
    assert over(world) == [1]
    world.admitting.close([1])
    assert over(world) == []


def test_a_login_whose_time_is_over_takes_its_passes_along(world: SessionWorld, job: Job) -> None:
    secret = world.enter(job)
    world.clock.advance(25 * 3600)
    assert world.admit(job, secret) is Refusal.NO_PASS
    assert over(world) == [1]


def test_a_click_before_the_logout_is_nothing_after_it(world: SessionWorld, job: Job) -> None:
    secret = world.ticket(job)
    world.login.logout(world.logins["alice"])
    assert world.admitting.enter(job.uuid, secret) is None


@pytest.mark.parametrize("person", [ALICE, BOB])
def test_who_is_gone_from_the_directory_is_out(world: SessionWorld, job: Job, person: Person) -> None:
    """The owner too: a pass is good as long as its login would be."""
    world.grant(job, Action.WRITE, BOB)
    secret, token = world.enter(job, person), world.logins[person.username]
    del world.people.people[person.username]
    assert isinstance(world.admit(job, secret), Admission), "the directory was asked a moment ago"
    world.clock.advance(REFRESH.total_seconds())
    assert world.login.person(token.username) is None
    assert world.admit(job, secret) is Refusal.NOT_YOURS
    assert over(world) == [1]


def test_who_left_a_group_of_the_directory_loses_what_it_was_granted(world: SessionWorld) -> None:
    job, astro = world.opened(world.start(BOB)), Subject(kind="group", name="astro")
    given = grant(Action.WRITE, "session", str(job.id), astro, granted_by="bob")
    world.store.add_grants([given], world.clock.now())
    secret = world.enter(job)
    assert isinstance(world.admit(job, secret), Admission)
    world.people.people["alice"] = ALICE.model_copy(update={"groups": frozenset()})
    world.clock.advance(REFRESH.total_seconds())
    assert world.admit(job, secret) is Refusal.NOT_YOURS


def test_a_directory_that_is_away_turns_nobody_out(world: SessionWorld, job: Job) -> None:
    secret = world.enter(job)
    world.people.down = True
    world.clock.advance(REFRESH.total_seconds())
    assert isinstance(world.admit(job, secret), Admission)
    assert over(world) == []


# browsers ------------------------------------------------------------------------------------------------
OTHER, PORTAL = "https://y.sessions.test", "https://portal.test"
NAVIGATE = {"mode": "navigate", "dest": "document"}
FRAME = {"mode": "navigate", "dest": "iframe"}
YES, NO = True, False

BROWSERS: list[tuple[str, bool, dict[str, object]]] = [
    # navigation
    ("a link of its own", YES, {"site": "same-origin", **NAVIGATE}),
    ("the address typed, or a bookmark", YES, {"site": "none", **NAVIGATE}),
    ("the portal's redirect or link: of one site", YES, {"site": "same-site", **NAVIGATE}),
    ("a link in a mail or wiki", YES, {"site": "cross-site", **NAVIGATE}),
    # frames and parts of foreign pages
    ("its own frame", YES, {"site": "same-origin", **FRAME}),
    ("a frame of another session", NO, {"site": "same-site", **FRAME}),
    ("a frame of a stranger's page", NO, {"site": "cross-site", **FRAME}),
    ("an object of a foreign page", NO, {"site": "same-site", "mode": "navigate", "dest": "object"}),
    ("an embed of a foreign page", NO, {"site": "same-site", "mode": "navigate", "dest": "embed"}),
    ("its own picture", YES, {"site": "same-origin", "mode": "no-cors", "dest": "image"}),
    ("its picture in another session", NO, {"site": "same-site", "mode": "no-cors", "dest": "image"}),
    ("its script in another session: its data", NO, {"site": "same-site", "dest": "script"}),
    # fetch
    ("its own fetch", YES, {"site": "same-origin", "mode": "cors", "dest": "empty"}),
    ("its own POST", YES, {"site": "same-origin", "mode": "cors", "origin": ORIGIN, "method": "POST"}),
    ("its own DELETE", YES, {"site": "same-origin", "origin": ORIGIN, "method": "DELETE"}),
    ("another session's fetch", NO, {"site": "same-site", "mode": "cors", "origin": OTHER}),
    ("another session's fetch without an answer", NO, {"site": "same-site", "dest": "empty"}),
    ("another session's POST", NO, {"site": "same-site", "origin": OTHER, "method": "POST"}),
    ("the portal's own page: it is hosted beside, not trusted", NO, {"site": "cross-site", "origin": PORTAL}),
    ("a page that hides its origin", NO, {"site": "cross-site", "origin": "null", "method": "POST"}),
    ("a sandboxed frame's fetch", NO, {"site": "cross-site", "mode": "cors", "origin": "null"}),
    ("the same name by http", NO, {"origin": ORIGIN.replace("https", "http"), "method": "POST"}),
    ("the same name at another port", NO, {"origin": f"{ORIGIN}:8443", "method": "POST"}),
    ("a name that begins alike", NO, {"origin": f"{ORIGIN}.evil.test", "method": "POST"}),
    # forms
    ("a form of its own", YES, {"site": "same-origin", **NAVIGATE, "origin": ORIGIN, "method": "POST"}),
    ("a form of another session", NO, {"site": "same-site", **NAVIGATE, "origin": OTHER, "method": "POST"}),
    ("a foreign form that hides its origin", NO, {"site": "cross-site", **NAVIGATE, "method": "POST"}),
    # WebSockets: browsers send Origin with each, and no cookie rule keeps sessions apart
    ("its own WebSocket", YES, {"site": "same-origin", "origin": ORIGIN, "upgrade": True}),
    ("its own, of a browser without Sec-Fetch", YES, {"origin": ORIGIN, "upgrade": True}),
    ("another session's WebSocket", NO, {"site": "same-site", "origin": OTHER, "upgrade": True}),
    ("a stranger's WebSocket", NO, {"site": "cross-site", "origin": "https://evil.test", "upgrade": True}),
    ("a WebSocket of no page", NO, {"upgrade": True}),
    ("a WebSocket of a sandboxed frame", NO, {"origin": "null", "upgrade": True}),
    # headers that are not there
    ("a browser without Sec-Fetch reads", YES, {}),
    ("a browser without Sec-Fetch, HEAD", YES, {"method": "HEAD"}),
    ("a browser without Sec-Fetch changes, and says from where", YES, {"origin": ORIGIN, "method": "PUT"}),
    ("what changes something and says not from where", NO, {"method": "POST"}),
    ("what changes something and says same-origin alone", NO, {"site": "same-origin", "method": "PUT"}),
    ("no method at all: nginx says it always", NO, {"method": ""}),
    ("a method in small letters is another one", NO, {"method": "get"}),
    ("OPTIONS from elsewhere: no answer to who asks before", NO, {"origin": OTHER, "method": "OPTIONS"}),
    ("a word that browsers do not say", NO, {"site": "same-planet", "mode": "cors", "dest": "empty"}),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "allowed", "said"), BROWSERS, ids=[row[0] for row in BROWSERS])
def test_where_a_request_comes_from(
    world: SessionWorld, job: Job, reason: str, allowed: bool, said: dict[str, object]
) -> None:
    found = world.admit(job, world.enter(job), Incoming(**said))  # type: ignore[arg-type]
    assert isinstance(found, Admission) is allowed, reason
    assert allowed or found is Refusal.CROSS_ORIGIN


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Refusal.NO_PASS, 401),
        (Refusal.NOT_YOURS, 403),
        (Refusal.NOT_OPEN, 403),
        (Refusal.CROSS_ORIGIN, 403),
    ],
)
def test_nginx_is_answered_in_statuses_it_takes(refusal: Refusal, status: int) -> None:
    assert refusal.status == status


# logs ------------------------------------------------------------------------------------------------
def test_no_log_holds_a_ticket_or_a_pass(world: SessionWorld, job: Job) -> None:
    world.grant(job, Action.WRITE, BOB)
    with capture_logs() as entries:
        used, wasted, bobs = world.ticket(job), world.ticket(job), world.ticket(job, BOB)
        secrets = [used, wasted, bobs]
        for secret in secrets[:1] * 2:
            entered = world.admitting.enter(job.uuid, secret)
            secrets += [entered.secret] if entered else []
        entered = world.admitting.enter(job.uuid, bobs)
        assert entered is not None
        secrets.append(entered.secret)
        world.revoke(job)
        for secret in secrets:
            for incoming in (Incoming(), Incoming(origin=OTHER)):
                world.admit(job, secret, incoming)
    assert entries, "this would see nothing"
    assert not [one for one in entries for secret in secrets if secret in repr(one)]


def test_a_login_of_somebody_else_is_none(world: SessionWorld, job: Job) -> None:
    bobs: Token = world.logins["bob"]
    secret = world.ticket(job, ALICE, login=bobs)
    assert world.admitting.enter(job.uuid, secret) is None
