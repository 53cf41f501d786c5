"""The portal in a real browser: what a person does, and what they see without doing anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.states import JobState

from .house import PEOPLE, House
from .live import LOOKS, check, log_in, page_of
from .notebooks import PLAIN

ALICE = PEOPLE["alice"]
OTHERS = ("/jobs/new", "/me", "/nope")


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page of alice's, logged in; what its console complains of fails the test."""
    with page_of(browser, url) as opened:
        complaints: list[str] = []
        opened.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        log_in(opened)
        yield opened
        # Chromium reports a form that came back with problems (422) as a failed load.
        assert [text for text in complaints if "422" not in text] == []


def running_job(house: House, name: str = "mosaic") -> int:
    """A job of alice's that runs and has written a line."""
    job, _ = house.services.jobs.submit(ALICE, JobRequest(kind="shell", name=name, command="sleep 1"))
    house.move(job.id, JobState.SUBMITTING)
    house.move(job.id, JobState.RUNNING, "Runs on n1", node="n1", slurm_id=7, started_at=house.clock.now())
    house.write(job.id, "stdout.txt", b"line 1\n")
    return job.id


def running_array(house: House) -> int:
    """An array of alice's whose task 4 has written a line."""
    asked = JobRequest(kind="shell", name="sweep", command="sleep 1", array="1-10:3%2")
    job, _ = house.services.jobs.submit(ALICE, asked)
    house.move(job.id, JobState.SUBMITTING)
    house.move(job.id, JobState.RUNNING, "Runs", slurm_id=8, tasks={"SUCCEEDED": 1, "RUNNING": 3})
    house.write(job.id, "stdout.4.txt", b"line 1 of task 4\n")
    return job.id


def ended_job(house: House) -> int:
    """A job of alice's that is over, with results of every kind."""
    number = running_job(house, "sunspot cycle")
    house.move(number, JobState.SUCCEEDED, "Ended", ended_at=house.clock.now())
    house.write(number, "answer.ipynb", json.dumps(PLAIN).encode())
    house.write(number, "out/fit.txt", b"10.9 years\n")
    return number


def test_a_command_from_login_to_its_page(page: Page) -> None:
    page.get_by_role("link", name="New job").first.click()
    page.get_by_role("textbox", name="Command", exact=True).fill("hostname")
    page.get_by_label("Name", exact=True).fill("first")
    page.get_by_role("button", name="Show what will happen").click()
    expect(page.get_by_text("to start at")).to_be_visible()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    expect(page.locator("#state .badge")).to_contain_text("Accepted")


def test_what_is_wrong_stands_at_its_field_and_the_rest_stays(page: Page) -> None:
    page.goto("/jobs/new")
    page.get_by_role("textbox", name="Command", exact=True).fill("hostname # kept")
    page.get_by_label("CPUs").fill("999")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("CPUs")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#problem-cpus")).to_contain_text("at most 8")
    expect(page.get_by_role("textbox", name="Command", exact=True)).to_have_value("hostname # kept")


def test_a_state_changes_without_a_reload_and_focus_stays(house: House, page: Page) -> None:
    number = running_job(house)
    page.goto(f"/jobs/{number}")
    page.evaluate("window.mark = 1")
    page.get_by_role("link", name="Edit and run again").focus()
    house.move(number, JobState.SUCCEEDED, "It is done", ended_at=house.clock.now())
    expect(page.locator("#state .badge")).to_contain_text("Succeeded")
    expect(page.locator("#events")).to_contain_text("It is done")
    expect(page.get_by_role("link", name="Edit and run again")).to_be_focused()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    assert page.evaluate("window.mark") == 1


def test_a_ticked_box_survives_the_next_look(house: House, page: Page) -> None:
    first, second = running_job(house, "one"), running_job(house, "two")
    page.goto("/jobs")
    page.get_by_label(f"Select job {first}").check()
    house.move(second, JobState.FAILED)
    expect(page.locator(f"#job-{second} .badge")).to_contain_text("Failed")
    expect(page.get_by_label(f"Select job {first}")).to_be_checked()
    page.get_by_role("button", name="Cancel selected").click()
    page.wait_for_load_state()
    stored = house.store.job(first)
    assert stored is not None and stored.cancel_requested


def test_cancel_is_one_click(house: House, page: Page) -> None:
    number = running_job(house)
    page.goto(f"/jobs/{number}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelling…")).to_be_visible()


def test_a_log_is_followed_and_searched(house: House, page: Page) -> None:
    number = running_job(house)
    page.goto(f"/jobs/{number}/log")
    expect(page.locator("#log")).to_have_text("line 1\n")
    house.write(number, "stdout.txt", b"line 1\nline 2\n<b>line 3</b>\n")
    expect(page.locator("#log")).to_contain_text("<b>line 3</b>")
    page.get_by_label("Find in log").fill("line")
    expect(page.locator("#found")).to_have_text("3 places")


def test_a_tasks_log_is_chosen_followed_and_saved(house: House, page: Page) -> None:
    number = running_array(house)
    page.goto(f"/jobs/{number}")
    page.get_by_role("link", name="Read the tasks’ logs").click()
    expect(page.locator("#log-state")).to_contain_text("Task 1 has written nothing to stdout yet")
    page.get_by_role("link", name="Task 4").click()
    expect(page.locator("#log")).to_have_text("line 1 of task 4\n")
    house.write(number, "stdout.4.txt", b"line 1 of task 4\nline 2\n")
    expect(page.locator("#log")).to_contain_text("line 2")
    house.move(number, JobState.RUNNING, "One more", tasks={"SUCCEEDED": 2, "RUNNING": 2})
    expect(page.locator("#task-states")).to_contain_text("Succeeded 2")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename == "stdout.4.txt"
    page.get_by_label("Task", exact=True).fill("5")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#problem-task")).to_contain_text("There is no task")
    expect(page.get_by_label("Task", exact=True)).to_have_value("5")


def test_array_and_dependencies_stand_in_a_part_that_opens(house: House, page: Page) -> None:
    first = running_job(house)
    page.goto("/jobs/new")
    expect(page.get_by_label("Array")).to_be_hidden()
    page.get_by_text("More: array").click()
    page.get_by_role("textbox", name="Command", exact=True).fill("hostname")
    page.get_by_label("Array").fill("1-100%5")
    page.get_by_label("These succeeded").fill(str(first))
    page.get_by_role("button", name="Show what will happen").click()
    expect(page.get_by_label("Command line")).to_contain_text(f"-a 1-100%5 -d afterok:{first}")
    expect(page.get_by_label("Array")).to_have_value("1-100%5")


def test_results_are_shown_and_saved(house: House, page: Page) -> None:
    number = ended_job(house)
    page.goto(f"/jobs/{number}/results")
    page.get_by_role("link", name="answer.ipynb", exact=True).click()
    expect(page.frame_locator("iframe").get_by_role("heading", name="The cycle")).to_be_visible()
    page.goto(f"/jobs/{number}/results")
    page.get_by_role("link", name="out/").click()
    page.get_by_role("link", name="fit.txt", exact=True).click()
    expect(page.get_by_text("10.9 years")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").click()
    assert Path(saved.value.path()).read_bytes() == b"10.9 years\n"


def test_a_theme_is_chosen_and_kept(page: Page) -> None:
    for word in ("light", "dark"):
        page.get_by_role("button", name="Theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", word)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_reading_and_submitting_work_without_script(house: House, browser: Browser, url: str) -> None:
    number = ended_job(house)
    with page_of(browser, url, script=False) as page:
        log_in(page)
        page.goto("/jobs/new")
        page.get_by_role("textbox", name="Command", exact=True).fill("date")
        page.get_by_role("button", name="Submit").click()
        expect(page.locator("#state .badge")).to_contain_text("Accepted")
        page.goto(f"/jobs/{number}/log")
        expect(page.locator("#log")).to_have_text("line 1\n")
        page.goto(f"/jobs/{number}/results?path=answer.ipynb")
        expect(page.frame_locator("iframe").get_by_role("heading", name="The cycle")).to_be_visible()


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_every_page_is_accessible_and_fits(
    house: House, browser: Browser, url: str, width: dict[str, int], dark: bool
) -> None:
    ended, running = ended_job(house), running_job(house, "a-name-without-any-place-to-break-" * 3)
    tabs = [f"/jobs/{ended}{tab}" for tab in ("", "/log", "/results", "/script", "/provenance")]
    array = running_array(house)
    tabs += [f"/jobs/{array}{tab}" for tab in ("", "/log?task=4", "/log?task=5", "/provenance")]
    files = [f"/jobs/{ended}/results?path={path}" for path in ("answer.ipynb", "out/fit.txt", "nothing")]
    with page_of(browser, url, width=width, dark=dark) as page:
        page.goto("/login")
        check(page)
        log_in(page)
        for path in [
            "/",
            "/jobs",
            "/jobs?name=zzz",
            f"/jobs/{running}",
            *tabs,
            *files,
            "/jobs/new",
            "/me",
            "/nope",
        ]:
            page.goto(path)
            check(page)
        page.goto("/jobs/new")
        page.get_by_label("CPUs").fill("999")
        page.get_by_text("More: array").click()
        page.get_by_label("Array").fill("9-1")
        check(page)
        page.get_by_role("button", name="Submit").click()
        expect(page.locator(".banner.bad")).to_be_visible()
        check(page)
        for key in ("cluster:default", "accounting:default", "directory"):
            note = {"ok": False, "problem": "no-answer-" * 30, "at": house.clock.now().isoformat()}
            house.store.note(key, note)
        page.goto("/jobs")
        check(page)
