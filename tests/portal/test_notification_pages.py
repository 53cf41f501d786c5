"""What one is told of: the page, the API, and both in a browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.notifications import Choices, Occasion, key_of
from sciserver_hpc.services.notifying import Ways

from .cast import EVIL
from .house import PEOPLE, URL, House
from .live import LOOKS, check, log_in, page_of

AT = "/me/notifications"
HOOK = "https://hooks.example.org/x?a=1&b=2"
FORM = {"mail": ["failed"], "webhook": ["ended"], "webhook_url": HOOK}


def api(house: House, method: str, body: Any = None, path: str = AT, who: str = "alice") -> Any:
    headers = {"Authorization": f"Bearer {house.token(who)}"}
    client = house.app.test_client()
    return client.open(f"/api/v1{path}", method=method, base_url=URL, headers=headers, json=body)


def checked(page: str) -> set[str]:
    found = re.findall(r'name="(mail|webhook)" value="(\w+)" checked', page)
    return {f"{way}:{occasion}" for way, occasion in found}


def turn(house: House) -> None:
    for lane in house.services.sending.due():
        house.services.sending.send(lane, lambda: True)


def test_the_page_shows_what_holds_and_keeps_what_is_chosen(house: House) -> None:
    alice = house.browser("alice")
    page = alice.get(AT).text
    assert checked(page) == {"mail:time_left", "mail:idle", "mail:failed"}
    assert "alice@example.org" in page and "Make another secret" not in page
    saved = alice.post(AT, FORM)
    secret = re.search(r'id="secret">(shw_[\w-]{43})<', saved.text)
    assert saved.status_code == 200 and secret
    page = alice.get(AT).text
    assert checked(page) == {"mail:failed", "webhook:ended"}
    assert secret[1] not in page and 'value="https://hooks.example.org/x?a=1&amp;b=2"' in page
    again = alice.post(AT, FORM | {"mail": []})
    assert (again.status_code, again.headers["Location"]) == (303, f"{AT}?done=saved")
    assert checked(alice.get(AT).text) == {"webhook:ended"}
    assert house.services.notifying.choices(PEOPLE["bob"]).webhook_url == ""


def test_another_secret_is_shown_once(house: House) -> None:
    alice = house.browser("alice")
    first = re.search(r"shw_[\w-]{43}", alice.post(AT, FORM).text)
    second = re.search(r"shw_[\w-]{43}", alice.post(f"{AT}/secret").text)
    assert first and second and first[0] != second[0]
    assert "shw_" not in alice.get(AT).text
    assert checked(alice.get(AT).text) == {"mail:failed", "webhook:ended"}


@pytest.mark.parametrize(
    "url", ["http://x.example.org/", "https://10.0.0.1/", "nonsense", "https://x/" + "y" * 2000]
)
def test_a_bad_address_is_told_at_its_field_and_what_was_typed_stays(house: House, url: str) -> None:
    answer = house.browser("alice").post(AT, FORM | {"webhook_url": url})
    assert (answer.status_code, 'id="problem-webhook_url"' in answer.text) == (422, True)
    if len(url) < 2000:
        assert f'value="{url}"' in answer.text
        assert checked(answer.text) == {"mail:failed", "webhook:ended"}
    assert house.store.notification_choices("alice") is None


def test_an_occasion_there_is_not_changes_nothing(house: House) -> None:
    answer = house.browser("alice").post(AT, {"mail": ["failed", EVIL]})
    assert (answer.status_code, EVIL in answer.text) == (422, False)
    assert house.store.notification_choices("alice") is None


def test_a_test_is_sent_and_its_fate_is_told(house: House) -> None:
    alice = house.browser("alice")
    assert alice.post(f"{AT}/test", {"channel": "mail"}).headers["Location"] == f"{AT}?done=test"
    assert "On its way" in alice.get(f"{AT}?done=test").text
    house.mailer.trouble = Unavailable("mail server", f"451 {EVIL}")
    turn(house)
    page = alice.get(AT).text
    assert "Tried 1 time" in page and "&lt;script&gt;" in page and EVIL not in page
    house.mailer.trouble = None
    house.clock.advance(60)
    turn(house)
    assert "Sent</span>" in alice.get(AT).text
    assert "Sent</span>" not in house.browser("bob").get(AT).text
    refused = alice.post(f"{AT}/test", {"channel": "webhook"})
    assert (refused.status_code, "Save an address for the webhook first" in refused.text) == (409, True)
    assert alice.post(f"{AT}/test", {"channel": "pigeon"}).status_code == 409


def test_a_site_that_offers_nothing_says_so(house: House) -> None:
    house.services.notifying._ways = Ways(False, None, b"k" * 32)
    page = house.browser("alice").get(AT).text
    assert "This site sends no notifications" in page and "<table" not in page


def test_what_a_way_that_is_not_offered_holds_survives_a_save(house: House) -> None:
    house.services.notifying.choose(PEOPLE["alice"], Choices(mail=(Occasion.ENDED,), webhook_url=HOOK))
    house.services.notifying._ways = Ways(False, house.poster, b"k" * 32)
    page = house.browser("alice").get(AT).text
    assert '<input type="hidden" name="mail" value="ended">' in page


def test_the_api_answers_what_the_page_shows(house: House) -> None:
    found = api(house, "GET").json
    assert (found["mail"], found["webhook"]) == (["time_left", "idle", "failed"], [])
    assert (found["offered"], found["mail_to"]) == (["mail", "webhook"], "alice@example.org")
    assert (found["secret"], found["secret_made_at"], found["last"]) == (None, None, [])
    asked = {"mail": ["failed", "started"], "webhook": ["ended"], "webhook_url": HOOK}
    made = api(house, "PUT", asked).json
    assert made["secret"].startswith("shw_") and made["mail"] == ["started", "failed"]
    assert api(house, "PUT", asked).json["secret"] is None
    assert api(house, "PUT", asked | {"renew_secret": True}).json["secret"] not in (None, made["secret"])
    assert "shw_" not in api(house, "GET").text
    assert api(house, "POST", {"channel": "webhook"}, f"{AT}/test").status_code == 204
    turn(house)
    [row] = api(house, "GET").json["last"]
    assert (row["occasion"], row["channel"], row["attempts"], row["problem"]) == ("test", "webhook", 1, "")
    assert api(house, "GET", who="bob").json["last"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mail": ["x"]}, "mail.0"),
        ({"webhook": ["ended"]}, "webhook_url"),
        ({"webhook_url": "https://[::1]/"}, "webhook_url"),
        ({"salt": "x"}, "salt"),
        ({"mail": ["failed"] * 51}, "mail"),
    ],
)
def test_what_is_wrong_is_told_by_field(house: House, body: Any, field: str) -> None:
    answer = api(house, "PUT", body)
    assert (answer.status_code, list(answer.json["error"]["problems"])) == (422, [field])


def test_a_programs_token_chooses_nothing(house: House) -> None:
    from sciserver_hpc.domain.tokens import Scope

    headers = {"Authorization": f"Bearer {house.personal('alice', *Scope)}"}
    answer = house.app.test_client().put(f"/api/v1{AT}", json=FORM, headers=headers, base_url=URL)
    assert answer.status_code == 403


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_from_the_box_to_the_test(house: House, browser: Browser, url: str, script: bool) -> None:
    with page_of(browser, url, script=script) as page:
        log_in(page)
        page.goto("/me")
        page.get_by_role("link", name="Notifications").click()
        page.get_by_label("It ended: Webhook").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was changed")
        expect(page.get_by_label("It ended: Webhook")).to_be_checked()
        page.get_by_label("Webhook’s address").fill("https://hooks.example.org/x")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("shown this once")
        page.get_by_role("button", name="Test webhook").click()
        expect(page.get_by_role("status")).to_contain_text("on its way")
        turn(house)
        page.reload()
        expect(page.locator(".badge")).to_have_text("✓Sent")


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_its_page_is_accessible_and_fits(
    house: House, browser: Browser, url: str, width: dict[str, int], dark: bool
) -> None:
    notifying = house.services.notifying
    long = "https://hooks.example.org/" + "x" * 150
    notifying.choose(
        PEOPLE["alice"], Choices(mail=tuple(Occasion), webhook=(Occasion.ENDED,), webhook_url=long)
    )
    for number, name in enumerate(("sky", "a-name-without-any-place-to-break-" + "x" * 60, EVIL)):
        key = key_of(f"{number:032x}", Occasion.ENDED)
        notifying.tell("alice", Occasion.ENDED, key, f"{name} ended", "After 3 min.", "/jobs/1")
        house.poster.trouble = {long: Unavailable("webhook", "it answers 500")} if number else {}
        turn(house)
        house.clock.advance(60)
    with page_of(browser, url, width=width, dark=dark) as page:
        log_in(page)
        page.goto(AT)
        check(page)
        page.get_by_role("button", name="Make another secret").click()
        check(page)
        page.get_by_label("Webhook’s address").fill("https://127.0.0.1/")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#problem-webhook_url")).to_contain_text("no public address")
        check(page)
        page.goto("/me")
        check(page)
