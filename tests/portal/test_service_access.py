"""Which routes a service account's token opens: all of them are tried, with every kind of token of one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sciserver_hpc.domain.access import Action, Resource, Subject, SubjectKind
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.service_accounts import SCOPES
from sciserver_hpc.domain.tokens import Scope

from .house import PEOPLE, House
from .test_authorization import ANY, GROUP, GUARDED, OWN, PAGES, TABLE, Groups, call, job_of

ACCOUNT = Subject(kind=SubjectKind.SERVICE, name="ci")
LISTS = {
    "groups",
    "public",
    "invitations",
    "people",
    "domains",
    "images",
    "volumes",
    "jobs",
    "mine",
    "explain",
}
EXPECTED: dict[str, int] = {
    **{f"GET /api/v1/jobs/<int:job_id>/{what}": 409 for what in ("tasks", "table", "table.csv")},  # no array
    "GET /api/v1/sessions/<int:job_id>": 404,
    "POST /api/v1/groups": 403,
    "PATCH /api/v1/groups/<name>": 403,
    "DELETE /api/v1/groups/<name>": 403,
    "GET /api/v1/groups/<name>/invitations": 403,
    "POST /api/v1/groups/<name>/invite": 403,
    "POST /api/v1/groups/<name>/withdraw": 403,
    "POST /api/v1/groups/<name>/decline": 409,
    "POST /api/v1/groups/<name>/remove": 403,
    "POST /api/v1/groups/<name>/role": 403,
    "POST /api/v1/groups/<name>/transfer": 403,
    "POST /api/v1/groups/<name>/unix": 403,
    "GET /api/v1/grants/applied": 404,
    "DELETE /api/v1/grants/<int:grant_id>": 404,
}
"""What a plain member does not get, who may give the image on and read a job; all else is 2xx."""

FOR_PEOPLE = {Scope.JOBS_WRITE, Scope.FILES_WRITE}
MADE = [route for route in GUARDED if TABLE[route] in set(SCOPES) | {ANY}]


class Program:
    """Service account `ci` of alice, member of her group, in the world of `Groups`."""

    def __init__(self, house: House) -> None:
        self.house, self.known = house, house.services.service_accounts
        Groups(house)
        self.alice = Asker(PEOPLE["alice"])
        self.known.create(self.alice, "ci", "Nightly")
        assert house.services.groups.invite(self.alice, GROUP, ACCOUNT).counts
        image = Resource(kind="image", name="python")
        root1 = Asker(Person(username="root1", uid=2006, gid=2006, admin=True))
        house.services.sharing.give(root1, image, ACCOUNT, [Action.USE, Action.GRANT])
        self.job = job_of(house, "alice")
        job = Resource(kind="job", name=str(self.job))
        house.services.sharing.give(self.alice, job, ACCOUNT, [Action.READ])

    def token(self, *scopes: Scope, days: int = 1) -> str:
        return self.known.make_token(self.alice, "ci", "test", scopes, timedelta(days=days))[0]

    def call(self, route: str, secret: str) -> Any:
        return call(self.house, route, secret, self.job)


@pytest.fixture
def program(house: House) -> Program:
    return Program(house)


@pytest.mark.parametrize("route", MADE)
def test_a_service_token_of_the_right_scope_does_what_a_plain_member_may(
    program: Program, route: str
) -> None:
    scopes = SCOPES if TABLE[route] == ANY else [Scope(TABLE[route])]
    answer = program.call(route, program.token(*scopes))
    wanted = EXPECTED.get(route)
    assert answer.status_code == wanted if wanted else answer.status_code in (200, 201, 204), answer.text


@pytest.mark.parametrize("route", [r for r in GUARDED if TABLE[r] in FOR_PEOPLE])
def test_nothing_runs_as_a_service_account(program: Program, route: str) -> None:
    answer = program.call(route, program.token(*SCOPES))
    assert answer.status_code == 403 and TABLE[route] in answer.json["error"]["message"]


@pytest.mark.parametrize("route", [r for r in MADE if TABLE[r] != ANY])
def test_a_service_token_of_other_scopes_is_refused(program: Program, route: str) -> None:
    answer = program.call(route, program.token(*set(SCOPES) - {Scope(TABLE[route])}))
    assert answer.status_code == 403 and TABLE[route] in answer.json["error"]["message"]


@pytest.mark.parametrize("route", [r for r in GUARDED if TABLE[r] == OWN])
def test_a_service_token_makes_and_manages_no_tokens(program: Program, route: str) -> None:
    answer = program.call(route, program.token(*SCOPES))
    assert answer.status_code == 403 and "after a login" in answer.json["error"]["message"]


@pytest.mark.parametrize("route", PAGES)
def test_pages_are_not_for_service_accounts(program: Program, route: str) -> None:
    secret = program.token(*SCOPES)
    assert program.call(route, secret).status_code == 401
    client = program.house.app.test_client()
    client.set_cookie("__Host-login", secret, domain="localhost", secure=True)
    assert client.get("/me", base_url="https://localhost").status_code == 302


def _expired(program: Program) -> None:
    program.house.clock.advance(86_401)


def _disabled(program: Program) -> None:
    program.known.disable(program.alice, "ci")


def _deleted(program: Program) -> None:
    program.known.delete(program.alice, "ci")


def _revoked(program: Program) -> None:
    program.known.revoke(program.alice, "ci", program.known.tokens(PEOPLE["alice"], "ci")[0].id)


def _rotated(program: Program) -> None:
    known = program.known
    known.rotate(program.alice, "ci", known.tokens(PEOPLE["alice"], "ci")[0].id, timedelta(days=1))


def _owner_gone(program: Program) -> None:
    program.house.people.remove("alice")
    program.house.clock.advance(15 * 60)


@pytest.mark.parametrize("over", [_expired, _disabled, _deleted, _revoked, _rotated, _owner_gone])
def test_a_token_that_is_over_is_nobody_at_every_route(program: Program, over: Any) -> None:
    secret = program.token(*SCOPES)
    assert program.call("GET /api/v1/me", secret).status_code == 200
    over(program)
    assert {route: program.call(route, secret).status_code for route in GUARDED} == {
        route: 302 if route in PAGES else 401 for route in GUARDED
    }
