"""An array's tasks on the pages of its job."""

from __future__ import annotations

import pytest

from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.states import JobState

from .house import PEOPLE, House


def array(house: House) -> int:
    """Tasks 1, 4 and 7; the first two have written something."""
    asked = JobRequest(kind="shell", command="hostname", array="1-7:3%2")
    number = house.services.jobs.submit(PEOPLE["alice"], asked)[0].id
    house.move(number, JobState.SUBMITTING)
    house.move(number, JobState.RUNNING, tasks={"SUCCEEDED": 1, "RUNNING": 1, "PENDING": 1})
    for task in (1, 4):
        house.write(number, f"stdout.{task}.txt", f"task {task} says hello".encode())
        house.write(number, f"stderr.{task}.txt", f"task {task} complains".encode())
        house.write(number, f"provenance.{task}.json", f'{{"run": "of {task}"}}'.encode())
    return number


@pytest.mark.parametrize(("query", "task"), [("", 1), ("?task=4", 4), ("?task=04", 4), ("?task=", 1)])
def test_a_task_is_chosen_in_the_url(house: House, query: str, task: int) -> None:
    number = array(house)
    page = house.browser("alice").get(f"/jobs/{number}/log{query}").text
    assert f"task {task} says hello" in page
    assert f'data-task="{task}"' in page
    assert f'href="/jobs/{number}/download?path=stdout.{task}.txt"' in page
    assert f"sciserver-logs -f {number}_{task}" in page


def test_its_neighbours_and_the_other_stream_are_one_click_away(house: House) -> None:
    number = array(house)
    browser = house.browser("alice")
    page = browser.get(f"/jobs/{number}/log?task=4&stream=stderr").text
    assert "task 4 complains" in page
    for link in ("?stream=stderr&amp;task=1", "?stream=stderr&amp;task=7", "?stream=stdout&amp;task=4"):
        assert f'href="{link}"' in page
    assert browser.get(f"/jobs/{number}/download?path=stderr.4.txt").data == b"task 4 complains"


def test_states_of_all_tasks_are_counted(house: House) -> None:
    number = array(house)
    page = house.browser("alice").get(f"/jobs/{number}/log").text
    assert page.count("</span> 1</li>") == 3


def test_a_task_without_a_log_says_so(house: House) -> None:
    number = array(house)
    browser = house.browser("alice")
    assert "Task 7 has written nothing to stdout yet" in browser.get(f"/jobs/{number}/log?task=7").text
    house.move(number, JobState.FAILED)
    assert "Task 7 wrote nothing to stdout." in browser.get(f"/jobs/{number}/log?task=7").text


@pytest.mark.parametrize("task", ["2", "8", "-1", "x", "<b>", "99999999999999999999", "٤", "../4"])
def test_a_task_that_is_not_there_is_told(house: House, task: str) -> None:
    number = array(house)
    for tab in ("log", "provenance"):
        answer = house.browser("alice").get(f"/jobs/{number}/{tab}", query_string={"task": task})
        assert answer.status_code == 200
        assert "There is no task" in answer.text and "task 1 is shown" in answer.text
        assert "<b>" not in answer.text


def test_each_task_has_a_record(house: House) -> None:
    number = array(house)
    browser = house.browser("alice")
    assert "of 1" in browser.get(f"/jobs/{number}/provenance").text
    assert "of 4" in browser.get(f"/jobs/{number}/provenance?task=4").text
    assert "It is written when task 7 ends." in browser.get(f"/jobs/{number}/provenance?task=7").text


def test_a_job_without_tasks_shows_none(house: House) -> None:
    asked = JobRequest(kind="shell", command="hostname")
    number = house.services.jobs.submit(PEOPLE["alice"], asked)[0].id
    for tab in ("log", "provenance"):
        page = house.browser("alice").get(f"/jobs/{number}/{tab}?task=3")
        assert page.status_code == 200 and "array-task" not in page.text
