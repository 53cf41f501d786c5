"""The API of sessions, as programs use it."""

from __future__ import annotations

from typing import Any

import pytest

from portal.api import ROUTES
from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tokens import Scope

from .house import House

API = "/api/v1"
URL = "https://localhost"


class Caller:
    """A program with a bearer token."""

    def __init__(self, house: House, secret: str) -> None:
        self._client = house.app.test_client()
        self._headers = {"Authorization": f"Bearer {secret}"}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self._client.open(
            API + path, method=method, json=body, base_url=URL, headers=self._headers | named
        )


@pytest.fixture
def alice(house: House) -> Caller:
    return Caller(house, house.token("alice"))


@pytest.fixture
def bob(house: House) -> Caller:
    return Caller(house, house.token("bob"))


def lab(**more: Any) -> dict[str, Any]:
    """The least a session asks for."""
    return {"app": "lab", **more}


def share(house: House, number: int, action: Action) -> None:
    """Alice lets bob in."""
    thing = Resource(kind="session", name=str(number))
    house.services.sharing.give(house.asker("alice"), thing, Subject(kind="user", name="bob"), [action])


def over(house: House, number: int) -> int:
    """It ended."""
    house.move(number, JobState.CANCELLED, ended_at=house.clock.now())
    return number


def test_apps_are_listed_with_their_forms_and_places(alice: Caller) -> None:
    [app] = alice("GET", "/apps").json["apps"]
    assert (app["name"], app["version"], app["tested"]) == ("lab", "1.2", False)
    fields = {field["name"]: field for field in app["form"]}
    assert fields["workers"] == {
        "name": "workers",
        "type": "number",
        "label": "Workers",
        "default": 2,
        "min": 1,
        "max": 8,
        "max_when": [{"field": "kernel", "in": ["gpu"], "max": 4}],
    }
    assert app["resources"]["time_limit_s"] == {"default": 7200, "min": None, "max": 14400}
    assert app["places"] == [{"domain": "interactive", "images": ["python"]}]
    assert "start" not in app and "inject" not in app


def test_a_session_is_accepted_and_shown(alice: Caller) -> None:
    answer = alice("POST", "/sessions", lab(name="bench", values={"verbose": False, "workers": 3}))
    assert answer.status_code == 201
    session = answer.json["session"]
    assert answer.headers["Location"] == f"{API}/sessions/{session['id']}"
    assert (session["phase"], session["title"], session["job"]["kind"]) == ("waiting", "Lab", "session")
    values = session["values"]
    assert (values["workers"], values["verbose"], values["greeting"]) == (3, False, "hello")
    assert "level" not in values
    assert alice("GET", f"/sessions/{session['id']}").json["session"]["job"]["uuid"] == session["job"]["uuid"]
    assert alice("GET", f"/jobs/{session['id']}").json["job"]["name"] == "bench"


def test_without_a_name_it_has_its_apps(alice: Caller) -> None:
    assert alice("POST", "/sessions", lab()).json["session"]["job"]["name"] == "Lab"


def test_an_open_one_tells_its_use(house: House, alice: Caller) -> None:
    number = house.open_session()
    session = alice("GET", f"/sessions/{number}").json["session"]
    assert (session["phase"], session["sentence"]) == ("open", "Ready; 2 h left.")
    assert (session["idle_s"], session["cpu_percent"], session["here"]) == (300, 130.0, [])
    assert session["extendable_until"] > session["ends_at"]
    text = str(session)
    assert "192.0.2.7" not in text and "40001" not in text  # where its gate is, is nginx's to know


def test_the_same_key_makes_one_session(alice: Caller) -> None:
    answers = [alice("POST", "/sessions", lab(values={"workers": n}), Idempotency_Key="k") for n in (2, 2, 3)]
    first, again, other = answers
    assert (first.json["session"]["id"], other.status_code) == (again.json["session"]["id"], 409)
    assert len(alice("GET", "/sessions").json["sessions"]) == 1


@pytest.mark.parametrize("key", ["", "k" * 201, "a\x7fb"])
def test_a_key_is_short_and_printable(alice: Caller, key: str) -> None:
    answer = alice("POST", "/sessions", lab(), Idempotency_Key=key)
    assert (answer.status_code, list(answer.json["error"]["problems"])) == (422, ["key"])


def test_test_only_starts_nothing_and_judges_all_the_same(alice: Caller) -> None:
    assert "to start at" in alice("POST", "/sessions?test_only=1", lab()).json["message"]
    assert alice("POST", "/sessions?test_only=1", lab(values={"workers": 9})).status_code == 422
    assert alice("GET", "/sessions").json == {"sessions": [], "shared": [], "strays": []}


@pytest.mark.parametrize("query", ["preview=1", "test_only=perhaps", "colour=red"])
def test_a_query_that_is_not_known_starts_nothing(alice: Caller, query: str) -> None:
    assert alice("POST", f"/sessions?{query}", lab()).status_code == 422
    assert alice("GET", "/sessions").json["sessions"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "app"),
        ([], "request"),
        (lab(app="../lab"), "app"),
        (lab(app="none"), "app"),
        (lab(app=7), "app"),
        (lab(colour="red"), "colour"),
        (lab(kind="shell"), "kind"),
        (lab(command="id"), "command"),
        (lab(name="a\nb"), "name"),
        (lab(name="\x1b[2J"), "name"),
        (lab(name="\N{RIGHT-TO-LEFT OVERRIDE}evil"), "name"),
        (lab(name="n" * 500), "name"),
        (lab(values=[]), "values"),
        (lab(values={str(n): 1 for n in range(101)}), "values"),
        (lab(values={"nothing": 1}), "values.nothing"),
        (lab(values={"x" * 100_000: 1}), f"values.{'x' * 64}"),
        (lab(values={"greeting": "a" * 1_000_000}), "values.greeting"),
        (lab(values={"greeting": "$(id)"}), "values.greeting"),
        (lab(values={"greeting": "a\0b"}), "values.greeting"),
        (lab(values={"greeting": {"a": [1]}}), "values.greeting"),
        (lab(values={"kernel": "perl"}), "values.kernel"),
        (lab(values={"kernel": True}), "values.kernel"),
        (lab(values={"workers": 10**400}), "values.workers"),
        (lab(values={"workers": True}), "values.workers"),
        (lab(values={"workers": 1.5}), "values.workers"),
        (lab(values={"workers": "NaN"}), "values.workers"),
        (lab(values={"workers": 5, "kernel": "gpu"}), "values.workers"),
        (lab(values={"verbose": 1}), "values.verbose"),
        (lab(values={"data": "sunspots"}), "values.data"),
        (lab(values={"folder": "/etc"}), "values.folder"),
        (lab(values={"folder": "a/../../b"}), "values.folder"),
        (lab(values={"folder": "a\nb"}), "values.folder"),
        (lab(domain="batch"), "domain"),
        (lab(domain="nowhere"), "domain"),
        (lab(image="r"), "image"),
        (lab(volumes=[{"volume": "/etc"}]), "volumes.0.volume"),
        (lab(volumes=[{"volume": "sunspots"}] * 101), "volumes"),
        (lab(resources={"cpus": 5}), "resources.cpus"),
        (lab(resources={"cpus": 0}), "resources.cpus"),
        (lab(resources={"time_limit_s": 14401}), "resources.time_limit_s"),
        (lab(resources={"memory_mb": 3000}), "resources.memory_mb"),
        (lab(resources={"memory_mb": 3000}, values={"size": "large"}), "resources.memory_mb"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_named(alice: Caller, body: Any, field: str) -> None:
    answer = alice("POST", "/sessions", body)
    assert (answer.status_code, list(answer.json["error"]["problems"])) == (422, [field])
    assert len(answer.text) < 1000
    assert alice("GET", "/sessions").json["sessions"] == []


def test_what_the_form_asks_may_be_said_beside_it(alice: Caller) -> None:
    body = lab(resources={"memory_mb": 4096, "cpus": 3}, values={"size": "large"})
    asked = alice("POST", "/sessions", body).json["session"]["job"]["resources"]
    assert (asked["memory_mb"], asked["cpus"]) == (4096, 3)


def test_what_is_not_granted_is_refused_by_item(alice: Caller) -> None:
    answer = alice("POST", "/sessions", lab(volumes=[{"volume": "Storage/bob/persistent", "mode": "rw"}]))
    assert answer.status_code == 403
    assert list(answer.json["error"]["items"]) == ["volume Storage/bob/persistent:rw"]


def test_a_session_is_stopped_started_again_and_forgotten(alice: Caller) -> None:
    number = alice("POST", "/sessions", lab(name="bench", values={"workers": 3})).json["session"]["id"]
    assert alice("POST", f"/sessions/{number}/again").status_code == 409
    assert alice("POST", f"/sessions/{number}/forget").status_code == 409
    assert alice("POST", f"/sessions/{number}/stop").json["session"]["phase"] == "over"
    again = alice("POST", f"/sessions/{number}/again").json["session"]
    assert again["id"] != number
    assert (again["job"]["name"], again["values"]["workers"]) == ("bench", 3)
    assert alice("POST", f"/sessions/{number}/again").json["session"]["id"] == again["id"]
    assert [one["id"] for one in alice("GET", "/sessions").json["sessions"]] == [again["id"]]
    alice("POST", f"/sessions/{again['id']}/stop")
    assert alice("POST", f"/sessions/{again['id']}/forget").status_code == 200
    assert alice("GET", "/sessions").json["sessions"] == []
    assert alice("GET", f"/sessions/{again['id']}").status_code == 200


def test_an_open_one_is_told_to_stop_and_lets_its_app_save(house: House, alice: Caller) -> None:
    number = house.open_session()
    assert alice("POST", f"/sessions/{number}/stop").json["session"]["phase"] == "stopping"
    assert alice("POST", f"/jobs/{number}/cancel").json["job"]["cancel_requested"]
    assert alice("POST", f"/sessions/{number}/extend", {"minutes": 5}).status_code == 403
    assert alice("GET", f"/sessions/{number}").json["session"]["extendable_until"] is None


def test_the_end_moves_as_far_as_the_domain_lets(house: House, alice: Caller) -> None:
    number = house.open_session()
    before = alice("GET", f"/sessions/{number}").json["session"]
    after = alice("POST", f"/sessions/{number}/extend", {"minutes": 100_000}).json["session"]
    assert after["ends_at"] == before["extendable_until"] > before["ends_at"]
    refused = alice("POST", f"/sessions/{number}/extend", {"minutes": 5})
    assert (refused.status_code, list(refused.json["error"]["items"])) == (403, [f"session {number}"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "minutes"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": -5}, "minutes"),
        ({"minutes": 10**30}, "minutes"),
        ({"minutes": "soon"}, "minutes"),
        ({"minutes": 5, "until": "2100-01-01"}, "until"),
        ([], "request"),
    ],
)
def test_what_is_no_extension_moves_nothing(house: House, alice: Caller, body: Any, field: str) -> None:
    number = house.open_session()
    before = alice("GET", f"/sessions/{number}").json["session"]["ends_at"]
    answer = alice("POST", f"/sessions/{number}/extend", body)
    assert (answer.status_code, list(answer.json["error"]["problems"])) == (422, [field])
    assert alice("GET", f"/sessions/{number}").json["session"]["ends_at"] == before


DOORS = [
    ("GET", ""),
    ("POST", "/stop"),
    ("POST", "/extend"),
    ("POST", "/again"),
    ("POST", "/forget"),
]


@pytest.mark.parametrize(("method", "verb"), DOORS)
@pytest.mark.parametrize("number", ["1", "2", "99", "0", str(2**63 - 1)])
def test_what_is_not_ones_own_is_not_there(
    house: House, bob: Caller, method: str, verb: str, number: str
) -> None:
    """1 is a session of alice's that is open, 2 one that is over."""
    house.open_session()
    over(house, house.session())
    answer = bob(method, f"/sessions/{number}{verb}", {"minutes": 5} if verb == "/extend" else None)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(("method", "verb"), DOORS)
def test_a_job_that_is_no_session_is_none(alice: Caller, method: str, verb: str) -> None:
    number = alice("POST", "/jobs", {"kind": "shell", "command": "true"}).json["job"]["id"]
    answer = alice(method, f"/sessions/{number}{verb}", {"minutes": 5} if verb == "/extend" else None)
    assert answer.status_code == 404


@pytest.mark.parametrize("action", [Action.READ, Action.WRITE])
def test_who_is_let_in_sees_it_and_changes_nothing(
    house: House, alice: Caller, bob: Caller, action: Action
) -> None:
    number = house.open_session()
    share(house, number, action)
    answer = bob("GET", "/sessions").json
    assert (answer["sessions"], [one["id"] for one in answer["shared"]]) == ([], [number])
    assert bob("GET", f"/sessions/{number}").status_code == 200
    for verb in ("stop", "extend", "again", "forget"):
        body = {"minutes": 5} if verb == "extend" else None
        assert bob("POST", f"/sessions/{number}/{verb}", body).status_code == 404
    assert alice("GET", f"/sessions/{number}").json["session"]["phase"] == "open"
    over(house, number)
    assert bob("GET", "/sessions").json["shared"] == []


@pytest.mark.parametrize("route", [one for one in ROUTES if one.rule.startswith(("/sessions", "/apps"))])
def test_each_route_asks_for_its_scope(house: House, route: Any) -> None:
    number = house.open_session()
    path = route.rule.replace("<int:job_id>", str(number))
    nobody = house.app.test_client().open(API + path, method=route.method, json={}, base_url=URL)
    assert nobody.status_code == 401
    if path == "/sessions/ready":
        return
    assert route.access.scope is (Scope.JOBS_READ if route.method == "GET" else Scope.JOBS_WRITE)
    others = [scope for scope in Scope if scope is not route.access.scope]
    without = Caller(house, house.personal("alice", *others))
    assert without(route.method, path, {}).status_code == 403
    only = Caller(house, house.personal("alice", route.access.scope))
    assert only(route.method, path, {}).status_code not in (401, 403)


def test_in_a_browser_a_change_needs_the_form_token(house: House) -> None:
    number = house.open_session()
    browser = house.browser("alice")
    answer = browser.client.post(f"{API}/sessions/{number}/stop", base_url=URL)
    assert answer.status_code == 400
    assert house.services.jobs.get(house.asker("alice").person, number).cancel_requested is False


class Gate:
    """A gate of the session: what it sends once its app answers."""

    def __init__(self, house: House, number: int) -> None:
        job = house.store.job(number)
        assert job is not None
        self._client = house.app.test_client()
        self.uuid, self.secret = job.uuid, house.renderer.claim_secret(job.uuid)

    def __call__(self, slurm_id: Any = 7, secret: str | None = None, **more: Any) -> Any:
        form = {"uuid": self.uuid, "slurm_id": slurm_id, "restarts": 0, **more}
        headers = {"Authorization": f"Bearer {self.secret if secret is None else secret}"}
        return self._client.post(f"{API}/sessions/ready", data=form, headers=headers, base_url=URL)


def running(house: House) -> tuple[int, Gate]:
    """A session of alice's whose gate was not heard of."""
    number = house.session()
    house.move(number, JobState.SUBMITTING)
    house.move(number, JobState.RUNNING, node="n1", slurm_id=7, started_at=house.clock.now())
    return number, Gate(house, number)


def knocked(house: House, number: int) -> bool:
    found = house.store.session(number)
    assert found is not None
    return found[1].knocked


def test_a_gate_is_heard_with_its_jobs_secret_only(house: House) -> None:
    number, gate = running(house)
    other = Gate(house, house.session(name="other"))
    for answer in (
        gate(secret="wrong"),
        gate(secret=other.secret),
        gate(uuid=other.uuid),
        gate(uuid="0" * 32),
    ):
        assert answer.status_code == 404 and not knocked(house, number)
    assert gate(secret="").status_code == 401
    answer = gate()
    assert (answer.status_code, answer.text, answer.mimetype) == (200, "heard\n", "text/plain")
    assert knocked(house, number)
    assert gate().status_code == 200


def test_a_second_copy_of_a_session_is_not_heard(house: House) -> None:
    number, gate = running(house)
    assert gate(8).status_code == 200  # who claims first is the copy that runs
    house.change_session(number, knocked=False)
    assert gate(9).status_code == 404 and not knocked(house, number)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"uuid": "../x"}, "uuid"),
        ({"slurm_id": "x"}, "slurm_id"),
        ({"slurm_id": "-1"}, "slurm_id"),
        ({"slurm_id": str(10**30)}, "slurm_id"),
        ({"restarts": "-1"}, "restarts"),
        ({"node": "a\nb"}, "node"),
    ],
)
def test_what_a_gate_says_is_read_with_care(house: House, said: dict[str, str], field: str) -> None:
    number, gate = running(house)
    answer = gate(**said)
    assert (answer.status_code, list(answer.json["error"]["problems"])) == (422, [field])
    assert not knocked(house, number)


def test_a_jobs_secret_opens_no_session_of_another_kind(house: House, alice: Caller) -> None:
    number = alice("POST", "/jobs", {"kind": "shell", "command": "true"}).json["job"]["id"]
    assert Gate(house, number)().status_code == 404


def test_the_document_has_the_models(house: House) -> None:
    paths = house.browser().get(f"{API}/openapi.json").json["paths"]

    def model(path: str, method: str, status: str = "200") -> str:
        answer = paths[API + path][method]["responses"][status]
        return str(answer["content"]["application/json"]["schema"]["$ref"]).rpartition("/")[2]

    assert model("/apps", "get") == "AppsAnswer"
    assert model("/sessions", "get") == "SessionsAnswer"
    assert model("/sessions", "post", "201") == "SessionAnswer"
    assert model("/sessions/{job_id}", "get") == "SessionAnswer"
    for verb in ("stop", "extend", "again", "forget"):
        assert model(f"/sessions/{{job_id}}/{verb}", "post") == "SessionAnswer"
    asked = paths[f"{API}/sessions"]["post"]
    assert "SessionRequest" in str(asked["requestBody"])
    assert {one["name"] for one in asked["parameters"]} == {"test_only", "Idempotency-Key"}
    assert "ExtendRequest" in str(paths[f"{API}/sessions/{{job_id}}/extend"]["post"]["requestBody"])
    assert not paths[f"{API}/sessions/ready"]["post"].get("security")
