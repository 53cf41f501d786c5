"""Arrays by API and on pages: their tasks, running again what failed, the table of what they found."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from playwright.sync_api import Browser

from sciserver_hpc.domain.jobs import Usage
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tasks import Task, counted

from .house import House, shell
from .live import DESKTOP, PHONE, check, log_in, page_of
from .test_api_jobs import Caller

EVIL = "<script>alert(1)</script>"
DONE, FAILED = JobState.SUCCEEDED, JobState.FAILED


@pytest.fixture
def alice(house: House) -> Caller:
    return Caller(house, "alice")


def submitted(alice: Caller, **fields: Any) -> int:
    answer = alice("POST", "/jobs", shell(**fields))
    assert answer.status_code == 201, answer.json
    return int(answer.json["job"]["id"])


def over(house: House, number: int, *ends: JobState, state: JobState = FAILED) -> None:
    """The array is over; its tasks ended so, in order."""
    tasks = [
        Task(index=index, state=end, node="n1", exit_code=0 if end is DONE else 3, elapsed_s=index)
        for index, end in enumerate(ends)
    ]
    house.store.keep_tasks([(number, tasks)])
    job = house.store.job(number)
    assert job is not None
    counts = counted(job.spec.array or "", state, ends)
    house.move(number, state, ended_at=house.clock.now(), tasks=counts, usage=Usage(elapsed_s=9))


def test_tasks_are_told_by_index_those_that_wait_included(house: House, alice: Caller) -> None:
    number = submitted(alice, array="0-8:2")
    house.store.keep_tasks([(number, [Task(index=4, state=FAILED, node="n1", exit_code=3)])])
    house.move(number, JobState.RUNNING)
    first = alice("GET", f"/jobs/{number}/tasks?limit=3").json
    assert [(task["index"], task["state"]) for task in first["tasks"]] == [
        (0, "PENDING"),
        (2, "PENDING"),
        (4, "FAILED"),
    ]
    assert first["counts"] == {"PENDING": 4, "FAILED": 1}
    rest = alice("GET", f"/jobs/{number}/tasks?after={first['next']}").json
    assert ([task["index"] for task in rest["tasks"]], rest["next"]) == ([6, 8], None)
    failed = alice("GET", f"/jobs/{number}/tasks?state=FAILED").json["tasks"]
    assert [(task["index"], task["exit_code"], task["node"]) for task in failed] == [(4, 3, "n1")]


def test_what_is_no_array_has_no_tasks(house: House, alice: Caller) -> None:
    number = submitted(alice)
    for method, path in (("GET", "tasks"), ("GET", "table"), ("POST", "retry")):
        answer = alice(method, f"/jobs/{number}/{path}", {} if method == "POST" else None)
        assert (answer.status_code, "no array" in answer.text) == (409, True)
    assert Caller(house, "bob")("GET", f"/jobs/{number}/tasks").status_code == 404


def test_only_what_failed_runs_again_and_both_histories_say_so(house: House, alice: Caller) -> None:
    number = submitted(alice, array="0-4%2", name="fits")
    over(house, number, DONE, FAILED, DONE, JobState.TIMEOUT, JobState.CANCELLED)
    answer = alice("POST", f"/jobs/{number}/retry", Idempotency_Key="k")
    assert answer.status_code == 201
    again = answer.json["job"]
    assert (again["array"], again["name"], again["retry_of"]) == ("1,3%2", "fits", number)
    assert alice("POST", f"/jobs/{number}/retry", Idempotency_Key="k").json["job"]["id"] == again["id"]
    told = {
        job: [event["text"] for event in alice("GET", f"/jobs/{job}/events").json["events"]]
        for job in (number, again["id"])
    }
    assert told[number][-1] == f"What failed of it runs again as job {again['id']}: tasks 1,3"
    assert told[again["id"]] == ["Accepted.", f"Runs again what failed of job {number}: tasks 1,3"]
    more = alice("POST", f"/jobs/{number}/retry", {"cancelled": True}).json["job"]
    assert more["array"] == "1,3-4%2"


def test_a_part_of_a_sweep_keeps_its_rows(house: House, alice: Caller) -> None:
    number = submitted(alice, sweep={"grid": {"n": [1, 2, 3]}, "at_once": 2})
    over(house, number, FAILED, DONE, FAILED)
    again = alice("POST", f"/jobs/{number}/retry").json["job"]
    assert (again["array"], again["sweep"]) == ("0,2%2", ["n"])
    rows = alice("GET", f"/jobs/{again['id']}/table").json["rows"]
    assert [(row["task"], row["parameters"]) for row in rows] == [(0, {"n": 1}), (2, {"n": 3})]


def test_the_order_of_a_grid_is_the_one_that_was_asked_for(house: House, alice: Caller) -> None:
    number = submitted(alice, sweep={"grid": {"z": [1, 2], "a": [3, 4]}})
    rows = alice("GET", f"/jobs/{number}/table").json["rows"]
    assert [list(row["parameters"].items()) for row in rows] == [
        [("z", 1), ("a", 3)],
        [("z", 1), ("a", 4)],
        [("z", 2), ("a", 3)],
        [("z", 2), ("a", 4)],
    ]
    first = alice("POST", "/jobs", shell(sweep={"grid": {"z": [1], "a": [3]}}), Idempotency_Key="k")
    other = alice("POST", "/jobs", shell(sweep={"grid": {"a": [3], "z": [1]}}), Idempotency_Key="k")
    assert (first.status_code, other.status_code) == (201, 409)


@pytest.mark.parametrize(
    ("ends", "state", "words"),
    [
        ((DONE, DONE), DONE, "No task of job"),
        ((DONE, JobState.CANCELLED), JobState.CANCELLED, "1 were cancelled"),
        ((DONE, FAILED), JobState.RUNNING, "is not over"),
    ],
)
def test_what_cannot_be_retried(
    house: House, alice: Caller, ends: tuple[JobState, ...], state: JobState, words: str
) -> None:
    number = submitted(alice, array="0-1")
    over(house, number, *ends, state=state)
    answer = alice("POST", f"/jobs/{number}/retry")
    assert (answer.status_code, words in answer.json["error"]["message"]) == (409, True), answer.json
    assert alice("GET", "/jobs").json["jobs"][0]["id"] == number


def test_a_success_is_not_run_again_because_accounting_is_late(house: House, alice: Caller) -> None:
    number = submitted(alice, array="0-1")
    house.store.keep_tasks([(number, [Task(index=0, state=FAILED, node="n1")])])
    house.move(number, FAILED, ended_at=house.clock.now(), slurm_id=7)
    answer = alice("POST", f"/jobs/{number}/retry")
    assert (answer.status_code, "not known yet" in answer.json["error"]["message"]) == (409, True)
    house.clock.advance(700)
    assert alice("POST", f"/jobs/{number}/retry").json["job"]["array"] == "0-1"


def test_too_many_scattered_failures_cannot_be_named(house: House, alice: Caller) -> None:
    number = submitted(alice, array="0-9999")
    ends = [FAILED if index % 7 in (0, 3) else DONE for index in range(10_000)]
    over(house, number, *ends)
    answer = alice("POST", f"/jobs/{number}/retry")
    assert answer.status_code == 422
    assert "Slurm takes 4096" in answer.json["error"]["problems"]["array"]


HOSTILE = {
    0: b'{"area": 3.5, "note": "=1+1"}',
    1: b"nonsense",
    2: b"[1]",
    3: b'{"area": NaN}',
    4: b"[" * 5000,
    5: b"x" * 20_000,
    6: b"\xff\xfe",
    7: b'{"a": "\\ud800"}',
    8: json.dumps({f"f{n}": n for n in range(101)}).encode(),
    9: b"",
    10: b'{"n": ' + b"9" * 6000 + b"}",
}


def test_hostile_results_are_said_in_their_rows(house: House, alice: Caller) -> None:
    number = submitted(alice, sweep={"grid": {"n": list(range(12))}})
    for task, data in HOSTILE.items():
        house.write(number, f"result.{task}.json", data)
    rows = alice("GET", f"/jobs/{number}/table").json["rows"]
    assert rows[0]["result"] == {"area": 3.5, "note": "=1+1"}
    assert (rows[11]["result"], rows[11]["problem"]) == ({}, "")
    assert all(row["problem"] and not row["result"] for row in rows[1:11]), rows
    text = alice("GET", f"/jobs/{number}/table.csv").get_data(as_text=True)
    table = list(csv.DictReader(io.StringIO(text)))
    assert (table[0]["parameters.n"], table[0]["result.area"], table[0]["result.note"]) == (
        "0",
        "3.5",
        "'=1+1",
    )
    assert [bool(row["problem"]) for row in table] == [bool(row["problem"]) for row in rows]
    assert house.browser("alice").get(f"/jobs/{number}/table").status_code == 200


def test_what_tasks_write_is_escaped(house: House, alice: Caller) -> None:
    number = submitted(alice, sweep={"table": [{"word": EVIL}, {"word": "x"}]})
    house.write(number, "result.0.json", json.dumps({EVIL: EVIL}).encode())
    over(house, number, FAILED, DONE)
    browser = house.browser("alice")
    for tab in ("", "/tasks", "/table", "/tasks?state=FAILED", "/tasks?state=nonsense&after=x"):
        answer = browser.get(f"/jobs/{number}{tab}")
        assert (answer.status_code, "<script>alert" in answer.text) == (200, False), tab


def test_the_page_draws_all_tasks_and_runs_the_failed_again(house: House, alice: Caller) -> None:
    number = submitted(alice, array="0-9999")
    ends = [FAILED if index == 77 else DONE for index in range(10_000)]
    over(house, number, *ends)
    browser = house.browser("alice")
    page = browser.get(f"/jobs/{number}/tasks").text
    assert 'aria-label="10000 tasks: 9999 succeeded, 1 failed"' in page
    assert "Run the failed task again" in page
    assert len(page) < 100_000
    form = {"key": page.partition('name="key" value="')[2].partition('"')[0]}
    answer, again = (browser.post(f"/jobs/{number}/retry", form) for _ in range(2))
    assert (answer.status_code, answer.headers["Location"]) == (303, again.headers["Location"])
    assert browser.post(f"/jobs/{number}/retry").headers["Location"] != again.headers["Location"]
    shown = browser.get(answer.headers["Location"]).text
    assert f'<a href="/jobs/{number}">job {number}</a>' in shown


def test_the_form_takes_a_table(house: House, alice: Caller) -> None:
    browser = house.browser("alice")
    form = {"kind": "shell", "command": "echo $PARAM_n", "sweep": "n,word\r\n1,a b\r\n2,\r\n", "at_once": "1"}
    number = int(browser.post("/jobs/new", form).headers["Location"].rpartition("/")[2])
    job = alice("GET", f"/jobs/{number}").json["job"]
    assert (job["array"], job["sweep"]) == ("0-1%1", ["n", "word"])
    assert "n,word\n1,a b\n2," in browser.get(f"/jobs/new?again={number}").text
    wrong = browser.post("/jobs/new", form | {"sweep": "n\n1,2\n"})
    assert (wrong.status_code, "has 2 cells" in wrong.text) == (422, True)


@pytest.mark.parametrize("width", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pages_of_arrays_are_for_everybody(
    house: House, alice: Caller, browser: Browser, url: str, width: dict[str, int]
) -> None:
    house.stands_at(url)
    number = submitted(alice, sweep={"table": [{"word": "long " * 40, "n": n} for n in range(50)]})
    house.write(number, "result.0.json", json.dumps({f"field{n}": n for n in range(20)}).encode())
    house.write(number, "result.1.json", b"nonsense")
    over(house, number, *[FAILED if n % 9 == 0 else DONE for n in range(50)])
    with page_of(browser, url, width=width, dark=width is PHONE) as page:
        log_in(page)
        for tab in ("", "/tasks", "/tasks?state=FAILED", "/table"):
            page.goto(f"/jobs/{number}{tab}")
            check(page)
        page.goto(f"/jobs/{number}")
        page.get_by_role("link", name="Failed 6").click()
        page.get_by_role("rowheader", name="45").wait_for()
        page.get_by_role("button", name="Run the 6 failed again").click()
        page.wait_for_url(f"**/jobs/{number + 1}")
        assert "Runs again what failed of" in page.inner_text("#retry-of")


def test_a_file_that_takes_a_results_name_is_refused(alice: Caller) -> None:
    answer = alice("POST", "/jobs", shell(array="0-1", stdout="result.json"))
    assert (answer.status_code, "taken" in answer.text) == (422, True)
