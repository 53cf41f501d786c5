"""What is down is told to machines as well as to people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal.notices import STALE
from sciserver_hpc.domain.errors import Unavailable

from .house import PASSWORD, House


def note(house: House, key: str, problem: str = "slurm does not answer: timed out") -> None:
    house.store.note(key, {"ok": not problem, "problem": problem, "at": house.clock.now().isoformat()})


def away(house: House) -> list[str]:
    return [one["system"] for one in house.browser().get("/readyz").json["outages"]]


def test_readiness_names_what_is_away(house: House) -> None:
    assert away(house) == []
    note(house, "cluster:default")
    note(house, "accounting:default", "slurm does not answer: slurmdbd: Connection refused")
    answer = house.browser().get("/readyz").json
    assert answer["status"] == "ready"
    assert [(one["system"], one["text"]) for one in answer["outages"]] == [
        ("Cluster default", "slurm does not answer: timed out"),
        ("Accounting of cluster default", "slurm does not answer: slurmdbd: Connection refused"),
    ]


def test_every_page_says_what_is_away_and_what_works_all_the_same(house: House) -> None:
    browser = house.browser("alice")
    note(house, "accounting:default", "slurmdbd: <b>refused</b>")
    page = browser.get("/jobs")
    assert page.status_code == 200
    assert "Accounting of cluster default is away." in page.text
    assert "Jobs start, run and end all the same." in page.text
    assert "<small>slurmdbd: &lt;b&gt;refused&lt;/b&gt;.</small>" in page.text
    note(house, "accounting:default", "")
    assert "is away" not in browser.get("/jobs").text


@pytest.mark.parametrize("key", ["cluster:default", "accounting:default", "directory"])
def test_a_note_nobody_renews_accuses_no_more(house: House, key: str) -> None:
    note(house, key)
    house.clock.advance(STALE.total_seconds() - 1)
    assert len(away(house)) == 1
    house.clock.advance(1)
    assert away(house) == []


def test_a_silent_broker_is_told_however_long_it_lasts(house: House) -> None:
    browser = house.browser("alice")
    house.store.note("broker", {"at": house.clock.now().isoformat()})
    for hours in (1, 12):
        house.clock.advance(timedelta(hours=hours).total_seconds())
        assert away(house) == ["The broker"]
        assert "The broker is away." in browser.get("/jobs").text


def test_without_the_directory_a_login_is_told_and_who_is_in_stays(house: House) -> None:
    alice, stranger = house.browser("alice"), house.browser()
    house.people.down = True
    answer = stranger.log_in("bob", PASSWORD)
    assert answer.status_code == 503
    assert "could not be checked: the directory of people does not answer" in answer.text
    for page in (stranger.get("/login"), alice.get("/jobs")):
        assert page.status_code == 200
        assert "The directory of people is away." in page.text and "Who is logged in goes on" in page.text
    assert "it is down" in alice.get("/jobs").text, "its own words are for those who are known"
    assert "it is down" not in answer.text + stranger.get("/login").text
    house.people.down = False
    assert stranger.log_in("bob", PASSWORD).status_code == 303
    assert "is away" not in alice.get("/jobs").text


def test_a_stranger_is_told_nothing_of_clusters(house: House) -> None:
    note(house, "cluster:default")
    assert "is away" not in house.browser().get("/login").text


def test_without_the_database_the_login_page_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise Unavailable("database", "no route to 10.0.0.7")

    stranger = house.browser()
    monkeypatch.setattr(house.store, "notes", broken)
    page = stranger.get("/login")
    assert page.status_code == 200
    assert "The database is away." in page.text and "10.0.0.7" not in page.text
