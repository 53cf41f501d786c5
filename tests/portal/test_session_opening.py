"""The way from the portal into a session, and what is decided about each request there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sciserver_hpc.domain.access import Action
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tokens import Scope

from .at_origin import ask, come_in
from .cast import Cast
from .house import URL, Browser, House
from .test_session_pages import share


def ticket_of(browser: Browser, number: int, mode: str = "use") -> str:
    """The ticket in the page that a click on the card brings."""
    answer = browser.post(f"/sessions/{number}/open", {"mode": mode})
    assert answer.status_code == 200, answer.text
    return str(answer.text.partition('name="ticket" value="')[2].partition('"')[0])


def pass_of(house: House, number: int, username: str = "alice", mode: str = "use") -> str:
    """What the browser's cookie holds once its person is in."""
    entered = come_in(house, house.uuid(number), ticket_of(house.browser(username), number, mode))
    return cookie_of(entered)


def cookie_of(entered: Any) -> str:
    found = re.match(r"__Host-pass=([^;]+);", entered.headers["Set-Cookie"])
    assert found
    return found[1]


def origin(house: House, number: int) -> str:
    return f"https://{house.uuid(number)}.sessions.localhost"


def test_a_click_sends_a_ticket_to_the_sessions_origin_and_nowhere_else(house: House) -> None:
    number = house.open_session()
    answer = house.browser("alice").post(f"/sessions/{number}/open")
    assert f'action="{origin(house, number)}/.sciserver/enter"' in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert f"form-action 'self' {origin(house, number)};" in policy and "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "strict-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    elsewhere = house.browser("alice").get(f"/sessions/{number}").headers["Content-Security-Policy"]
    assert "form-action 'self';" in elsewhere


def test_a_ticket_becomes_a_pass_in_a_cookie_of_this_host_alone(house: House) -> None:
    number = house.open_session()
    entered = come_in(house, house.uuid(number), ticket_of(house.browser("alice"), number))
    assert (entered.status_code, entered.headers["Location"]) == (303, "/lab")
    flags = {flag.strip() for flag in entered.headers["Set-Cookie"].split(";")[1:]}
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= flags
    assert not any(flag.lower().startswith("domain") for flag in flags)
    answer = ask(house, house.uuid(number), cookie_of(entered))
    assert answer.status_code == 204
    assert answer.headers["X-Session-Upstream"] == "192.0.2.7:40001"
    assert answer.headers["X-Session-Mode"] == "use"
    assert answer.headers["X-Session-Pass"].isdecimal()


def test_a_ticket_is_good_once(house: House) -> None:
    number = house.open_session()
    ticket = ticket_of(house.browser("alice"), number)
    assert come_in(house, house.uuid(number), ticket).headers["Location"] == "/lab"
    again = come_in(house, house.uuid(number), ticket)
    assert again.headers["Location"] == f"{URL}/sessions/at/{house.uuid(number)}"
    assert "Set-Cookie" not in again.headers


@pytest.mark.parametrize("sent_by", ["https://evil.example", "null", "https://localhost.evil.example"])
def test_a_ticket_comes_from_the_portals_page_alone(house: House, sent_by: str) -> None:
    """Else bob's page could put alice into a session of bob's, where she would work."""
    number = house.open_session()
    ticket = ticket_of(house.browser("alice"), number)
    answer = come_in(house, house.uuid(number), ticket, sent_by)
    assert "/sessions/at/" in answer.headers["Location"]
    assert "Set-Cookie" not in answer.headers


def test_a_ticket_is_good_for_half_a_minute(house: House) -> None:
    number = house.open_session()
    ticket = ticket_of(house.browser("alice"), number)
    house.clock.advance(31)
    assert "/sessions/at/" in come_in(house, house.uuid(number), ticket).headers["Location"]


def test_a_ticket_and_a_pass_are_good_for_one_session(house: House) -> None:
    first, second = house.open_session(), house.open_session()
    ticket = ticket_of(house.browser("alice"), first)
    assert "/sessions/at/" in come_in(house, house.uuid(second), ticket).headers["Location"]
    secret = cookie_of(come_in(house, house.uuid(first), ticket))
    assert ask(house, house.uuid(second), secret).status_code == 401


@pytest.mark.parametrize("ticket", ["", "x", "é" * 300, "a\0b"])
def test_what_is_no_ticket_lets_nobody_in(house: House, ticket: str) -> None:
    number = house.open_session()
    assert "/sessions/at/" in come_in(house, house.uuid(number), ticket).headers["Location"]
    assert ask(house, house.uuid(number), "x").status_code == 401


def test_who_logs_out_is_out_of_the_session_too(house: House) -> None:
    number, browser = house.open_session(), house.browser("alice")
    secret = cookie_of(come_in(house, house.uuid(number), ticket_of(browser, number)))
    waiting = ticket_of(browser, number)
    browser.post("/logout")
    assert ask(house, house.uuid(number), secret).status_code == 401
    assert "/sessions/at/" in come_in(house, house.uuid(number), waiting).headers["Location"]


def test_a_right_that_is_taken_back_ends_its_passes(house: House) -> None:
    number = house.open_session()
    share(house, number, Action.WRITE)
    secret = pass_of(house, number, "bob")
    assert ask(house, house.uuid(number), secret).status_code == 204
    [given] = house.store.shares_by("alice")
    house.services.sharing.revoke_one(house.asker("alice"), given.id)
    refused = ask(house, house.uuid(number), secret)
    assert (refused.status_code, refused.headers["X-Session-Why"]) == (403, "not_yours")


def test_who_may_look_alone_comes_in_so_and_not_otherwise(house: House) -> None:
    number = house.open_session()
    share(house, number, Action.READ)
    bob = house.browser("bob")
    assert bob.post(f"/sessions/{number}/open", {"mode": "use"}).status_code == 403
    secret = pass_of(house, number, "bob", "view")
    assert ask(house, house.uuid(number), secret).headers["X-Session-Mode"] == "view"


def test_a_session_that_cannot_be_opened_shows_its_card(house: House) -> None:
    number, browser = house.session(), house.browser("alice")
    answer = browser.post(f"/sessions/{number}/open")
    assert answer.status_code == 409 and "Waiting" in answer.text
    number = house.open_session()
    secret = pass_of(house, number)
    house.move(number, JobState.COMPLETING)
    refused = ask(house, house.uuid(number), secret)
    assert (refused.status_code, refused.headers["X-Session-Why"]) == (403, "not_open")


def test_who_looks_as_another_opens_nothing(cast: Cast) -> None:
    number = cast.house.open_session()
    browser = cast.house.browser("root1")
    browser.post("/support", {"user": "alice", "reason": "ticket 7"})
    assert "bench" in browser.get("/sessions").text
    answer = browser.post(f"/sessions/{number}/open")
    assert answer.status_code == 403 and "nothing can be changed meanwhile" in answer.text
    assert cast.house.store.live_passes([number]) == []


def test_a_programs_token_opens_nothing(house: House) -> None:
    number = house.open_session()
    headers = {"Authorization": f"Bearer {house.personal('alice', *Scope)}"}
    answer = house.app.test_client().post(f"/sessions/{number}/open", base_url=URL, headers=headers)
    assert answer.status_code == 401


OWN, OTHER = "https://{uuid}.sessions.localhost", "https://" + "0" * 32 + ".sessions.localhost"


def fetched(site: str, mode: str, dest: str, origin: str = "") -> dict[str, str]:
    """What a browser says of a request (Fetch Metadata)."""
    told = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
    return told | ({"Origin": origin} if origin else {})


WEBSOCKET = {"X-Original-Upgrade": "websocket"}
REQUESTS = [
    ("the first page, after the form", "GET", fetched("same-site", "navigate", "document"), 204),
    ("its own fetch", "GET", fetched("same-origin", "cors", "empty"), 204),
    ("typed in", "GET", fetched("none", "navigate", "document"), 204),
    ("a link from elsewhere", "GET", fetched("cross-site", "navigate", "document"), 204),
    ("an old browser", "GET", {}, 204),
    ("its own WebSocket", "GET", WEBSOCKET | {"Origin": OWN}, 204),
    ("its own form", "POST", {"Origin": OWN, "Sec_Fetch_Site": "same-origin"}, 204),
    ("another session's WebSocket", "GET", WEBSOCKET | {"Origin": OTHER}, 403),
    ("the portal's WebSocket", "GET", WEBSOCKET | {"Origin": URL}, 403),
    ("a WebSocket without an origin", "GET", WEBSOCKET, 403),
    ("a WebSocket of nobody", "GET", WEBSOCKET | {"Origin": "null"}, 403),
    ("a POST without an origin", "POST", {}, 403),
    ("another session's POST", "POST", {"Origin": OTHER, "Sec_Fetch_Site": "same-site"}, 403),
    ("a DELETE of nobody", "DELETE", {"Origin": "null"}, 403),
    ("another session's fetch", "GET", fetched("same-site", "cors", "empty", OTHER), 403),
    ("another session's image", "GET", fetched("same-site", "no-cors", "image"), 403),
    ("an iframe elsewhere", "GET", fetched("cross-site", "navigate", "iframe"), 403),
    ("an iframe in another session", "GET", fetched("same-site", "navigate", "iframe"), 403),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "headers", "status"), [one[1:] for one in REQUESTS], ids=[one[0] for one in REQUESTS]
)
def test_what_is_let_through(house: House, method: str, headers: dict[str, str], status: int) -> None:
    number = house.open_session()
    uuid, secret = house.uuid(number), pass_of(house, number)
    sent = {name: text.replace("{uuid}", uuid) for name, text in headers.items()}
    assert ask(house, uuid, secret, method, **sent).status_code == status
    assert ask(house, uuid, "", method, **sent).status_code == 401


def test_the_portal_and_the_sessions_origins_are_apart(house: House) -> None:
    number = house.open_session()
    uuid, client = house.uuid(number), house.browser("alice").client
    for path in ("/", "/login", "/sessions", "/static/portal.js", "/api/v1/me", "/healthz"):
        assert client.get(path, base_url=URL, headers={"X-Sciserver-Session": uuid}).status_code == 404, path
    assert client.get("/.sciserver/auth", base_url=URL).status_code == 404
    assert client.post("/.sciserver/enter", base_url=URL).status_code == 404
    for wrong in ("x", uuid.upper(), f"{uuid}\n", "0" * 33):
        try:
            assert ask(house, wrong).status_code == 404
        except ValueError:
            assert "\n" in wrong  # no client can send it


def test_who_comes_without_a_pass_is_led_to_the_card(house: House) -> None:
    number = house.open_session()
    at = f"/sessions/at/{house.uuid(number)}"
    nobody = house.browser().get(at)
    assert nobody.headers["Location"] == f"/login?next=%2Fsessions%2Fat%2F{house.uuid(number)}"
    page = house.browser("alice").get(at).text
    assert f'action="/sessions/{number}/open"' in page
    assert house.browser("alice").get("/sessions/at/" + "0" * 32).status_code == 404


def test_no_secret_stands_in_an_address_or_a_log(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    number = house.open_session()
    ticket = ticket_of(house.browser("alice"), number)
    entered = come_in(house, house.uuid(number), ticket)
    secret = cookie_of(entered)
    ask(house, house.uuid(number), secret)
    come_in(house, house.uuid(number), ticket)
    told = "".join(capfd.readouterr())
    assert "session entered" in told and "ticket refused" in told
    assert ticket not in told and secret not in told
    assert ticket not in entered.headers["Location"] and secret not in entered.headers["Location"]
