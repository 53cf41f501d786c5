"""Long histories in pages and API: older and newer, looking further back, and jobs in the archive."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.listing import LONGEST_LOOK
from sciserver_hpc.domain.states import JobState
from tests.fakes.jobs import add_job, make_job, next_job_id

from .house import House, shell
from .test_api_jobs import Caller

LONG_AGO = timedelta(days=100)


def add(house: House, **fields: Any) -> Job:
    return add_job(house.store, make_job(next_job_id(house.store), **fields), "d" * 64, "{}")


def archived(house: House, **fields: Any) -> Job:
    """A job of alice's that is in the archive by now."""
    at = house.clock.now() - LONG_AGO
    job = make_job(next_job_id(house.store), state=JobState.SUCCEEDED, ended_at=at, changed_at=at, **fields)
    add_job(house.store, job, "d" * 64, "{}", "spent-key")
    while house.services.archiving.step():
        pass
    assert house.store.job(job.id) is None
    return job


def links(page: str) -> dict[str, str]:
    """By what they say."""
    found = re.findall(r'href="([^"]+)">([\w ]+)</a>', page)
    return {word: link.replace("&amp;", "&") for link, word in found}


def shown(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'id="job-(\d+)"', page)]


def test_pages_lead_to_older_and_newer_ones_and_keep_the_filters(house: House) -> None:
    ids = [add(house, state=JobState.FAILED).id for _ in range(60)][::-1]
    browser = house.browser("alice")
    first = browser.get("/jobs?state=FAILED").text
    assert shown(first) == ids[:25] and "Newer" not in links(first)
    second = browser.get(links(first)["Older"]).text
    assert shown(second) == ids[25:50]
    third = browser.get(links(second)["Older"]).text
    assert shown(third) == ids[50:] and "Older" not in links(third)
    assert "state=FAILED" in links(third)["Newer"]
    assert shown(browser.get(links(third)["Newer"]).text) == ids[25:50]
    back = browser.get(links(second)["Newer"])
    assert back.status_code == 302 and back.headers["Location"] == "/jobs?state=FAILED"


def test_days_are_filters_with_both_ends_in_them(house: House) -> None:
    def on(day: int, hour: int) -> int:
        at = datetime(2026, 1, day, hour, tzinfo=house.clock.now().tzinfo)
        return add(house, accepted_at=at).id

    _, first, last, _ = on(9, 23), on(10, 0), on(11, 23), on(12, 0)
    page = house.browser("alice").get("/jobs?since=2026-01-10&until=2026-01-11").text
    assert shown(page) == [last, first]
    assert 'value="2026-01-10"' in page
    assert "since" in house.browser("alice").get("/jobs?since=yesterday").text


def test_a_search_that_found_nothing_yet_leads_further_back(house: House) -> None:
    wanted = add(house, name="zebra")
    for _ in range(30):
        add(house)
    browser = house.browser("alice")
    page = browser.get("/jobs?name=zebra&look=10").text
    assert "Nothing found so far" in page and shown(page) == []
    further = links(page)["Look further back"]
    assert f"look={LONGEST_LOOK}" in further
    assert shown(browser.get(further).text) == [wanted.id]
    assert "No job fits these filters" in browser.get("/jobs?name=nothing").text


def test_the_api_tells_from_where_to_go_on_though_a_page_is_empty(house: House) -> None:
    alice = Caller(house, "alice")
    wanted = add(house, name="zebra")
    for _ in range(5):
        add(house)
    answer = alice("GET", "/jobs?name=zebra&look=5").json
    assert answer["jobs"] == [] and answer["next"] == wanted.id + 1
    again = alice("GET", f"/jobs?name=zebra&look=5&before_id={answer['next']}").json
    assert [job["id"] for job in again["jobs"]] == [wanted.id] and again["next"] is None
    assert alice("GET", "/jobs?look=0").status_code == alice("GET", "/jobs?look=99999").status_code == 422


def test_an_archived_job_tells_its_owner_where_its_results_are_and_others_nothing(house: House) -> None:
    job = archived(house)
    page = house.browser("alice").get(f"/jobs/{job.id}")
    assert page.status_code == 404
    assert "is archived" in page.text and "Temporary/alice/jobs" in page.text
    answer = Caller(house, "alice")("GET", f"/jobs/{job.id}").json["error"]
    assert "ended SUCCEEDED on 2025-10-07 and is archived" in answer["message"]
    other = Caller(house, "bob")("GET", f"/jobs/{job.id}").json["error"]
    assert other["message"] == f"You have no job {job.id}."
    assert Caller(house, "alice")("POST", f"/jobs/{job.id}/cancel").status_code == 404


@pytest.mark.parametrize("path", ["log", "script", "results", "provenance"])
def test_no_page_of_an_archived_job_breaks(house: House, path: str) -> None:
    job = archived(house)
    assert house.browser("alice").get(f"/jobs/{job.id}/{path}").status_code == 404


def test_a_job_may_depend_on_an_archived_one_of_ones_own(house: House) -> None:
    job = archived(house)
    asked = shell(dependencies=[{"job": job.id}])
    assert Caller(house, "alice")("POST", "/jobs", asked).status_code == 201
    assert Caller(house, "bob")("POST", "/jobs", asked).status_code == 422


def test_the_key_of_an_archived_job_makes_no_second_one(house: House) -> None:
    job = archived(house)
    answer = Caller(house, "alice")("POST", "/jobs", shell(), Idempotency_Key="spent-key")
    assert answer.status_code == 409 and f"Job {job.id} ended" in answer.json["error"]["message"]
    assert Caller(house, "bob")("POST", "/jobs", shell(), Idempotency_Key="spent-key").status_code == 201


def test_what_was_shared_stays_shared_and_can_be_taken_back(house: House) -> None:
    alice, at = Caller(house, "alice"), house.clock.now() - LONG_AGO
    job = add(house, state=JobState.SUCCEEDED, ended_at=at, changed_at=at)
    thing, bob = {"kind": "job", "name": str(job.id)}, {"kind": "user", "name": "bob"}
    asked = {"resource": thing, "subject": bob, "actions": ["read"]}
    house.browser("bob")
    assert alice("POST", "/grants", asked).status_code < 300
    while house.services.archiving.step():
        pass
    for who, path in (("alice", "/sharing/mine"), ("bob", "/sharing"), ("alice", f"/share/job/{job.id}")):
        assert house.browser(who).get(path).status_code == 200, path
    assert house.browser("alice").get(f"/audit?kind=job&name={job.id}").status_code == 200
    assert Caller(house, "bob")("GET", f"/jobs/{job.id}").status_code == 404
    assert alice("POST", "/grants/revoke", asked).status_code == 200
    assert alice("GET", "/grants/mine").json["grants"] == []
