"""A person at the real portal: Chromium, nginx, LDAP, the broker and Slurm, and back to the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sciserver_hpc.client import Client
from tests.portal.live import log_in, page_of

from .conftest import Cluster

PATIENCE_MS = 90_000


@pytest.fixture
def page(browser: Browser, cluster: Cluster) -> Iterator[Page]:
    """A page of alice's, logged in with her LDAP password."""
    with page_of(browser, cluster.url) as opened:
        log_in(opened, "alice", cluster.password("alice"))
        yield opened


def test_a_notebook_from_the_form_to_its_rendered_answer(page: Page, cluster: Cluster) -> None:
    page.goto("/jobs/new")
    page.get_by_role("radio", name="Notebook").check()
    page.get_by_label("Notebook (.ipynb)").set_input_files(cluster.samples / "sunspots.ipynb")
    page.get_by_label("Parameters, name=value a line").fill("first_year=1750")
    page.get_by_label("Name", exact=True).fill("sunspots since 1750")
    page.get_by_role("button", name="Submit").click()
    page.evaluate("window.mark = 1")
    badge = page.locator("#state .badge")
    expect(badge).to_contain_text("Succeeded", timeout=PATIENCE_MS)
    assert page.evaluate("window.mark") == 1, "the page was loaded anew"
    page.get_by_role("link", name="Results", exact=True).click()
    page.get_by_role("link", name="sunspots.ipynb", exact=True).click()
    rendered = page.frame_locator("iframe")
    expect(rendered.get_by_text("ANSWER period_years=1").first).to_be_visible()
    expect(rendered.locator("img").first).to_be_visible()


def test_a_log_grows_and_a_cancel_ends_the_job(page: Page) -> None:
    page.goto("/jobs/new")
    command = "for i in $(seq 600); do echo tick $i; sleep 0.5; done"
    page.get_by_role("textbox", name="Command", exact=True).fill(command)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#state .badge")).to_contain_text("Running", timeout=PATIENCE_MS)
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.locator("#log")).to_contain_text("tick 3", timeout=PATIENCE_MS)
    page.get_by_role("link", name="Overview", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#state .badge")).to_contain_text("Cancelled", timeout=PATIENCE_MS)
    expect(page.locator("#state")).to_contain_text("Cancelled by alice.")


def test_what_is_not_granted_is_refused_beside_the_form_with_its_reason(page: Page) -> None:
    page.goto("/jobs/new")
    page.get_by_role("textbox", name="Command", exact=True).fill("true")
    page.get_by_label("Hours").fill("900")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("at most 1 d in domain batch")).to_be_visible()


def test_another_persons_job_is_not_there(
    browser: Browser, cluster: Cluster, client_of: Callable[[str], Client]
) -> None:
    job = client_of("alice").submit_shell("true", name="mine alone")
    with page_of(browser, cluster.url) as page:
        log_in(page, "bob", cluster.password("bob"))
        for tab in ("", "/log", "/results", "/script", "/provenance"):
            answer = page.goto(f"/jobs/{job.id}{tab}")
            assert answer is not None and answer.status == 404, tab
            assert "mine alone" not in page.content()
