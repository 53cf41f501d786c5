"""What keeps a browser and a stranger's page honest."""

from __future__ import annotations

import io
from typing import Any

import pytest
from structlog.testing import capture_logs

from portal import create_app, downloads, redirects
from portal.guard import Access, refuse_unguarded
from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.jobs import JobRequest

from .house import PASSWORD, PEOPLE, URL, House, shell

NOT_HERE = (
    "",
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/\n/evil.example",
    "evil.example",
    "///evil.example",
)


def test_every_answer_carries_its_headers(house: House) -> None:
    browser = house.browser("alice")
    for path in ("/", "/login", "/nope", "/static/portal.css", "/api/v1/me", "/healthz"):
        headers = browser.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert (
            "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Request-ID"]


def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(house: House) -> None:
    browser = house.browser("alice")
    for path in ("/", "/jobs", "/jobs/new", "/me"):
        text = browser.get(path).text
        for inline in ("<style", " style=", " onclick=", "javascript:", "//cdn"):
            assert inline not in text
        assert text.count("<script") == text.count("<script src=") + text.count('<script type="module" src=')


def test_the_first_page_is_small(house: House) -> None:
    browser = house.browser()
    static = ("portal.css", "theme.js", "portal.js", "live.js", "log.js", "icon.svg")
    parts = ("/login", *(f"/static/{name}" for name in static))
    assert sum(len(browser.get(path).data) for path in parts) < 100_000


def test_the_login_cookie_is_locked_down_and_opaque(house: House) -> None:
    answer = house.browser().log_in("alice")
    cookies = [value for name, value in answer.headers if name == "Set-Cookie"]
    login = next(value for value in cookies if value.startswith("__Host-login="))
    for word in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert word in login
    assert "alice" not in login and "Domain" not in login


def test_logging_out_ends_the_token_at_the_server(house: House) -> None:
    browser = house.browser("alice")
    secret = browser.client.get_cookie("__Host-login", domain="localhost")
    assert secret is not None
    assert browser.post("/logout").headers["Location"] == "/login"
    assert house.services.login.resolve(secret.value) is None
    assert browser.get("/").headers["Location"] == "/login"


def test_a_post_without_the_form_token_does_nothing(house: House) -> None:
    browser = house.browser("alice")
    answer = browser.client.post("/jobs/new", base_url=URL, data={"kind": "shell", "command": "x"})
    assert answer.status_code == 400 and "too old" in answer.text
    answer = browser.client.post("/api/v1/jobs", base_url=URL, json=shell())
    assert answer.status_code == 400 and answer.json["error"]["code"] == "csrf"
    assert browser.get("/api/v1/jobs").json["jobs"] == []


def test_a_post_from_another_site_does_nothing(house: House) -> None:
    browser = house.browser("alice")
    answer = browser.post("/jobs/new", {"command": "x"}, headers={"Referer": "https://evil.example/"})
    assert answer.status_code == 400


def test_a_personal_token_in_the_cookie_is_no_login(house: House) -> None:
    client = house.app.test_client()
    client.set_cookie("__Host-login", house.personal("alice", "jobs:read"), domain="localhost")
    assert client.get("/", base_url=URL).headers["Location"] == "/login"


@pytest.mark.parametrize(
    "bad",
    [None, *NOT_HERE],
)
def test_next_leads_only_to_this_site(bad: str | None) -> None:
    assert redirects.local(bad) == "/"


def test_login_leads_where_one_wanted_to_go(house: House) -> None:
    browser = house.browser()
    wanted = browser.get("/jobs?state=RUNNING").headers["Location"]
    assert wanted == "/login?next=%2Fjobs%3Fstate%3DRUNNING"
    assert browser.log_in("alice", next="/jobs?state=RUNNING").headers["Location"] == "/jobs?state=RUNNING"
    assert house.browser().log_in("alice", next="//evil.example").headers["Location"] == "/"


@pytest.mark.parametrize(
    "username", ["alice", "nobody", "alice)(uid=*", "*", "a" * 5000, "\x00", "\N{RIGHT-TO-LEFT OVERRIDE}"]
)
def test_a_failed_login_does_not_tell_which_part_was_wrong(house: House, username: str) -> None:
    answer = house.browser().log_in(username, "wrong")
    assert answer.status_code == 401
    assert "User name or password is wrong." in answer.text and "wrong&#" not in answer.text


def test_too_many_failures_lock_out_for_a_while(house: House) -> None:
    client = house.app.test_client()
    body = {"username": "alice", "password": "wrong"}
    answers = [client.post("/api/v1/login", json=body, base_url=URL) for _ in range(30)]
    assert answers[0].status_code == 401 and answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert house.browser().log_in("alice").status_code == 429


def test_a_directory_that_is_away_is_told_and_what_is_known_is_served(house: House) -> None:
    browser = house.browser("alice")
    house.people.down = True
    assert house.browser().log_in("alice").status_code == 503
    assert browser.get("/jobs").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "data", "kind", "status"),
    [
        ("POST", "/api/v1/jobs", b"{", "application/json", 400),
        ("POST", "/api/v1/jobs", b"x", "text/plain", 415),
        ("POST", "/api/v1/jobs", b" " * 10_000_001, "application/json", 413),
        ("PUT", "/api/v1/jobs", b"", "application/json", 405),
        ("GET", "/api/v1/nothing", b"", "", 404),
        ("GET", "/api/v1/jobs/99999999999999999999999", b"", "", 422),
        ("GET", "/api/v1/jobs?limit=0", b"", "", 422),
        ("GET", "/api/v1/jobs?state=SLEEPING", b"", "", 422),
        ("GET", "/api/v1/jobs?after=yesterday", b"", "", 422),
        ("GET", "/api/v1/jobs/1/log?stream=/etc/passwd", b"", "", 422),
    ],
)
def test_api_errors_are_json_with_a_sentence(
    house: House, method: str, path: str, data: bytes, kind: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {house.token('alice')}"}
    client = house.app.test_client()
    answer = client.open(path, method=method, data=data, content_type=kind, headers=headers, base_url=URL)
    assert answer.status_code == status
    error = answer.json["error"]
    assert error["message"] and error["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(("path", "status"), [("/api/v1/jobs", 413), ("/jobs/new", 401), ("/nothing", 404)])
def test_a_refused_body_is_read_to_its_end(house: House, path: str, status: int) -> None:
    """nginx was still sending when the connection closed, and told 502 instead of the answer."""
    body = io.BytesIO(b" " * 19_000_000)
    headers = {"Authorization": f"Bearer {house.token('alice')}"}
    answer = house.app.test_client().post(
        path,
        input_stream=body,
        content_type="application/json",
        headers=headers | {"Content-Length": "19000000"},
        base_url=URL,
    )
    assert (answer.status_code, body.read()) == (status, b"")


def test_an_unforeseen_error_tells_its_id_and_nothing_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(house.store, "jobs", broken)
    answer = house.browser("alice").get("/api/v1/jobs")
    assert answer.status_code == 500
    assert answer.json["error"]["code"] == "internal" and "secret detail" not in answer.text


def test_a_route_that_names_no_access_keeps_the_portal_from_starting(house: House) -> None:
    assert Access().csrf
    app = create_app(house.services)
    app.add_url_rule("/bare", "bare", lambda: "")
    with pytest.raises(RuntimeError, match="/bare"):
        refuse_unguarded(app)


def test_the_access_log_has_no_query_and_no_secret(house: House) -> None:
    with capture_logs() as lines:
        browser = house.browser("alice")
        browser.get("/jobs?name=private-thing")
    told = next(line for line in lines if line.get("route") == "/jobs")
    assert (told["user"], told["status"], told["method"]) == ("alice", 200, "GET")
    assert PASSWORD not in str(lines) and "private-thing" not in str(lines)


def test_probes_answer(house: House) -> None:
    browser = house.browser()
    assert browser.get("/healthz").json == {"status": "ok"}
    assert browser.get("/readyz").json["status"] == "ready"
    browser.get("/jobs")
    assert (
        'sciserver_http_requests_total{method="GET",route="/jobs",status="302"}'
        in browser.get("/metrics").text
    )


def test_metrics_tell_of_the_broker_and_the_clusters(house: House) -> None:
    note = {"at": "2026-01-15T12:00:00+00:00", "holder": "h", "active": 3, "tick_s": 0.25}
    house.store.note("broker", note)
    house.store.note("cluster:default", {"ok": False, "problem": "slurmctld does not answer"})
    house.store.note("accounting:default", {"ok": True, "problem": ""})
    told = house.browser().get("/metrics").text
    assert "sciserver_broker_tick_seconds 0.25" in told
    assert "sciserver_broker_active_jobs 3.0" in told
    assert 'sciserver_cluster_up{cluster="default"} 0.0' in told
    assert 'sciserver_accounting_up{cluster="default"} 1.0' in told


def test_without_a_database_a_page_says_so_and_the_login_lives_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise Unavailable("database", "no answer")

    browser = house.browser("alice")
    with monkeypatch.context() as broken:
        broken.setattr(house.store, "token", away)
        page, api = browser.get("/jobs"), browser.get("/api/v1/jobs")
        assert page.status_code == api.status_code == 503
        assert "database does not answer" in page.text
        assert api.json["error"]["code"] == "unavailable" and int(api.headers["Retry-After"]) > 0
    assert browser.get("/jobs").status_code == 200


def test_not_ready_without_a_database(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> str:
        raise Unavailable("database", "no answer")

    monkeypatch.setattr(house.store, "ping", away)
    answer = house.browser().get("/readyz")
    assert answer.status_code == 503 and answer.json["status"] == "down"


def test_slow_readers_leave_threads_for_everybody_else(house: House) -> None:
    job, _ = house.services.jobs.submit(PEOPLE["alice"], JobRequest.model_validate(shell()))
    house.write(job.id, "large", b"x" * (downloads.PIECE + 1))
    client = house.browser("alice").client
    path = f"/jobs/{job.id}/download?path=large"
    first, second = (client.get(path, base_url=URL) for _ in range(2))
    refused = client.get(path, base_url=URL)
    assert (first.status_code, second.status_code, refused.status_code) == (200, 200, 429)
    assert "try again when one has ended" in refused.text
    for answer in (first, refused):
        answer.close()
    again = client.get(path, base_url=URL)
    assert again.status_code == 200
    for answer in (second, again):
        answer.close()
