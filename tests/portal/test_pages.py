"""Pages as a browser without script sees them."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.jobs import JobRequest, Usage
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState

from .house import PEOPLE, House
from .notebooks import PLAIN

EVIL = "<script>alert(1)</script>"


def submit(house: House, **more: Any) -> int:
    asked = JobRequest.model_validate({"kind": "shell", "command": "hostname"} | more)
    return house.services.jobs.submit(PEOPLE["alice"], asked)[0].id


def test_home_teaches_until_there_is_a_job(house: House) -> None:
    browser = house.browser("alice")
    assert "No jobs yet" in browser.get("/").text
    submit(house, name="first")
    assert "first" in browser.get("/").text


def test_what_users_write_is_escaped(house: House) -> None:
    number = submit(house, name=EVIL)
    house.write(number, "stdout.txt", EVIL.encode())
    house.write(number, f"{EVIL.replace('/', '_')}.txt", EVIL.encode())
    browser = house.browser("alice")
    paths = [
        "/",
        "/jobs",
        *(f"/jobs/{number}{tab}" for tab in ("", "/log", "/results", "/script", "/provenance")),
    ]
    for path in [*paths, f"/jobs?name={EVIL}"]:
        assert "<script>alert" not in browser.get(path).text, path


def test_a_double_click_makes_one_job_and_an_edit_another(house: House) -> None:
    browser = house.browser("alice")
    form = {"kind": "shell", "command": "hostname", "key": "abc"}
    first, again = (browser.post("/jobs/new", form).headers["Location"] for _ in range(2))
    other = browser.post("/jobs/new", form | {"command": "date"}).headers["Location"]
    assert first == again != other


def test_an_uploaded_notebook_stays_when_something_else_is_wrong(house: House) -> None:
    browser = house.browser("alice")
    text = json.dumps(PLAIN)
    upload = (io.BytesIO(text.encode()), "data/cycle (1).ipynb")
    form = {"kind": "notebook", "cpus": "999", "notebook_file": upload, "image": "python"}
    answer = browser.post("/jobs/new", form, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "Kept: cycle _1_.ipynb" in answer.text and "at most 8" in answer.text
    kept = {"kind": "notebook", "cpus": "1", "notebook": text, "filename": "cycle.ipynb", "image": "python"}
    assert browser.post("/jobs/new", kept).status_code == 303


def test_a_notebook_may_ask_for_a_kernel_that_is_no_text(house: House) -> None:
    text = json.dumps(PLAIN | {"metadata": {"kernelspec": {"name": "\ud800"}}})
    answer = house.browser("alice").post(
        "/jobs/new", {"kind": "notebook", "notebook": text, "filename": "n.ipynb", "image": "python"}
    )
    assert answer.status_code == 422
    assert "choose another image" in answer.text


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"command": ""}, "nothing was submitted"),
        ({"command": "x", "image": "secret"}, "problem-image"),
        ({"command": "x", "volume:Storage/bob/private": "rw"}, "problem-volumes"),
        ({"command": "x", "hours": "99"}, "problem-hours"),
        ({"command": "x", "kind": "dance"}, "problem-kind"),
        ({"command": "x", "name": "a\nb"}, "problem-name"),
        ({"command": "x", "array": "9-1"}, "problem-array"),
        ({"command": "x", "after_afterok": "soon"}, "problem-after_afterok"),
        ({"command": "x", "after_afterany": "77"}, "you have no job 77"),
        ({"command": "x", "after_afterok": "78", "after_afternotok": "77"}, "problem-after_afternotok"),
        ({"command": "x", "after_afterok": "7 " * 101}, "problem-dependencies"),
    ],
)
def test_problems_stand_at_their_fields(house: House, fields: dict[str, str], where: str) -> None:
    answer = house.browser("alice").post("/jobs/new", {"kind": "shell", **fields})
    assert answer.status_code in (403, 422)
    assert where in answer.text.lower()


def test_array_and_dependencies_are_kept_shown_and_sent(house: House) -> None:
    browser = house.browser("alice")
    assert '<details class="card more" >' in browser.get("/jobs/new").text
    first = submit(house)
    form = {"kind": "shell", "command": "x", "array": "1-10", "after_afterany": f"{first}"}
    preview = browser.post("/jobs/new", form | {"action": "preview"}).text
    assert f"-a 1-10 -d afterany:{first}" in preview
    number = int(browser.post("/jobs/new", form).headers["Location"].rpartition("/")[2])
    job = house.services.jobs.get(PEOPLE["alice"], number)
    assert (job.spec.array, [d.job for d in job.spec.dependencies]) == ("1-10", [first])
    again = browser.get(f"/jobs/new?again={number}").text
    assert '<details class="card more" open>' in again
    assert 'name="array" type="text" value="1-10"' in again
    assert f'name="after_afterany" type="text" value="{first}"' in again


def test_several_jobs_that_are_not_ones_own_are_all_named(house: House) -> None:
    form = {"kind": "shell", "command": "x", "after_afterok": "77 78"}
    page = house.browser("alice").post("/jobs/new", form).text
    assert "you have no job 77; you have no job 78" in page


def test_run_again_and_edit_and_run_again(house: House) -> None:
    number = submit(house, name="again")
    browser = house.browser("alice")
    assert browser.post(f"/jobs/{number}/again").headers["Location"] != f"/jobs/{number}"
    assert 'value="again"' in browser.get(f"/jobs/new?again={number}").text


def test_a_job_that_asked_for_too_much_is_told_and_its_form_filled_with_what_fits(house: House) -> None:
    number = submit(house, resources=Resources(memory_mb=4096))
    house.move(number, JobState.RUNNING)
    usage = Usage(elapsed_s=3000, cpu_s=2900.0, max_rss=200 << 20)
    house.move(number, JobState.SUCCEEDED, usage=usage)
    browser = house.browser("alice")
    page = browser.get(f"/jobs/{number}").text
    assert "Used 200 of 4096 MB: ask for 512 MB next time" in page
    assert f'href="/jobs/new?again={number}&amp;fit=1"' in page
    form = browser.get(f"/jobs/new?again={number}&fit=1").text
    assert re.search(r'name="memory_gb"[^>]*value="0.5"', form)
    assert re.search(r'name="memory_gb"[^>]*value="4"', browser.get(f"/jobs/new?again={number}").text)


@pytest.mark.parametrize(
    ("state", "action"),
    [("SUCCEEDED", "Open results"), ("FAILED", "Read the error log"), ("OUT_OF_MEMORY", "Edit and run again"),
     ("NODE_FAIL", "Run again")],
)  # fmt: skip
def test_an_ended_job_leads_to_what_one_does_next(house: House, state: str, action: str) -> None:
    number = submit(house)
    house.move(number, JobState(state))
    page = house.browser("alice").get(f"/jobs/{number}").text
    chosen = re.findall(r'class="(?:button )?primary"[^>]*>([^<]+)<', page)
    assert chosen == [action]


def test_a_live_job_leads_nowhere_in_particular(house: House) -> None:
    number = submit(house)
    assert "primary" not in house.browser("alice").get(f"/jobs/{number}").text


def test_pages_of_jobs_follow_each_other(house: House) -> None:
    for index in range(30):
        submit(house, name=f"n{index}")
    browser = house.browser("alice")
    first = browser.get("/jobs").text
    older = first.partition('href="/jobs?before_id=')[2].partition('"')[0]
    assert ">n29<" in first and ">n0<" not in first
    assert ">n0<" in browser.get(f"/jobs?before_id={older}").text


@pytest.mark.parametrize("query", ["state=SLEEPING", "before_id=x", "domain=../x", "before_id=-1"])
def test_a_wrong_filter_is_told(house: House, query: str) -> None:
    answer = house.browser("alice").get(f"/jobs?{query}")
    assert answer.status_code == 200 and 'class="problem"' in answer.text


def test_several_jobs_are_cancelled_at_once(house: House) -> None:
    numbers = [submit(house) for _ in range(3)]
    house.browser("alice").post("/jobs/cancel", {"job": [str(n) for n in numbers[:2]]})
    states = [house.services.jobs.get(PEOPLE["alice"], n).state for n in numbers]
    assert states == [JobState.CANCELLED, JobState.CANCELLED, JobState.ACCEPTED]


def test_a_render_has_an_origin_of_its_own(house: House) -> None:
    number = submit(house)
    house.write(number, "n.ipynb", json.dumps(PLAIN).encode())
    headers = house.browser("alice").get(f"/jobs/{number}/render?path=n.ipynb").headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'") and "unsafe" not in policy


def test_only_what_begins_as_an_image_is_shown_as_one(house: House) -> None:
    number = submit(house)
    house.write(number, "good.png", b"\x89PNG\r\n\x1a\n...")
    house.write(number, "bad.png", b"<svg onload=alert(1)>")
    browser = house.browser("alice")
    assert browser.get(f"/jobs/{number}/image?path=good.png").mimetype == "image/png"
    assert browser.get(f"/jobs/{number}/image?path=bad.png").status_code == 422


def test_results_that_cannot_be_read_are_a_sentence(house: House) -> None:
    number = submit(house)
    browser = house.browser("alice")
    assert "Nothing to show here" in browser.get(f"/jobs/{number}/results").text
    house.disk.fail(PEOPLE["alice"].uid, Unavailable("agent", "does not start"))
    assert "agent does not answer" in browser.get(f"/jobs/{number}/results").text
    assert browser.get(f"/jobs/{number}/log").status_code == 200
    assert browser.get(f"/jobs/{number}/provenance").status_code == 200


def test_a_token_is_shown_once_and_revoked(house: House) -> None:
    browser = house.browser("alice")
    answer = browser.post("/me/tokens", {"name": "laptop", "days": "7", "scopes": ["jobs:read"]})
    secret = answer.text.partition('id="secret">')[2].partition("<")[0]
    found = house.services.login.resolve(secret)
    assert found is not None and found[1].scopes == {"jobs:read"}
    assert secret not in browser.get("/me").text
    browser.post(f"/me/tokens/{found[1].id}/revoke")
    assert house.services.login.resolve(secret) is None


def test_a_token_without_scopes_is_told(house: House) -> None:
    answer = house.browser("alice").post("/me/tokens", {"name": "laptop", "days": "7"})
    assert answer.status_code == 422 and "problem-scopes" in answer.text
