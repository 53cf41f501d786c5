"""Administration in a real browser, with script and without."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from sciserver_hpc.domain.access import EVERYONE, Subject
from sciserver_hpc.domain.limits import Limit

from .cast import EVIL, Cast
from .live import LOOKS, check, log_in, page_of

PAGES = (
    *(f"/admin/{one}" for one in ("domains", "images", "volumes", "roots", "limits", "people")),
    *(f"/admin/new/{one}" for one in ("domains", "images", "limits")),
    *(
        "/admin",
        "/admin/domains/batch",
        "/admin/images/r",
        "/admin/roots/Storage",
        "/admin/limits/group:survey@batch",
    ),
)


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_a_limit_from_the_overview_to_the_trail(cast: Cast, browser: Browser, url: str, script: bool) -> None:
    with page_of(browser, url, script=script) as page:
        log_in(page, "root1")
        page.get_by_role("link", name="Admin", exact=True).click()
        page.get_by_role("link", name="New limit").click()
        page.get_by_label("For", exact=True).select_option("A group of the portal")
        page.get_by_label("Name", exact=True).fill("survey")
        page.get_by_role("button", name="Show what changes").click()
        expect(page.get_by_role("alert")).to_contain_text("give at least one of")
        page.get_by_label("CPUs", exact=True).fill("16")
        page.get_by_role("button", name="Show what changes").click()
        expect(page.get_by_text("limit group survey in all domains: 16 cpus")).to_be_visible()
        page.get_by_role("button", name="Back to the form").click()
        expect(page.get_by_label("CPUs", exact=True)).to_have_value("16")
        page.get_by_role("button", name="Show what changes").click()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Saved.")
        page.get_by_label("CPUs", exact=True).fill("32")
        page.get_by_role("button", name="Show what changes").click()
        expect(page.get_by_text("16 cpus → 32 cpus")).to_be_visible()
        page.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="trail").click()
        expect(page.get_by_text("root1 changed the limit")).to_be_visible()


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_every_page_of_administration_is_accessible_and_fits(
    cast: Cast, browser: Browser, url: str, width: dict[str, int], dark: bool
) -> None:
    site = cast.house.store.site()
    long = site.domains[0].model_copy(update={"name": "d" * 64, "description": EVIL * 3})
    survey = Limit(subject=Subject(kind="portal_group", name="survey"), domain="batch", cpus=4)
    limits = (Limit(subject=EVERYONE, jobs=200), survey)
    cast.house.store.apply_site(site.model_copy(update={"domains": (*site.domains, long), "limits": limits}))
    with page_of(browser, url, width=width, dark=dark) as page:
        log_in(page, "root1")
        for path in PAGES:
            page.goto(path)
            check(page)
        page.goto("/admin/images/r")
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_text("grant everyone: use image r")).to_be_visible()
        check(page)
        page.goto("/admin/domains/batch")
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_role("alert")).to_contain_text("1 unfinished job needs domain batch")
        check(page)
        page.goto("/admin/new/images")
        page.get_by_label("Name", exact=True).fill("new")
        page.get_by_label("Version").fill("1")
        page.get_by_label("Path").fill("/nope.sif")
        page.get_by_role("button", name="Show what changes").click()
        expect(page.locator("#problem-path")).to_contain_text("No such file")
        check(page)
