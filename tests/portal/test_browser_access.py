"""Groups and sharing in a real browser, with script and without."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from sciserver_hpc.domain.groups import Accessibility, user

from .cast import SHARE, Cast
from .live import DESKTOP, LOOKS, PHONE, check, log_in, page_of

LONG = "a-name-without-any-place-to-break-" * 2


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_from_an_invitation_to_a_shared_volume(cast: Cast, browser: Browser, url: str, script: bool) -> None:
    with page_of(browser, url, script=script) as page:
        log_in(page, "dave")
        page.get_by_role("link", name="Look at it").click()
        page.get_by_role("button", name="Accept the invitation to survey").click()
        expect(page.get_by_role("heading", name="Members")).to_be_visible()
        page.get_by_role("link", name="Volumes").click()
        page.get_by_role("link", name="Share Temporary/dave/scratch").click()
        page.get_by_label("Who", exact=True).fill("carol")
        page.get_by_label("Who", exact=True).press("Enter")
        expect(page.get_by_role("radio", name="carol")).to_be_checked()
        page.get_by_role("checkbox", name="may read").check()
        page.get_by_role("button", name="Show what would happen").click()
        expect(page.get_by_role("status")).to_contain_text("carol may read it")
        page.get_by_role("button", name="Share", exact=True).click()
        expect(page.get_by_role("row", name="carol")).to_contain_text("may read by you")
        page.get_by_role("row", name="carol").get_by_role("link", name="Why?").click()
        expect(page.locator("#answer")).to_contain_text("Yes: carol may read")
        page.go_back()
        page.get_by_role("row", name="carol").get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("Nobody but you.")).to_be_visible()


def test_a_group_is_made_filled_and_deleted(cast: Cast, browser: Browser, url: str) -> None:
    with page_of(browser, url, width=PHONE) as page:
        log_in(page, "erin")
        page.get_by_role("link", name="Groups").click()
        page.get_by_role("link", name="New group").click()
        page.get_by_label("Name", exact=True).fill("club")
        page.get_by_role("button", name="Make group").click()
        page.get_by_label("Who", exact=True).fill("ek")
        page.get_by_role("button", name="Find").click()
        page.get_by_role("radio", name="carol").check()
        page.get_by_role("button", name="Invite").click()
        expect(page.get_by_role("row", name="carol")).to_contain_text("Member")
        page.get_by_role("button", name="Withdraw the invitation of carol").click()
        expect(page.get_by_role("row", name="carol")).to_have_count(0)
        page.get_by_text("Delete", exact=True).click()
        page.get_by_label("Type club to confirm").fill("clun")
        page.get_by_role("button", name="Delete the group").click()
        expect(page.locator("#problem-confirm")).to_be_visible()
        page.get_by_label("Type club to confirm").fill("club")
        page.get_by_role("button", name="Delete the group").click()
        expect(page.get_by_text("You are in no group yet")).to_be_visible()


@pytest.mark.parametrize("width", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_support_from_its_begin_to_its_end(
    cast: Cast, browser: Browser, url: str, width: dict[str, int]
) -> None:
    with page_of(browser, url, width=width) as page, page_of(browser, url) as hers:
        log_in(page, "root1")
        page.get_by_role("link", name="root1").click()
        page.get_by_role("link", name="Look as a user, for support").click()
        page.get_by_label("User name").fill("alice")
        page.get_by_label("Reason").fill("ticket 7")
        page.get_by_role("button", name="Look as them").click()
        expect(page.get_by_role("heading", name="Hello, Alice Adams")).to_be_visible()
        check(page)
        page.goto(f"/jobs/{cast.job}")
        check(page)
        page.get_by_role("link", name="Results").click()
        expect(page.get_by_text("what is in their files is theirs")).to_be_visible()
        log_in(hers)
        expect(hers.get_by_text("root1 looks at your pages as you")).to_be_visible()
        check(hers)
        page.get_by_role("button", name="End", exact=True).click()
        expect(page.get_by_role("heading", name="Hello, Root1 Ek")).to_be_visible()
        hers.goto("/audit")
        expect(hers.get_by_text("no longer looks as")).to_be_visible()


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_every_page_of_groups_and_sharing_is_accessible_and_fits(
    cast: Cast, browser: Browser, url: str, width: dict[str, int], dark: bool
) -> None:
    cast.groups.create(cast.asker("erin"), LONG[:64], LONG * 3, Accessibility.PUBLIC)
    cast.groups.invite(cast.asker("erin"), LONG[:64], user("alice"))
    why = "/why?user=bob&kind=user_volume&name=Storage/alice/persistent&action="
    paths = {
        "alice": ("/", "/groups", "/new/group", "/groups/survey", f"/groups/{LONG[:64]}", "/sharing",
                  "/sharing/mine", SHARE, f"/share/job/{cast.job}", f"/jobs/{cast.job}", "/why",
                  f"{why}write", f"{why}create", "/audit", "/audit?who=alice&from=soon", "/audit?who=zz",
                  "/volumes"),
        "bob": ("/sharing", f"/jobs/{cast.job}", f"/jobs/{cast.job}/results"),
        "erin": ("/groups/survey", "/sharing", "/sharing/mine", "/why?user=bob&kind=job&name=1&action=read"),
        "root1": ("/sharing/site", "/share/image/python", "/audit", "/groups/lab", "/me", "/support",
                  "/share/site/site"),
    }  # fmt: skip
    for who, theirs in paths.items():
        with page_of(browser, url, width=width, dark=dark) as page:
            log_in(page, who)
            for path in theirs:
                page.goto(path)
                for summary in page.locator("summary").all():
                    summary.click()
                check(page)
    with page_of(browser, url, width=width, dark=dark) as page:
        log_in(page)
        for path, wrong in (("/groups/survey", "Invite"), (SHARE, "Share")):
            page.goto(path)
            page.get_by_label("Who", exact=True).fill("ek")
            page.get_by_role("button", name=wrong, exact=True).click()
            expect(page.locator("#problem-q")).to_contain_text("choose whom you mean")
            check(page)
