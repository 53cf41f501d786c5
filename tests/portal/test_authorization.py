"""Who may use what: every route has a line in the table, and the table is tried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.tokens import Scope

from .house import PEOPLE, URL, House, shell

PUBLIC, PAGE, OWN_PAGE, OWN = "public", "page", "page of one's own login", "own login"
ANY = "any token"

TABLE: dict[str, str] = {
    "GET /static/<path:filename>": PUBLIC,
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /login": PUBLIC,
    "POST /login": PUBLIC,
    "POST /logout": PAGE,
    "GET /": PAGE,
    "GET /jobs": PAGE,
    "POST /jobs/cancel": PAGE,
    "GET /jobs/new": PAGE,
    "POST /jobs/new": PAGE,
    "GET /jobs/<int:job_id>": PAGE,
    "GET /jobs/<int:job_id>/log": PAGE,
    "GET /jobs/<int:job_id>/script": PAGE,
    "GET /jobs/<int:job_id>/provenance": PAGE,
    "GET /jobs/<int:job_id>/results": PAGE,
    "GET /jobs/<int:job_id>/download": PAGE,
    "GET /jobs/<int:job_id>/image": PAGE,
    "GET /jobs/<int:job_id>/render": PAGE,
    "POST /jobs/<int:job_id>/cancel": PAGE,
    "POST /jobs/<int:job_id>/again": PAGE,
    "GET /me": OWN_PAGE,
    "POST /me/tokens": OWN_PAGE,
    "POST /me/tokens/<int:token_id>/revoke": OWN_PAGE,
    "POST /api/v1/login": PUBLIC,
    "POST /api/v1/jobs/claim": PUBLIC,
    "GET /api/v1/openapi.json": PUBLIC,
    "POST /api/v1/logout": ANY,
    "GET /api/v1/me": ANY,
    "GET /api/v1/tokens": OWN,
    "POST /api/v1/tokens": OWN,
    "DELETE /api/v1/tokens/<int:token_id>": OWN,
    "GET /api/v1/domains": Scope.JOBS_READ,
    "GET /api/v1/images": Scope.JOBS_READ,
    "GET /api/v1/volumes": Scope.JOBS_READ,
    "GET /api/v1/jobs": Scope.JOBS_READ,
    "POST /api/v1/jobs": Scope.JOBS_WRITE,
    "POST /api/v1/jobs/batch": Scope.JOBS_WRITE,
    "GET /api/v1/jobs/<int:job_id>": Scope.JOBS_READ,
    "GET /api/v1/jobs/<int:job_id>/events": Scope.JOBS_READ,
    "GET /api/v1/jobs/<int:job_id>/script": Scope.JOBS_READ,
    "GET /api/v1/jobs/<int:job_id>/log": Scope.JOBS_READ,
    "POST /api/v1/jobs/<int:job_id>/cancel": Scope.JOBS_WRITE,
    "GET /api/v1/jobs/<int:job_id>/files": Scope.FILES_READ,
    "GET /api/v1/jobs/<int:job_id>/files/content": Scope.FILES_READ,
}
BODIES = {"POST /api/v1/jobs": shell(), "POST /api/v1/jobs/batch": {"jobs": [shell()]}}
ROUTES = sorted(TABLE)
GUARDED = [route for route in ROUTES if TABLE[route] != PUBLIC]
PAGES = [route for route in GUARDED if "page" in TABLE[route]]
SCOPED = [route for route in GUARDED if TABLE[route] in set(Scope)]
OF_A_JOB = [route for route in ROUTES if "job_id" in route]


def call(house: House, route: str, secret: str | None = None, job_id: int = 1) -> Any:
    """Send the request of `route`, as a program with `secret` where given."""
    method, _, rule = route.partition(" ")
    path = rule.replace("<int:job_id>", str(job_id)).replace("<int:token_id>", "1")
    path = path.replace("<path:filename>", "portal.css")
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    body = BODIES.get(route)
    query = {"path": "stdout.txt"} if rule.endswith(("content", "download", "image", "render")) else None
    client = house.app.test_client()
    return client.open(path, method=method, base_url=URL, headers=headers, json=body, query_string=query)


def job_of(house: House, username: str) -> int:
    number = house.services.jobs.submit(PEOPLE[username], JobRequest(kind="shell", command="hostname"))[0].id
    house.write(number, "stdout.txt", b"secret result")
    return number


def test_every_route_stands_in_the_table(house: House) -> None:
    rules = house.app.url_map.iter_rules()
    there = {
        f"{method} {rule.rule}" for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert there == set(TABLE)


@pytest.mark.parametrize("route", GUARDED)
def test_nobody_gets_nothing(house: House, route: str) -> None:
    answer = call(house, route)
    if route in PAGES:
        assert answer.headers["Location"].startswith("/login")
    else:
        assert (answer.status_code, answer.json["error"]["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("route", GUARDED)
@pytest.mark.parametrize("secret", ["", "sht_" + "x" * 43, "gibberish", "sht_é"])
def test_a_wrong_token_is_nobody(house: House, route: str, secret: str) -> None:
    assert call(house, route, secret or "x").status_code in (401, 302)


@pytest.mark.parametrize("route", GUARDED)
def test_an_expired_token_is_nobody(house: House, route: str) -> None:
    secret = house.personal("alice", *Scope, lifetime=timedelta(minutes=5))
    house.clock.advance(301)
    assert call(house, route, secret).status_code in (401, 302)


@pytest.mark.parametrize("route", SCOPED)
def test_a_token_of_other_scopes_is_refused(house: House, route: str) -> None:
    others = set(Scope) - {Scope(TABLE[route])}
    answer = call(house, route, house.personal("alice", *others), job_of(house, "alice"))
    assert answer.status_code == 403
    assert TABLE[route] in answer.json["error"]["message"]


@pytest.mark.parametrize("route", SCOPED)
def test_a_token_of_the_right_scope_will_do(house: House, route: str) -> None:
    secret = house.personal("alice", Scope(TABLE[route]))
    assert call(house, route, secret, job_of(house, "alice")).status_code in (200, 201)


@pytest.mark.parametrize("route", [r for r in GUARDED if TABLE[r] == OWN])
def test_a_personal_token_makes_no_tokens(house: House, route: str) -> None:
    assert call(house, route, house.personal("alice", *Scope)).status_code == 403


@pytest.mark.parametrize("route", PAGES)
def test_pages_are_not_for_bearers(house: House, route: str) -> None:
    assert call(house, route, house.token("alice"), job_of(house, "alice")).status_code == 401


@pytest.mark.parametrize("route", OF_A_JOB)
def test_a_stranger_does_not_learn_that_the_job_exists(house: House, route: str) -> None:
    number = job_of(house, "alice")
    if route in PAGES:
        bob = house.browser("bob")
        there, nowhere = (_as_browser(bob, route, at) for at in (number, 999))
    else:
        secret = house.token("bob")
        there, nowhere = (call(house, route, secret, at) for at in (number, 999))
    assert there.status_code == nowhere.status_code == 404
    assert b"secret result" not in there.data


def _as_browser(browser: Any, route: str, job_id: int) -> Any:
    method, _, rule = route.partition(" ")
    path = rule.replace("<int:job_id>", str(job_id))
    return browser.get(f"{path}?path=stdout.txt") if method == "GET" else browser.post(path)


def test_a_stranger_cancels_nothing_in_bulk(house: House) -> None:
    number = job_of(house, "alice")
    assert house.browser("bob").post("/jobs/cancel", {"job": str(number)}).status_code == 403
    stored = house.store.job(number)
    assert stored is not None and not stored.cancel_requested


def test_a_stranger_revokes_nothing(house: House) -> None:
    secret = house.token("alice")
    row = house.services.login.tokens(PEOPLE["alice"])[0]
    house.browser("bob").post(f"/me/tokens/{row.id}/revoke")
    assert house.services.login.resolve(secret) is not None
