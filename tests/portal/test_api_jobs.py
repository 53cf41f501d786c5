"""The API of jobs, as programs use it."""

from __future__ import annotations

from typing import Any

import pytest

from sciserver_hpc.domain.states import JobState
from sciserver_hpc.services.jobs import LONGEST_PAGE
from tests.fakes.jobs import add_job, next_job_id

from .house import House, shell

API = "/api/v1"


class Caller:
    """A program with a bearer token."""

    def __init__(self, house: House, username: str) -> None:
        self._client = house.app.test_client()
        self._headers = {"Authorization": f"Bearer {house.token(username)}"}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self._client.open(
            API + path,
            method=method,
            json=body,
            base_url="https://localhost",
            headers=self._headers | {key.replace("_", "-"): value for key, value in headers.items()},
        )


@pytest.fixture
def alice(house: House) -> Caller:
    return Caller(house, "alice")


def test_a_job_is_accepted_and_shown(alice: Caller) -> None:
    answer = alice("POST", "/jobs", shell(name="cycle"))
    assert answer.status_code == 201
    job = answer.json["job"]
    assert answer.headers["Location"] == f"{API}/jobs/{job['id']}"
    assert (job["name"], job["state"], job["image"]) == ("cycle", "ACCEPTED", "python")
    assert alice("GET", f"/jobs/{job['id']}").json["job"]["uuid"] == job["uuid"]


def test_the_same_key_makes_one_job(alice: Caller) -> None:
    first = alice("POST", "/jobs", shell(), Idempotency_Key="k1")
    again = alice("POST", "/jobs", shell(), Idempotency_Key="k1")
    other = alice("POST", "/jobs", shell("date"), Idempotency_Key="k1")
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json["job"]["id"] == again.json["job"]["id"]


def test_many_are_each_judged_for_themselves(alice: Caller) -> None:
    asked = [
        shell(name="good"),
        shell(name="a\nb"),
        shell(image="pyton"),
        shell(image="secret"),
        "no object",
        shell(dependencies=[{"job": 10**30}]),
        shell(dependencies=[{"job": 77}]),
        {"kind": "shell", "command": "x" * 1_000_001},
        shell(name="last"),
    ]
    answer = alice("POST", "/jobs/batch", {"jobs": asked})
    assert answer.status_code == 200
    rows = answer.json["jobs"]
    assert [(row["job"]["name"], row["new"]) for row in (rows[0], rows[8])] == [
        ("good", True),
        ("last", True),
    ]
    for one, row in zip(asked[1:8], rows[1:8], strict=True):
        alone = alice("POST", "/jobs", one).json["error"]
        assert row == {"error": alone | {"request_id": row["error"]["request_id"]}}
    assert [job["name"] for job in alice("GET", "/jobs").json["jobs"]] == ["last", "good"]


def test_the_same_many_sent_again_make_no_job_twice(alice: Caller) -> None:
    asked = {"jobs": [shell(), shell(image="pyton"), shell("date")]}
    first = alice("POST", "/jobs/batch", asked, Idempotency_Key="sweep").json["jobs"]
    again = alice("POST", "/jobs/batch", asked, Idempotency_Key="sweep").json["jobs"]
    assert [again[n] for n in (0, 2)] == [{"job": first[n]["job"], "new": False} for n in (0, 2)]
    assert again[1]["error"]["problems"] == first[1]["error"]["problems"]
    changed = {"jobs": [shell(), shell(), shell("other")]}
    third = alice("POST", "/jobs/batch", changed, Idempotency_Key="sweep").json["jobs"]
    assert [row["new"] for row in third[:2]] == [False, True]
    assert third[2]["error"]["code"] == "conflict"
    assert len(alice("GET", "/jobs").json["jobs"]) == 3


def test_without_a_key_the_same_many_are_new_jobs(alice: Caller) -> None:
    asked = {"jobs": [shell(), shell()]}
    rows = [row for _ in range(2) for row in alice("POST", "/jobs/batch", asked).json["jobs"]]
    assert len({row["job"]["id"] for row in rows}) == 4 and all(row["new"] for row in rows)


def test_many_over_the_cap_are_refused_each(house: House, alice: Caller) -> None:
    kept = alice("POST", "/jobs", shell()).json["job"]["id"]
    job = house.store.job(kept)
    assert job is not None
    with house.store.transaction():
        for number in range(997):
            other = job.model_copy(update={"id": next_job_id(house.store), "uuid": f"{number:032x}"})
            add_job(house.store, other, "", "{}")
    rows = alice("POST", "/jobs/batch", {"jobs": [shell()] * 4}).json["jobs"]
    assert [row.get("new") for row in rows] == [True, True, None, None]
    assert all("1000 unfinished jobs" in row["error"]["items"]["jobs"] for row in rows[2:])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "jobs"),
        ({"jobs": []}, "jobs"),
        ({"jobs": [shell()] * 101}, "jobs"),
        ({"jobs": shell()}, "jobs"),
        ({"jobs": [shell()], "key": "k"}, "key"),
        ([shell()], "request"),
    ],
)
def test_what_is_no_list_of_jobs_is_refused_whole(alice: Caller, body: Any, field: str) -> None:
    answer = alice("POST", "/jobs/batch", body)
    assert (answer.status_code, list(answer.json["error"]["problems"])) == (422, [field])
    assert alice("GET", "/jobs").json["jobs"] == []


@pytest.mark.parametrize("key", ["", "k" * 201, "a\x7fb"])
def test_a_key_for_many_is_short_and_printable(alice: Caller, key: str) -> None:
    answer = alice("POST", "/jobs/batch", {"jobs": [shell()]}, Idempotency_Key=key)
    assert (answer.status_code, list(answer.json["error"]["problems"])) == (422, ["key"])


def test_many_are_10_mb_at_most(alice: Caller) -> None:
    answer = alice("POST", "/jobs/batch", {"jobs": [shell("x" * 900_000)] * 12})
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "too_large")
    fits = alice("POST", "/jobs/batch", {"jobs": [shell("x" * 900_000)] * 11})
    assert [row["new"] for row in fits.json["jobs"]] == [True] * 11


def test_what_cannot_be_read_is_told_in_our_words(alice: Caller, house: House) -> None:
    deep = house.app.test_client().post(
        f"{API}/jobs",
        data="[" * 100_000,
        base_url="https://localhost",
        headers={"Authorization": f"Bearer {house.token('alice')}", "Content-Type": "application/json"},
    )
    assert deep.status_code == 422
    assert "nests too deep" in deep.json["error"]["message"]
    wrong = house.app.test_client().post(
        f"{API}/jobs",
        data="kind=shell",
        base_url="https://localhost",
        headers={"Authorization": f"Bearer {house.token('alice')}"},
    )
    assert wrong.status_code == 415
    assert "Send JSON" in wrong.json["error"]["message"]


def test_a_job_that_did_not_change_is_not_sent_again(house: House, alice: Caller) -> None:
    number = alice("POST", "/jobs", shell()).json["job"]["id"]
    tag = alice("GET", f"/jobs/{number}").headers["ETag"]
    assert alice("GET", f"/jobs/{number}", If_None_Match=tag).status_code == 304
    house.move(number, JobState.SUBMITTING)
    assert alice("GET", f"/jobs/{number}", If_None_Match=tag).json["job"]["state"] == "SUBMITTING"


def test_pages_go_on_where_the_last_ended(alice: Caller) -> None:
    made = [alice("POST", "/jobs", shell(name=f"n{i}")).json["job"]["id"] for i in range(5)]
    first = alice("GET", "/jobs?limit=3").json
    second = alice("GET", f"/jobs?limit=3&before_id={first['next']}").json
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == made[::-1]
    assert second["next"] is None


def test_the_longest_page_goes_on_too(house: House, alice: Caller) -> None:
    accepted = alice("POST", "/jobs", shell()).json["job"]["id"]
    job = house.store.job(accepted)
    assert job is not None
    with house.store.transaction():
        for number in range(LONGEST_PAGE):
            other = {"id": next_job_id(house.store), "uuid": f"{number:032x}"}
            add_job(house.store, job.model_copy(update=other), "", "{}", None, "")
    page = alice("GET", f"/jobs?limit={LONGEST_PAGE}").json
    assert len(page["jobs"]) == LONGEST_PAGE
    rest = alice("GET", f"/jobs?limit={LONGEST_PAGE}&before_id={page['next']}").json
    assert ([job["id"] for job in rest["jobs"]], rest["next"]) == ([accepted], None)


def test_jobs_are_found_by_state_and_name(alice: Caller) -> None:
    kept = alice("POST", "/jobs", shell(name="sunspots")).json["job"]["id"]
    gone = alice("POST", "/jobs", shell(name="quakes")).json["job"]["id"]
    alice("POST", f"/jobs/{gone}/cancel")
    assert [job["id"] for job in alice("GET", "/jobs?state=ACCEPTED,RUNNING").json["jobs"]] == [kept]
    assert [job["id"] for job in alice("GET", "/jobs?name=quake").json["jobs"]] == [gone]


def test_preview_and_test_only_make_nothing(alice: Caller) -> None:
    volumes = [{"volume": "sunspots"}]
    preview = alice("POST", "/jobs?preview=1", shell(volumes=volumes)).json
    assert preview["script"].startswith("#!/bin/bash")
    assert preview["mounts"][0]["volume"] == "sunspots"
    assert "to start at" in alice("POST", "/jobs?test_only=1", shell()).json["message"]
    assert alice("GET", "/jobs").json["jobs"] == []


def test_a_cancelled_job_says_so(alice: Caller) -> None:
    number = alice("POST", "/jobs", shell()).json["job"]["id"]
    assert alice("POST", f"/jobs/{number}/cancel").json["job"]["state"] == "CANCELLED"
    texts = [event["text"] for event in alice("GET", f"/jobs/{number}/events").json["events"]]
    assert any("alice" in text for text in texts)


def test_the_script_is_what_slurm_gets_without_any_secret(alice: Caller) -> None:
    number = alice("POST", "/jobs", shell()).json["job"]["id"]
    sent = alice("GET", f"/jobs/{number}/script").json
    assert any(option.startswith("--job-name=") for option in sent["options"])
    assert sent["script"].startswith("#!/bin/bash")


def test_a_log_is_read_piece_by_piece(house: House, alice: Caller) -> None:
    number = alice("POST", "/jobs", shell()).json["job"]["id"]
    house.write(number, "stdout.txt", "Zoë".encode())
    first = alice("GET", f"/jobs/{number}/log?length=3").json
    assert (first["text"], first["next"], first["final"]) == ("Zo", 2, False)
    house.move(number, JobState.SUCCEEDED)
    second = alice("GET", f"/jobs/{number}/log?offset=2").json
    assert (second["text"], second["next"], second["final"]) == ("ë", 4, True)


def test_an_array_has_a_log_for_each_task(house: House, alice: Caller) -> None:
    number = alice("POST", "/jobs", shell(array="1-5:2")).json["job"]["id"]
    for task in (1, 3):
        house.write(number, f"stdout.{task}.txt", f"I am {task}".encode())
    texts = [alice("GET", f"/jobs/{number}/log{query}").json["text"] for query in ("", "?task=3", "?task=5")]
    assert texts == ["I am 1", "I am 3", ""]
    missing = alice("GET", f"/jobs/{number}/log?task=2")
    assert missing.status_code == 404 and "its tasks are 1-5:2" in missing.json["error"]["message"]


@pytest.mark.parametrize("task", ["-1", "x", "1.5", "10000000", "../1"])
def test_what_is_no_task_is_refused_at_the_door(alice: Caller, task: str) -> None:
    number = alice("POST", "/jobs", shell(array="1-5")).json["job"]["id"]
    answer = alice("GET", f"/jobs/{number}/log?task={task}")
    assert answer.status_code == 422 and list(answer.json["error"]["problems"]) == ["task"]


def test_files_come_as_downloads(house: House, alice: Caller) -> None:
    number = alice("POST", "/jobs", shell()).json["job"]["id"]
    house.write(number, "out/page ü.html", b"<script>alert(1)</script>")
    entries = alice("GET", f"/jobs/{number}/files?path=out").json["entries"]
    assert [entry["name"] for entry in entries] == ["page ü.html"]
    answer = alice("GET", f"/jobs/{number}/files/content?path=out/page%20%C3%BC.html")
    assert answer.data == b"<script>alert(1)</script>"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_large_file_comes_whole(house: House, alice: Caller) -> None:
    number = alice("POST", "/jobs", shell()).json["job"]["id"]
    data = bytes(range(256)) * 20_000
    house.write(number, "big.bin", data)
    with alice("GET", f"/jobs/{number}/files/content?path=big.bin") as answer:
        assert answer.data == data


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../../b", "a%00b"])
def test_a_path_stays_in_the_folder(alice: Caller, path: str) -> None:
    number = alice("POST", "/jobs", shell()).json["job"]["id"]
    assert alice("GET", f"/jobs/{number}/files/content?path={path}").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (shell(name="a\nb"), "name"),
        (shell(name="\N{RIGHT-TO-LEFT OVERRIDE}evil"), "name"),
        (shell("x" * 1_000_001), "command"),
        (shell("a\0b"), "command"),
        (shell("\ud800"), "command"),
        (shell(image="../x"), "image"),
        (shell(color="red"), "color"),
        (shell(resources={"cpus": 0}), "resources.cpus"),
        ({"kind": "notebook", "notebook": "no"}, "notebook"),
        ({"kind": "shell"}, "request"),
        ([], "request"),
    ],
)
def test_bad_fields_are_named(alice: Caller, body: Any, field: str) -> None:
    answer = alice("POST", "/jobs", body)
    assert answer.status_code == 422
    assert field in answer.json["error"]["problems"]


def test_what_is_over_a_limit_says_the_limit(alice: Caller) -> None:
    answer = alice("POST", "/jobs", shell(domain="batch", resources={"time_limit_s": 86400}))
    assert "at most 8 h in domain batch" in str(answer.json["error"])


def test_what_is_not_granted_is_refused_by_item(alice: Caller) -> None:
    wanted = [{"volume": "Storage/bob/persistent", "mode": "rw"}]
    answer = alice("POST", "/jobs", shell(image="secret", volumes=wanted))
    assert answer.status_code in (403, 422)
    assert "image secret" in str(answer.json["error"]) and "bob" in str(answer.json["error"])


def test_a_claim_runs_once(house: House, alice: Caller) -> None:
    number = alice("POST", "/jobs", shell()).json["job"]["id"]
    job = house.move(number, JobState.SUBMITTING)
    secret = house.renderer.claim_secret(job.uuid)
    client = house.app.test_client()

    def claim(slurm_id: int, secret: str = secret) -> Any:
        form = {"uuid": job.uuid, "slurm_id": slurm_id, "restarts": 0, "task": ""}
        headers = {"Authorization": f"Bearer {secret}"}
        return client.post(f"{API}/jobs/claim", data=form, headers=headers)

    assert [claim(7).text.splitlines()[0], claim(8).text.splitlines()[0]] == ["run", "duplicate"]
    assert claim(7, "wrong").text.splitlines()[0] == "unknown"
    assert claim(7).mimetype == "text/plain"
