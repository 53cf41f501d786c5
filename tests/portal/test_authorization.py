"""Who may use what: every route has a line in the table, and the table is tried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sciserver_hpc.domain.access import THE_SITE, Action, Resource, Subject
from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.groups import Accessibility, Role
from sciserver_hpc.domain.jobs import JobRequest, Usage
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tasks import Task
from sciserver_hpc.domain.tokens import Scope

from .house import PASSWORD, PEOPLE, URL, House, shell

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
    "GET /jobs/<int:job_id>/tasks": PAGE,
    "GET /jobs/<int:job_id>/table": PAGE,
    "GET /jobs/<int:job_id>/table.csv": PAGE,
    "POST /jobs/<int:job_id>/retry": PAGE,
    "POST /jobs/<int:job_id>/cancel": PAGE,
    "POST /jobs/<int:job_id>/again": PAGE,
    "GET /sessions": PAGE,
    "GET /sessions/new": PAGE,
    "GET /sessions/new/<app>": PAGE,
    "POST /sessions/new/<app>": PAGE,
    "POST /sessions/new/<app>/last": PAGE,
    "GET /sessions/apps/<app>/icon.svg": PAGE,
    "GET /sessions/at/<uuid>": PAGE,
    "GET /sessions/<int:job_id>": PAGE,
    "POST /sessions/<int:job_id>/open": OWN_PAGE,
    "POST /sessions/<int:job_id>/extend": PAGE,
    "POST /sessions/<int:job_id>/stop": PAGE,
    "POST /sessions/strays/<uuid>/take-back": PAGE,
    "POST /sessions/strays/<uuid>/stop": PAGE,
    "POST /sessions/<int:job_id>/again": PAGE,
    "POST /sessions/<int:job_id>/forget": PAGE,
    "GET /.sciserver/auth": PUBLIC,
    "POST /.sciserver/enter": PUBLIC,
    "GET /volumes": PAGE,
    "GET /groups": PAGE,
    "GET /new/group": PAGE,
    "POST /new/group": PAGE,
    "GET /groups/<name>": PAGE,
    "POST /groups/<name>/describe": PAGE,
    "POST /groups/<name>/invite": PAGE,
    "POST /groups/<name>/withdraw": PAGE,
    "POST /groups/<name>/accept": PAGE,
    "POST /groups/<name>/decline": PAGE,
    "POST /groups/<name>/join": PAGE,
    "POST /groups/<name>/leave": PAGE,
    "POST /groups/<name>/remove": PAGE,
    "POST /groups/<name>/role": PAGE,
    "POST /groups/<name>/transfer": PAGE,
    "POST /groups/<name>/unix": PAGE,
    "POST /groups/<name>/delete": PAGE,
    "GET /sharing": PAGE,
    "GET /sharing/mine": PAGE,
    "GET /sharing/site": PAGE,
    "POST /sharing/<int:share_id>/revoke": PAGE,
    "GET /share/<kind>/<path:name>": PAGE,
    "POST /share/<kind>/<path:name>": PAGE,
    "GET /why": PAGE,
    "GET /audit": PAGE,
    "GET /audit/export": PAGE,
    "GET /admin": OWN_PAGE,
    "GET /admin/people": OWN_PAGE,
    "GET /admin/export": OWN_PAGE,
    "GET /admin/<section>": OWN_PAGE,
    "GET /admin/new/<section>": OWN_PAGE,
    "POST /admin/new/<section>": OWN_PAGE,
    "GET /admin/<section>/<path:name>": OWN_PAGE,
    "POST /admin/<section>/<path:name>": OWN_PAGE,
    "GET /support": OWN_PAGE,
    "POST /support": OWN_PAGE,
    "POST /support/end": PAGE,
    "GET /me": OWN_PAGE,
    "POST /me/tokens": OWN_PAGE,
    "POST /me/tokens/<int:token_id>/revoke": OWN_PAGE,
    "GET /me/notifications": OWN_PAGE,
    "POST /me/notifications": OWN_PAGE,
    "POST /me/notifications/secret": OWN_PAGE,
    "POST /me/notifications/test": OWN_PAGE,
    "GET /new/service-account": OWN_PAGE,
    "POST /new/service-account": OWN_PAGE,
    "GET /service-accounts/<name>": OWN_PAGE,
    "POST /service-accounts/<name>/describe": OWN_PAGE,
    "POST /service-accounts/<name>/disable": OWN_PAGE,
    "POST /service-accounts/<name>/enable": OWN_PAGE,
    "POST /service-accounts/<name>/delete": OWN_PAGE,
    "POST /service-accounts/<name>/tokens": OWN_PAGE,
    "POST /service-accounts/<name>/tokens/<int:token_id>/rotate": OWN_PAGE,
    "POST /service-accounts/<name>/tokens/<int:token_id>/revoke": OWN_PAGE,
    "POST /api/v1/login": PUBLIC,
    "POST /api/v1/jobs/claim": PUBLIC,
    "GET /api/v1/openapi.json": PUBLIC,
    "POST /api/v1/logout": ANY,
    "GET /api/v1/me": ANY,
    "GET /api/v1/tokens": OWN,
    "POST /api/v1/tokens": OWN,
    "DELETE /api/v1/tokens/<int:token_id>": OWN,
    "GET /api/v1/me/notifications": OWN,
    "PUT /api/v1/me/notifications": OWN,
    "POST /api/v1/me/notifications/test": OWN,
    "POST /api/v1/support": OWN,
    "DELETE /api/v1/support": OWN,
    "GET /api/v1/service-accounts": OWN,
    "POST /api/v1/service-accounts": OWN,
    "GET /api/v1/service-accounts/<name>": OWN,
    "PATCH /api/v1/service-accounts/<name>": OWN,
    "DELETE /api/v1/service-accounts/<name>": OWN,
    "GET /api/v1/service-accounts/<name>/tokens": OWN,
    "POST /api/v1/service-accounts/<name>/tokens": OWN,
    "POST /api/v1/service-accounts/<name>/tokens/<int:token_id>/rotate": OWN,
    "DELETE /api/v1/service-accounts/<name>/tokens/<int:token_id>": OWN,
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
    "GET /api/v1/jobs/<int:job_id>/tasks": Scope.JOBS_READ,
    "POST /api/v1/jobs/<int:job_id>/retry": Scope.JOBS_WRITE,
    "GET /api/v1/jobs/<int:job_id>/table": Scope.FILES_READ,
    "GET /api/v1/jobs/<int:job_id>/table.csv": Scope.FILES_READ,
    "GET /api/v1/apps": Scope.JOBS_READ,
    "GET /api/v1/sessions": Scope.JOBS_READ,
    "POST /api/v1/sessions": Scope.JOBS_WRITE,
    "POST /api/v1/sessions/ready": PUBLIC,
    "GET /api/v1/sessions/<int:job_id>": Scope.JOBS_READ,
    "POST /api/v1/sessions/<int:job_id>/stop": Scope.JOBS_WRITE,
    "POST /api/v1/sessions/strays/<uuid>/take-back": Scope.JOBS_WRITE,
    "POST /api/v1/sessions/strays/<uuid>/stop": Scope.JOBS_WRITE,
    "POST /api/v1/sessions/<int:job_id>/extend": Scope.JOBS_WRITE,
    "POST /api/v1/sessions/<int:job_id>/again": Scope.JOBS_WRITE,
    "POST /api/v1/sessions/<int:job_id>/forget": Scope.JOBS_WRITE,
    "GET /api/v1/groups": Scope.GROUPS_READ,
    "GET /api/v1/groups/public": Scope.GROUPS_READ,
    "POST /api/v1/groups": Scope.GROUPS_WRITE,
    "GET /api/v1/groups/<name>": Scope.GROUPS_READ,
    "PATCH /api/v1/groups/<name>": Scope.GROUPS_WRITE,
    "DELETE /api/v1/groups/<name>": Scope.GROUPS_WRITE,
    "GET /api/v1/groups/<name>/members": Scope.GROUPS_READ,
    "GET /api/v1/groups/<name>/invitations": Scope.GROUPS_READ,
    "GET /api/v1/invitations": Scope.GROUPS_READ,
    "POST /api/v1/groups/<name>/invite": Scope.GROUPS_WRITE,
    "POST /api/v1/groups/<name>/withdraw": Scope.GROUPS_WRITE,
    "POST /api/v1/groups/<name>/accept": Scope.GROUPS_WRITE,
    "POST /api/v1/groups/<name>/decline": Scope.GROUPS_WRITE,
    "POST /api/v1/groups/<name>/join": Scope.GROUPS_WRITE,
    "POST /api/v1/groups/<name>/leave": Scope.GROUPS_WRITE,
    "POST /api/v1/groups/<name>/remove": Scope.GROUPS_WRITE,
    "POST /api/v1/groups/<name>/role": Scope.GROUPS_WRITE,
    "POST /api/v1/groups/<name>/transfer": Scope.GROUPS_WRITE,
    "GET /api/v1/groups/<name>/unix": Scope.GROUPS_READ,
    "POST /api/v1/groups/<name>/unix": Scope.GROUPS_WRITE,
    "GET /api/v1/people": Scope.GROUPS_READ,
    "POST /api/v1/grants": Scope.GRANTS_WRITE,
    "POST /api/v1/grants/revoke": Scope.GRANTS_WRITE,
    "DELETE /api/v1/grants/<int:grant_id>": Scope.GRANTS_WRITE,
    "GET /api/v1/grants": Scope.GRANTS_READ,
    "GET /api/v1/grants/applied": Scope.GRANTS_READ,
    "GET /api/v1/grants/mine": Scope.GRANTS_READ,
    "GET /api/v1/shared-with-me": Scope.GRANTS_READ,
    "GET /api/v1/usable": Scope.GRANTS_READ,
    "GET /api/v1/explain": Scope.GRANTS_READ,
    "GET /api/v1/audit": Scope.GRANTS_READ,
    "GET /api/v1/audit/export": Scope.GRANTS_READ,
    **{
        f"{verb} /api/v1/admin/{part}{rest}": OWN
        for part in ("domains", "images", "volumes", "roots", "limits")
        for verb, rest in (
            ("GET", ""),
            *((verb, "/<path:name>") for verb in ("GET", "PUT", "DELETE")),
            *([("POST", "/<name>/disable")] if part != "limits" else []),
        )
    },
    "GET /api/v1/admin/export": OWN,
    "GET /api/v1/jobs/<int:job_id>/files": Scope.FILES_READ,
    "GET /api/v1/jobs/<int:job_id>/files/content": Scope.FILES_READ,
}
ROUTES = sorted(TABLE)
GUARDED = [route for route in ROUTES if TABLE[route] != PUBLIC]
PAGES = [route for route in GUARDED if "page" in TABLE[route]]
SCOPED = [route for route in GUARDED if TABLE[route] in set(Scope)]
OF_A_JOB = [route for route in ROUTES if "job_id" in route]


GROUP = "survey"
IMAGE = {"kind": "image", "name": "python"}
DAVE, ERIN = ({"kind": "user", "name": name} for name in ("dave", "erin"))
TO_ERIN = {"resource": IMAGE, "subject": ERIN, "actions": ["use"]}
BODIES: dict[str, Any] = {
    "POST /api/v1/jobs": shell(),
    "POST /api/v1/jobs/batch": {"jobs": [shell()]},
    "POST /api/v1/sessions": {"app": "lab"},
    "POST /api/v1/sessions/<int:job_id>/extend": {"minutes": 30},
    "POST /api/v1/groups": {"name": "another"},
    "PATCH /api/v1/groups/<name>": {"description": "new"},
    "POST /api/v1/groups/<name>/invite": {"member": ERIN},
    "POST /api/v1/groups/<name>/withdraw": {"member": DAVE},
    "POST /api/v1/groups/<name>/remove": {"member": {"kind": "group", "name": "astro"}},
    "POST /api/v1/groups/<name>/role": {"member": {"kind": "user", "name": "carol"}, "role": "admin"},
    "POST /api/v1/groups/<name>/transfer": {"member": {"kind": "user", "name": "carol"}},
    "POST /api/v1/groups/<name>/unix": {"on": True},
    "POST /api/v1/grants": TO_ERIN,
    "POST /api/v1/grants/revoke": {"resource": IMAGE, "subject": ERIN},
}
QUERIES = {
    "GET /api/v1/people": {"prefix": "ali"},
    "GET /api/v1/grants": {"resource": "image:python"},
    "GET /api/v1/grants/applied": {"resource": "user_volume:Storage/alice/shared"},
    "GET /api/v1/explain": {"action": "use", "resource": "image:python"},
}


def call(
    house: House,
    route: str,
    secret: str | None = None,
    job_id: int = 1,
    name: str = GROUP,
    body: Any = None,
) -> Any:
    """Send the request of `route`, as a program with `secret` where given."""
    method, _, rule = route.partition(" ")
    path = rule.replace("<int:job_id>", str(job_id)).replace("<int:token_id>", "1")
    path = path.replace("<path:filename>", "portal.css").replace("<kind>/<path:name>", "image/python")
    path = path.replace("<app>", "lab").replace("<uuid>", "0" * 32)
    path = path.replace("<section>", "domains").replace("<path:name>", "batch")
    path = path.replace("<name>", name).replace("<int:share_id>", "1").replace("<int:grant_id>", str(job_id))
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    body = body or BODIES.get(route)
    files = rule.endswith(("content", "download", "image", "render"))
    query = {"path": "stdout.txt"} if files else QUERIES.get(route)
    client = house.app.test_client()
    # Read to its end: a download that waits for the collector counts as a slow reader in later tests.
    return client.open(
        path, method=method, base_url=URL, headers=headers, json=body, query_string=query, buffered=True
    )


ACTS_AS = {"applied": "alice", "accept": "dave", "decline": "dave", "join": "erin", "leave": "carol"}
"""Who can do what only the one concerned can; everything else in a group its owner, alice, can."""


class Groups:
    """The public group survey: alice owns it, bob is admin, carol member, dave invited, astro in; erin is a
    stranger, root1 an administrator of the site. One more, `hidden`, is private, with the same people."""

    def __init__(self, house: House) -> None:
        self.house = house
        for number, name in enumerate(("carol", "dave", "erin", "root1"), 2003):
            person = Person(username=name, uid=number, gid=number, admin=name == "root1")
            house.people.add(person, PASSWORD)
            PEOPLE_HERE[name] = person
            house.store.remember_person(person)
        for name in ("alice", "bob"):
            house.store.remember_person(PEOPLE[name])
        for name, kind in ((GROUP, Accessibility.PUBLIC), ("hidden", Accessibility.PRIVATE)):
            self._fill(name, kind)
        house.store.add_user_volume("Storage", "alice", "shared", "")
        image = Resource(kind="image", name="python")
        house.services.sharing.give(Asker(PEOPLE_HERE["root1"]), image, member_named("carol"), [Action.USE])

    def _fill(self, name: str, kind: Accessibility) -> None:
        groups, alice = self.house.services.groups, Asker(PEOPLE["alice"])
        groups.create(alice, name, "", kind)
        for who, role in (("bob", Role.ADMIN), ("carol", Role.MEMBER), ("dave", Role.MEMBER)):
            groups.invite(alice, name, member_named(who), role)
            if who != "dave":
                groups.accept(Asker(PEOPLE_HERE[who]), name)
        groups.invite(alice, name, Subject(kind="group", name="astro"))

    def personal(self, who: str, *scopes: Scope) -> str:
        day = timedelta(days=1)
        return self.house.services.login.personal_token(PEOPLE_HERE[who], "test", scopes, day)[0]


PEOPLE_HERE = dict(PEOPLE)


def member_named(name: str) -> Subject:
    return Subject(kind="user", name=name)


def job_of(house: House, username: str, route: str = "") -> int:
    """A job of the person's; for a route of sessions one of these, in the state in which it works."""
    if "/sessions" in route:
        number = house.open_session(username)
        if route.endswith(("again", "forget")):
            house.move(number, JobState.CANCELLED, ended_at=house.clock.now())
        return number
    array = "0-1" if "/ta" in route or "/retry" in route else None
    asked = JobRequest(kind="shell", command="hostname", array=array)
    number = house.services.jobs.submit(PEOPLE[username], asked)[0].id
    if array:
        house.move(number, JobState.FAILED, ended_at=house.clock.now(), tasks={"FAILED": 2}, usage=Usage())
        house.store.keep_tasks([(number, [Task(index=0, state=JobState.FAILED)])])
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
    answer = call(house, route, house.personal("alice", *others), job_of(house, "alice", route))
    assert answer.status_code == 403
    assert TABLE[route] in answer.json["error"]["message"]


@pytest.mark.parametrize("route", SCOPED)
def test_a_token_of_the_right_scope_will_do(house: House, route: str) -> None:
    who = ACTS_AS.get(route.rpartition("/")[2], "root1" if "grants" in route else "alice")
    secret = Groups(house).personal(who, Scope(TABLE[route]))
    number = house.store.shares_by("root1")[0].id if "grant_id" in route else job_of(house, "alice", route)
    found = (404,) if "/strays/" in route else (200, 201, 204)  # nobody has lost a session here
    assert call(house, route, secret, number).status_code in found


@pytest.mark.parametrize("route", [r for r in GUARDED if TABLE[r] == OWN])
def test_a_personal_token_makes_no_tokens(house: House, route: str) -> None:
    assert call(house, route, house.personal("alice", *Scope)).status_code == 403


@pytest.mark.parametrize("route", PAGES)
def test_pages_are_not_for_bearers(house: House, route: str) -> None:
    assert call(house, route, house.token("alice"), job_of(house, "alice", route)).status_code == 401


@pytest.mark.parametrize("route", OF_A_JOB)
def test_a_stranger_does_not_learn_that_the_job_exists(house: House, route: str) -> None:
    number = job_of(house, "alice", route)
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


G = "/api/v1/groups/<name>"
STANDINGS = ("alice", "bob", "carol", "dave", "erin", "root1")
ALLOWED: dict[str, str] = {
    f"GET {G}": "alice bob carol dave erin root1",
    f"PATCH {G}": "alice bob root1",
    f"DELETE {G}": "alice root1",
    f"GET {G}/members": "alice bob carol root1",
    f"GET {G}/invitations": "alice bob root1",
    f"POST {G}/invite": "alice bob root1",
    f"POST {G}/withdraw": "alice bob root1",
    f"POST {G}/accept": "alice bob carol dave",
    f"POST {G}/decline": "dave",
    f"POST {G}/join": "alice bob carol dave erin root1",
    f"POST {G}/leave": "bob carol",
    f"POST {G}/remove": "alice bob root1",
    f"POST {G}/role": "alice bob root1",
    f"POST {G}/transfer": "alice root1",
    f"GET {G}/unix": "alice bob carol root1",
    f"POST {G}/unix": "alice root1",
}
"""Who may do what in a public group: its owner, admin, member, one invited, a stranger, the site's admin."""

P = "/groups/<name>"
ALLOWED_PAGES: dict[str, str] = {
    f"GET {P}": ALLOWED[f"GET {G}"],
    f"POST {P}/describe": ALLOWED[f"PATCH {G}"],
    f"POST {P}/delete": ALLOWED[f"DELETE {G}"],
    f"POST {P}/unix": ALLOWED[f"POST {G}/unix"],
    **{
        f"POST {P}/{act}": ALLOWED[f"POST {G}/{act}"]
        for act in ("invite", "withdraw", "accept", "decline", "join", "leave", "remove", "role", "transfer")
    },
}
"""Pages let nobody do what the API does not."""

FORMS: dict[str, dict[str, str]] = {
    "describe": {"description": "new"},
    "invite": {"q": "erin", "whom": "user:erin", "action": "invite"},
    "withdraw": {"member": "user:dave"},
    "remove": {"member": "group:astro"},
    "role": {"member": "user:carol", "role": "admin"},
    "transfer": {"member": "user:carol"},
    "delete": {"confirm": GROUP},
    "unix": {"on": "1"},
}


def test_every_route_of_a_group_has_its_standings() -> None:
    assert set(ALLOWED) == {route for route in TABLE if G in route}
    assert set(ALLOWED_PAGES) == {route for route in TABLE if " /groups/<name>" in route}


@pytest.mark.parametrize("who", STANDINGS)
@pytest.mark.parametrize("route", ALLOWED)
def test_what_one_may_do_in_a_public_group(house: House, route: str, who: str) -> None:
    secret = Groups(house).personal(who, *Scope)
    answer = call(house, route, secret)
    assert (answer.status_code < 300) is (who in ALLOWED[route].split()), answer.text
    assert answer.status_code in (200, 204, 403, 409)


@pytest.mark.parametrize("who", STANDINGS)
@pytest.mark.parametrize("route", ALLOWED_PAGES)
def test_what_the_pages_let_one_do_in_a_public_group(house: House, route: str, who: str) -> None:
    Groups(house)
    method, _, rule = route.partition(" ")
    path, browser = rule.replace("<name>", GROUP), house.browser(who)
    answer = browser.get(path) if method == "GET" else browser.post(path, FORMS.get(path.rpartition("/")[2]))
    assert (answer.status_code < 400) is (who in ALLOWED_PAGES[route].split()), answer.text
    assert answer.status_code in (200, 303, 403, 409)


@pytest.mark.parametrize("route", ALLOWED)
def test_a_stranger_does_not_learn_that_a_private_group_exists(house: House, route: str) -> None:
    secret = Groups(house).personal("erin", *Scope)
    there, nowhere = (call(house, route, secret, name=name) for name in ("hidden", "nothing"))
    assert (there.status_code, nowhere.status_code) == (404, 404)
    told = [answer.json["error"]["message"] for answer in (there, nowhere)]
    assert told[0].replace("hidden", "nothing") == told[1]


FILES = {
    "GET /jobs/<int:job_id>/provenance",
    "GET /jobs/<int:job_id>/results",
    "GET /jobs/<int:job_id>/download",
    "GET /jobs/<int:job_id>/image",
    "GET /jobs/<int:job_id>/render",
    "GET /jobs/<int:job_id>/table",
    "GET /jobs/<int:job_id>/table.csv",
    "GET /api/v1/jobs/<int:job_id>/files",
    "GET /api/v1/jobs/<int:job_id>/files/content",
    "GET /api/v1/jobs/<int:job_id>/table",
    "GET /api/v1/jobs/<int:job_id>/table.csv",
}
ENDS = {"POST /logout", "POST /support/end", "DELETE /api/v1/support"}
"""All that a support session may change: its own end."""

NOT_MET = {"GET /share/<kind>/<path:name>", "GET /sharing/site", "GET /api/v1/grants"}
"""What alice may not look at herself."""


def looks_as_alice(house: House) -> Any:
    """Root1's browser, looking as alice."""
    browser = house.browser("root1")
    assert browser.post("/support", {"user": "alice", "reason": "ticket 7"}).status_code == 303
    return browser


def shown_to_support(route: str) -> bool:
    """May somebody who looks as alice read this route of hers?"""
    return "own" not in TABLE[route] and route not in FILES | NOT_MET and TABLE[route] != PUBLIC


@pytest.mark.parametrize("route", [one for one in PAGES if one.startswith("GET")])
def test_what_pages_show_while_looking_as_somebody(house: House, route: str) -> None:
    Groups(house)
    number, browser = job_of(house, "alice", route), looks_as_alice(house)
    path = route.removeprefix("GET ").replace("<int:job_id>", str(number)).replace("<name>", GROUP)
    path = path.replace("<app>", "lab").replace("<uuid>", house.uuid(number))
    answer = browser.get(path.replace("<kind>/<path:name>", "image/python"), query_string=QUERIES.get(route))
    assert answer.status_code == (200 if shown_to_support(route) else 403), answer.text
    assert b"secret result" not in answer.data or route.endswith(("log", "<int:job_id>"))
    if answer.mimetype == "text/html":
        assert "You look as alice, for support, until" in answer.text


@pytest.mark.parametrize("route", [one for one in GUARDED if one.startswith("GET /api/")])
def test_what_the_api_shows_while_looking_as_somebody(house: House, route: str) -> None:
    Groups(house)
    number, root1 = job_of(house, "alice", route), house.token("root1")
    asked = {"user": "alice", "reason": "ticket 7"}
    secret = _api(house, "POST", root1, asked).json["token"]
    answer = call(house, route, secret, number)
    assert answer.status_code == (200 if shown_to_support(route) else 403), answer.text


def _api(house: House, method: str, secret: str, asked: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {secret}"}
    client = house.app.test_client()
    return client.open("/api/v1/support", method=method, base_url=URL, headers=headers, json=asked)


UNSAFE = [route for route in ROUTES if route.split()[0] not in ("GET", "HEAD", "OPTIONS")]


@pytest.mark.parametrize("route", [one for one in UNSAFE if not one.partition(" ")[2].startswith("/api/")])
def test_no_page_changes_anything_while_looking_as_somebody(house: House, route: str) -> None:
    Groups(house)
    number, browser = job_of(house, "alice", route), looks_as_alice(house)
    path = route.partition(" ")[2].replace("<int:job_id>", str(number)).replace("<name>", GROUP)
    path = path.replace("<kind>/<path:name>", "image/python").replace("<int:share_id>", "1")
    path = path.replace("<app>", "lab")
    answer = browser.post(path.replace("<int:token_id>", "1"), FORMS.get(path.rpartition("/")[2]))
    if route in ENDS:
        assert answer.status_code == 303
    else:
        assert answer.status_code == 403
        assert "nothing can be changed meanwhile" in answer.text


@pytest.mark.parametrize("route", [one for one in UNSAFE if " /api/" in one and TABLE[one] != PUBLIC])
def test_the_api_changes_nothing_while_looking_as_somebody(house: House, route: str) -> None:
    Groups(house)
    number, root1 = job_of(house, "alice", route), house.token("root1")
    secret = _api(house, "POST", root1, {"user": "alice", "reason": "ticket 7"}).json["token"]
    answer = call(house, route, secret, number)
    if route in ENDS:
        assert answer.status_code == 204
    else:
        assert answer.status_code == 403
        assert "nothing can be changed meanwhile" in answer.json["error"]["message"]


POWERS: dict[str, set[Power]] = {
    "GET /support": {Power.SUPPORT},
    "POST /api/v1/support": {Power.SUPPORT},
    "GET /sharing/site": {Power.MANAGE_DOMAINS, Power.MANAGE_IMAGES, Power.MANAGE_VOLUMES},
    "GET /share/<kind>/<path:name>": {Power.MANAGE_IMAGES},
    "GET /api/v1/grants": {Power.MANAGE_IMAGES},
    "POST /api/v1/grants": {Power.MANAGE_IMAGES},
    f"GET {G}/members": {Power.MANAGE_GROUPS},
    f"GET {G}/invitations": {Power.MANAGE_GROUPS},
    f"PATCH {G}": {Power.MANAGE_GROUPS},
    f"POST {G}/invite": {Power.MANAGE_GROUPS},
    f"POST {G}/transfer": {Power.MANAGE_GROUPS},
    f"DELETE {G}": {Power.MANAGE_GROUPS},
}
"""What takes a power, where nothing else allows it: who has it may do it, and who has the others may not."""


@pytest.mark.parametrize("power", [None, *Power])
@pytest.mark.parametrize("route", POWERS)
def test_what_a_scoped_administrator_may_do(house: House, route: str, power: Power | None) -> None:
    Groups(house)
    if power is not None:
        root1, erin = Asker(PEOPLE_HERE["root1"]), member_named("erin")
        house.services.sharing.give(root1, THE_SITE, erin, [power.action])
    if route in PAGES:
        path = route.removeprefix("GET ").replace("<kind>/<path:name>", "image/python")
        answer = house.browser("erin").get(path)
    elif route.endswith("support"):
        answer = _api(house, "POST", house.token("erin"), {"user": "alice", "reason": "ticket 7"})
    else:
        with_other = {**BODIES, "POST /api/v1/grants": {**TO_ERIN, "subject": DAVE}}
        with_other[f"POST {G}/invite"] = {"member": {"kind": "user", "name": "root1"}}
        answer = call(house, route, house.token("erin"), body=with_other.get(route))
    assert (answer.status_code < 300) is (power in POWERS[route]), answer.text
    assert answer.status_code in (200, 201, 204, 403)
