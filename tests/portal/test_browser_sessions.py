"""Sessions in a real browser, with script and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from sciserver_hpc.domain.access import Action
from sciserver_hpc.domain.sessions import SessionRequest
from sciserver_hpc.domain.states import JobState

from .at_origin import AtOrigin
from .house import PEOPLE, House
from .live import LOOKS, check, log_in, page_of, serving
from .test_session_pages import over, share

LONG = "a-name-without-any-place-to-break-" * 3


@pytest.fixture
def origins(house: House) -> AtOrigin:
    """What stands at the sessions' origins."""
    return AtOrigin(house.app)


@pytest.fixture
def url(house: House, tmp_path: Path, origins: AtOrigin) -> Iterator[str]:
    """Where portal and sessions of this test answer."""
    with serving(house, tmp_path, origins) as address:
        house.stands_at(address)
        yield address


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page of alice's, logged in; what its console complains of fails the test."""
    with page_of(browser, url) as opened:
        complaints: list[str] = []
        opened.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        log_in(opened)
        yield opened
        assert [text for text in complaints if "422" not in text] == []


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_from_an_app_to_the_inside_of_its_session(
    house: House, browser: Browser, url: str, origins: AtOrigin, script: bool
) -> None:
    number = house.open_session()
    with page_of(browser, url, script=script) as page:
        log_in(page)
        page.get_by_role("link", name="Sessions").click()
        with page.context.expect_page() as opening:
            page.get_by_role("button", name="Open bench").click()
        inside = opening.value
        if not script:
            inside.get_by_role("button", name="Open Lab").click()
        expect(inside.get_by_role("heading", name="Inside")).to_be_visible()
        assert inside.url == f"{house.services.session_origin(house.uuid(number))}/lab"
        assert inside.evaluate("window.opener") is None and inside.evaluate("document.cookie") == ""
        [(path, told, status)] = [one for one in origins.asked if one[0] == "/lab"]
        assert (path, status) == ("/lab", 204)
        assert "HTTP_REFERER" not in told and told.get("HTTP_ORIGIN", "") != "null"


def test_a_ticket_that_came_too_late_leads_back_to_the_card(house: House, browser: Browser, url: str) -> None:
    number = house.open_session()
    with page_of(browser, url, script=False) as page:
        log_in(page)
        page.goto(f"/sessions/{number}")
        with page.context.expect_page() as opening:
            page.get_by_role("button", name="Open bench").click()
        opening.value.wait_for_load_state()
        house.clock.advance(60)
        opening.value.get_by_role("button", name="Open Lab").click()
        expect(opening.value.get_by_role("heading", name="bench")).to_be_visible()
        assert opening.value.url == f"{url}/sessions/at/{house.uuid(number)}"


def test_a_card_follows_its_session_and_focus_stays(house: House, page: Page) -> None:
    number = house.session()
    page.goto("/sessions")
    card = page.locator(f"#session-{number}")
    expect(card.locator(".badge")).to_contain_text("Waiting")
    card.get_by_role("link", name="Log of bench").focus()
    house.move(number, JobState.SUBMITTING)
    house.move(number, JobState.RUNNING, node="n1", slurm_id=7, started_at=house.clock.now())
    expect(card.locator(".badge")).to_contain_text("Starting")
    end = house.clock.now().replace(hour=13)
    house.reach(number, end)
    expect(card.get_by_role("button", name="Open bench")).to_be_visible()
    expect(card.get_by_role("link", name="Log of bench")).to_be_focused()
    card.get_by_text("Extend").click()
    house.change_session(number, ends_at=end.replace(minute=30))
    expect(card).to_contain_text("90 min")
    expect(card.get_by_role("button", name="+ 1 h")).to_be_visible()
    card.get_by_role("button", name="To the limit").click()
    expect(card).to_contain_text("3 h")
    expect(card.get_by_text("Extend")).to_have_count(0)


def test_the_end_of_the_log_comes_when_it_is_opened_and_stays(house: House, page: Page) -> None:
    house.session(name="alive")
    number = over(house)
    page.goto("/sessions")
    page.get_by_text("End of the log").click()
    expect(page.locator(f"#tail-{number} pre")).to_contain_text("no module <script>")
    house.session(name="another")
    expect(page.get_by_role("link", name="another", exact=True)).to_be_visible()
    expect(page.locator(f"#tail-{number} pre")).to_be_visible()
    page.get_by_role("button", name="Start again bench").click()
    expect(page.locator("#session .badge")).to_contain_text("Waiting")


def test_the_form_follows_what_is_filled_in(house: House, page: Page) -> None:
    page.goto("/sessions/new")
    page.get_by_role("link", name="Choose Lab").click()
    level, workers = page.get_by_label("Level of detail"), page.get_by_label("Workers")
    expect(level).to_be_visible()
    expect(page.get_by_text("Counts only while")).to_have_count(1)
    expect(page.get_by_text("Counts only while")).to_be_hidden()
    page.get_by_label("Tell more").uncheck()
    expect(level).to_be_hidden()
    page.get_by_label("Tell more").check()
    expect(level).to_be_visible()
    expect(workers).to_have_attribute("max", "8")
    page.get_by_label("Kernel").select_option("gpu")
    expect(workers).to_have_attribute("max", "4")
    expect(page.get_by_text("At most 4.", exact=True)).to_be_visible()
    page.get_by_label("Kernel").select_option("python")
    expect(workers).to_have_attribute("max", "8")
    expect(page.get_by_label("CPUs")).to_have_attribute("max", "4")
    page.get_by_label("Volume with the data").select_option("sunspots")
    expect(page.get_by_label("sunspots Since 1700")).to_have_value("ro")
    page.get_by_label("Folder to open").fill("/etc")
    page.get_by_role("textbox", name="Name").fill("kept")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_label("Folder to open")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("textbox", name="Name")).to_have_value("kept")
    page.get_by_label("Folder to open").fill("Storage/alice")
    page.get_by_role("button", name="When would it start?").click()
    expect(page.get_by_text("to start at")).to_be_visible()
    page.get_by_label("Keep it as").fill("mine")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Kept as mine.")
    page.get_by_role("textbox", name="Name").press("Enter")
    expect(page.get_by_role("heading", name="kept")).to_be_visible()
    expect(page.locator("#session .badge")).to_contain_text("Waiting")


def test_a_session_is_opened_and_extended_by_keyboard(house: House, page: Page) -> None:
    number = house.open_session()
    page.goto(f"/sessions/{number}")
    page.get_by_role("button", name="Stop bench").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="+ 30 min")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#session")).to_contain_text("2 h 30 min")
    page.get_by_role("button", name="Open bench").focus()
    with page.context.expect_page() as opening:
        page.keyboard.press("Enter")
    expect(opening.value.get_by_role("heading", name="Inside")).to_be_visible()


def test_starting_works_without_script(house: House, browser: Browser, url: str) -> None:
    with page_of(browser, url, script=False) as page:
        log_in(page)
        page.goto("/sessions/new/lab")
        expect(page.get_by_text("Counts only while Tell more is ticked.")).to_be_visible()
        expect(page.get_by_text("At most 4 while Kernel is gpu.")).to_be_visible()
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.get_by_role("heading", name="Lab")).to_be_visible()


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_every_page_is_accessible_and_fits(
    house: House, browser: Browser, url: str, width: dict[str, int], dark: bool
) -> None:
    ended, running, waiting = over(house), house.open_session(name=LONG), house.session()
    others = house.open_session("bob")
    house.services.login.password("alice", "correct horse", "192.0.2.1")
    share(house, others, Action.WRITE, whom="alice", owner="bob")
    house.services.sessions.keep_preset(PEOPLE["alice"], "mine", SessionRequest(app="lab"))
    with page_of(browser, url, width=width, dark=dark) as page:
        log_in(page)
        pages = ["/", "/sessions", *(f"/sessions/{one}" for one in (ended, running, waiting, others))]
        pages += [
            "/sessions/new",
            "/sessions/new/lab",
            f"/share/session/{running}",
            f"/jobs/{running}",
            "/jobs",
        ]
        for path in pages:
            page.goto(path)
            check(page)
        page.goto("/sessions")
        page.get_by_text("Extend").first.click()
        page.get_by_text("End of the log").click()
        expect(page.locator(".tail pre")).to_be_visible()
        check(page)
        page.goto("/sessions/new/lab")
        page.get_by_label("Folder to open").fill("/etc")
        page.get_by_label("Greeting").fill("A")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.locator(".banner.bad")).to_be_visible()
        check(page)
        page.get_by_label("Folder to open").fill("")
        page.get_by_label("Greeting").fill("a")
        page.get_by_role("button", name="When would it start?").click()
        expect(page.get_by_text("to start at")).to_be_visible()
        check(page)
    with page_of(browser, url, width=width, dark=dark, script=False) as page:
        log_in(page)
        page.goto(f"/sessions/{running}")
        with page.context.expect_page() as opening:
            page.get_by_role("button", name="Open").click()
        opening.value.wait_for_load_state()
        expect(opening.value.get_by_role("button", name="Open Lab")).to_be_visible()
