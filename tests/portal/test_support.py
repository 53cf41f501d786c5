"""Looking as somebody else, for support: who may, as whom, for how long, and who learns of it."""

from __future__ import annotations

from typing import Any

import pytest

from sciserver_hpc.domain.access import THE_SITE, Action
from sciserver_hpc.domain.administration import Power
from sciserver_hpc.domain.audit import Outcome
from sciserver_hpc.domain.groups import user

from .cast import Cast
from .house import URL, Browser, House

ASKED = {"user": "alice", "reason": "ticket 7: <b>lost</b> job"}
BANNER = "You look as alice, for support, until"


def looking(house: House, who: str = "root1") -> Browser:
    browser = house.browser(who)
    assert browser.post("/support", ASKED).headers["Location"] == "/"
    return browser


def supporter(cast: Cast, name: str = "erin") -> None:
    cast.sharing.give(cast.asker("root1"), THE_SITE, user(name), [Action.SUPPORT])


def trail(house: House, *acts: str) -> list[tuple[str, str, str]]:
    """Who, what and about whom, oldest first."""
    lines = [one for one in house.store.audit() if one.act in (acts or ("support.begin", "support.end"))]
    return [(one.who, one.act, one.whom.name if one.whom else "") for one in reversed(lines)]


def api(house: House, method: str, secret: str, path: str = "support", asked: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {secret}"}
    client = house.app.test_client()
    return client.open(f"/api/v1/{path}", method=method, base_url=URL, headers=headers, json=asked)


def test_who_looks_sees_what_the_other_sees_and_is_told_so_on_every_page(house: House, cast: Cast) -> None:
    browser = looking(house)
    for path in ("/", "/jobs", f"/jobs/{cast.job}", f"/jobs/{cast.job}/log", "/groups", "/sharing/mine"):
        page = browser.get(path)
        assert (page.status_code, BANNER in page.text) == (200, True)
    assert "Storage/alice/persistent" in browser.get("/sharing/mine").text.replace("<wbr>", "")
    browser.post("/support/end")
    assert BANNER not in browser.get("/").text
    assert "Hello, Root1 Ek" in browser.get("/").text


def test_what_is_in_files_and_tokens_stay_hidden(house: House, cast: Cast) -> None:
    browser = looking(house)
    for path in (f"/jobs/{cast.job}/results", f"/jobs/{cast.job}/download?path=stdout.txt"):
        page = browser.get(path)
        assert (page.status_code, "10.9 years" in page.text) == (403, False)
        assert "what is in their files is theirs" in page.text
    assert browser.get("/me").status_code == 403


def test_without_the_power_nobody_looks_and_the_try_is_told(house: House, cast: Cast) -> None:
    assert house.browser("erin").get("/support").status_code == 403
    assert house.browser("erin").post("/support", ASKED).status_code == 403
    line = house.store.audit(limit=1)[0]
    assert (line.who, line.act, line.outcome) == ("erin", "support.begin", Outcome.REFUSED)
    assert "support.begin" not in house.browser("alice").get("/audit/export").text
    supporter(cast)
    assert BANNER in looking(house, "erin").get("/").text


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\u202eb"])
def test_a_reason_is_asked_for(house: House, cast: Cast, reason: str) -> None:
    page = house.browser("root1").post("/support", {"user": "alice", "reason": reason})
    assert (page.status_code, "say why" in page.text) == (422, True)
    assert house.services.support.about(cast.people["alice"]) == []


@pytest.mark.parametrize("name", ["nobody", "../x", ""])
def test_nobody_looks_as_who_is_not_known_here(house: House, cast: Cast, name: str) -> None:
    assert cast.people
    page = house.browser("root1").post("/support", {"user": name, "reason": "ticket 7"})
    assert page.status_code in (404, 422)


def test_nobody_looks_as_an_administrator_nor_as_themselves(house: House, cast: Cast) -> None:
    supporter(cast)
    supporter(cast, "bob")
    for who, whom in (("erin", "root1"), ("erin", "bob"), ("root1", "bob"), ("erin", "erin")):
        page = house.browser(who).post("/support", {"user": whom, "reason": "ticket 7"})
        assert page.status_code == 403, (who, whom)
        assert "administer" in page.text or "that is you" in page.text


def test_it_ends_by_its_time_and_what_is_sent_then_does_nothing(house: House, cast: Cast) -> None:
    browser = looking(house)
    token = browser.form_token()
    house.clock.advance(30 * 60 - 1)
    assert BANNER in browser.get("/").text
    house.clock.advance(1)
    browser.get("/", headers={"Sec-Fetch-Dest": "empty"})  # the page asks for news of itself
    form, headers = {"csrf_token": token, "name": "mine"}, {"Referer": f"{URL}/"}
    late = browser.client.post("/new/group", base_url=URL, data=form, headers=headers)
    assert (late.status_code, "that is over" in late.text) == (403, True)
    assert BANNER not in browser.get("/").text
    assert browser.post("/new/group", {"name": "mine", "accessibility": "private"}).status_code == 303
    assert trail(house) == [("root1", "support.begin", "alice"), ("root1", "support.end", "alice")]


def test_its_end_is_told_though_nobody_came_back(house: House, cast: Cast) -> None:
    looking(house)
    house.clock.advance(3600)
    assert "no longer looks as" in house.browser("alice").get("/audit").text
    assert cast.people


def test_the_cookie_outlives_the_session_and_not_the_login(house: House, cast: Cast) -> None:
    browser = house.browser("root1")
    sent = browser.post("/support", ASKED).headers["Set-Cookie"]
    assert sent.startswith("__Host-support=shs_") and f"Max-Age={24 * 3600};" in sent
    assert all(word in sent for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert cast.people


def test_it_ends_with_the_login_it_was_begun_with(house: House, cast: Cast) -> None:
    browser = looking(house)
    cookie = browser.client.get_cookie("__Host-support")
    assert cookie is not None
    browser.post("/logout")
    assert trail(house)[-1] == ("root1", "support.end", "alice")
    again = house.browser("root1")
    again.client.set_cookie("__Host-support", cookie.value, domain="localhost", secure=True)
    assert BANNER not in again.get("/").text
    login = house.token("root1")
    secret = api(house, "POST", login, asked=ASKED).json["token"]
    assert api(house, "GET", secret, "jobs").status_code == 200
    api(house, "POST", login, "logout")
    assert api(house, "GET", secret, "jobs").status_code == 401
    assert cast.people


def test_a_session_is_of_no_use_beside_another_login(house: House, cast: Cast) -> None:
    cookie = looking(house).client.get_cookie("__Host-support")
    assert cookie is not None
    bob = house.browser("bob")
    bob.client.set_cookie("__Host-support", cookie.value, domain="localhost", secure=True)
    assert "Hello, Bob Brown" in bob.get("/").text
    assert [one.actor for one in house.services.support.about(cast.people["alice"])] == ["root1"]


def test_a_power_taken_meanwhile_ends_it_at_the_next_request(house: House, cast: Cast) -> None:
    supporter(cast)
    browser = looking(house, "erin")
    assert BANNER in browser.get("/").text
    cast.sharing.revoke(cast.asker("root1"), THE_SITE, user("erin"))
    assert BANNER not in browser.get("/").text
    assert trail(house)[-1] == ("erin", "support.end", "alice")


def test_it_ends_when_the_other_becomes_an_administrator(house: House, cast: Cast) -> None:
    browser = looking(house)
    cast.sharing.give(cast.asker("root1"), THE_SITE, user("alice"), [Action.MANAGE_IMAGES])
    assert BANNER not in browser.get("/").text
    assert trail(house)[-1] == ("root1", "support.end", "alice")


def test_who_is_looked_as_sees_it_now_and_in_their_trail(house: House, cast: Cast) -> None:
    browser = looking(house)
    browser.get("/jobs")
    browser.get("/jobs")
    browser.get(f"/jobs/{cast.job}")
    browser.get("/groups")
    alice = house.browser("alice")
    for path in ("/", "/me"):
        page = alice.get(path).text
        assert "root1 looks at your pages as you, for support, until" in page
        assert "ticket 7: &lt;b&gt;lost&lt;/b&gt; job" in page
    browser.post("/support/end")
    assert "looks at your pages" not in alice.get("/").text
    told = alice.get("/audit").text
    for words in ("began to look as", "ticket 7: &lt;b&gt;lost&lt;/b&gt; job", "no longer looks as"):
        assert words in told
    seen = [one for one in house.store.audit() if one.act == "support.look"]
    assert sorted(one.detail for one in seen) == ["groups", "jobs"]
    assert all((one.who, one.whom, bool(one.request_id)) == ("root1", user("alice"), True) for one in seen)
    assert "looks at your pages" not in house.browser("bob").get("/").text


def test_a_program_looks_with_a_token_of_its_own_and_ends_it(house: House, cast: Cast) -> None:
    login = house.token("root1")
    made = api(house, "POST", login, asked=ASKED)
    assert (made.status_code, made.json["user"]) == (201, "alice")
    secret = made.json["token"]
    assert [job["id"] for job in api(house, "GET", secret, "jobs").json["jobs"]] == [cast.job]
    assert api(house, "GET", secret, "me").json["user"]["username"] == "alice"
    assert api(house, "GET", login, "me").json["user"]["username"] == "root1"
    assert api(house, "GET", secret, "tokens").status_code == 403
    assert api(house, "DELETE", secret).status_code == 204
    assert api(house, "GET", secret, "jobs").status_code == 401
    other = api(house, "POST", login, asked=ASKED).json["token"]
    assert api(house, "DELETE", login).status_code == 204
    assert api(house, "GET", other, "jobs").status_code == 401


def test_nobody_looks_further_from_within(house: House, cast: Cast) -> None:
    supporter(cast)
    secret = api(house, "POST", house.token("root1"), asked=ASKED).json["token"]
    assert api(house, "POST", secret, asked={"user": "bob", "reason": "ticket 8"}).status_code == 403
    assert looking(house).post("/support", {"user": "bob", "reason": "ticket 8"}).status_code == 403


def test_me_tells_of_ones_powers(house: House, cast: Cast) -> None:
    supporter(cast)
    assert api(house, "GET", house.token("erin"), "me").json["user"]["powers"] == ["support"]
    assert api(house, "GET", house.token("alice"), "me").json["user"]["powers"] == []
    assert 'href="/support"' in house.browser("erin").get("/me").text
    assert 'href="/support"' not in house.browser("alice").get("/me").text


def test_the_page_of_powers_gives_them_to_people_and_directory_groups(house: House, cast: Cast) -> None:
    browser = house.browser("root1")
    assert 'href="/share/site/site"' in browser.get("/sharing/site").text
    page = browser.get("/share/site/site")
    assert "Powers over the site" in page.text and "may look as others, for support" in page.text
    form = {"q": "erin", "whom": "user:erin", "right": "support", "action": "give"}
    assert browser.post("/share/site/site", form).status_code == 303
    assert house.services.administration.powers(cast.people["erin"]) == {Power.SUPPORT}
    for q, value in (("survey", "portal_group:survey"), ("everyone", "everyone")):
        page = browser.post("/share/site/site", form | {"q": q, "whom": value})
        assert page.status_code in (403, 422)
    assert house.browser("erin").get("/share/site/site").status_code == 403


def test_who_manages_images_alone_sees_these_and_shares_them_with_everyone(house: House, cast: Cast) -> None:
    cast.sharing.give(cast.asker("root1"), THE_SITE, user("erin"), [Action.MANAGE_IMAGES])
    erin = house.browser("erin")
    page = erin.get("/sharing/site").text
    assert "/share/image/secret" in page and "/share/domain/" not in page
    form = {"q": "everyone", "whom": "everyone", "right": "use", "action": "give"}
    assert erin.post("/share/image/secret", form).status_code == 303
    assert erin.post("/share/domain/batch", form).status_code == 403
    assert "What you did with groups and rights" in erin.get("/audit").text
