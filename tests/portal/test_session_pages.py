"""Pages of sessions as a browser without script sees them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sciserver_hpc.domain.access import Action, Grant, Resource, Subject
from sciserver_hpc.domain.catalogue import Site as Offer
from sciserver_hpc.domain.jobs import End, JobRequest
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.domain.tending import idle_warned

from .house import PEOPLE, House, offer

EVIL = "<script>alert(1)</script>"
FORM = {"place": "interactive/python", "name": "bench", "cpus": "2", "hours": "2", "values.verbose": "true"}


def over(house: House, state: JobState = JobState.FAILED, name: str = "bench") -> int:
    """A session of alice's that ended."""
    number = house.open_session(name=name)
    end = End(exit_code=1, summary="The app never answered.", advice="The end of the error log says why.")
    house.move(number, state, "Ended", ended_at=house.clock.now(), end=end)
    house.write(number, "stderr.txt", f"no module {EVIL}\n".encode())
    return number


def share(house: House, number: int, *actions: Action, whom: str = "bob", owner: str = "alice") -> None:
    """The owner lets somebody in."""
    house.services.login.password(whom, "correct horse", "192.0.2.1")
    thing = Resource(kind="session", name=str(number))
    house.services.sharing.give(house.asker(owner), thing, Subject(kind="user", name=whom), [*actions])


def test_cards_say_where_a_session_stands_and_what_to_do_next(house: House) -> None:
    browser = house.browser("alice")
    assert "No sessions yet" in browser.get("/sessions").text
    number = house.session()
    waiting = browser.get("/sessions").text
    assert "Waiting" in waiting and "Open<" not in waiting and "Cancel" in waiting
    house.move(number, JobState.CANCELLED, ended_at=house.clock.now())
    number = house.open_session(name="second")
    page = browser.get("/sessions").text
    for words in ("Ready; 2 h left.", "n1", "1.3 of 2 CPUs", "0.8 of 1.0 GB", "unused for 5 min", "nobody"):
        assert words in page, words
    assert f'action="/sessions/{number}/open"' in page and 'target="_blank" rel="noopener"' in page
    assert f'href="/jobs/{number}/log"' in page and f'href="/share/session/{number}"' in page


def test_a_session_that_nobody_uses_is_warned_of(house: House) -> None:
    number, browser = house.open_session(), house.browser("alice")
    assert "warned" not in browser.get("/sessions").text
    found = house.store.session(number)
    assert found is not None
    now = house.clock.now()
    house.change_session(number, seen_at=now, **idle_warned(found[1], now))
    house.clock.advance(120)
    for path in ("/sessions", f"/sessions/{number}"):
        page = browser.get(path).text
        assert "warned" in page and "it is stopped in 8 min unless somebody does" in page


def test_an_ended_session_tells_its_cause_and_starts_again_once(house: House) -> None:
    number, browser = over(house), house.browser("alice")
    page = browser.get(f"/sessions/{number}").text
    assert "The app never answered. The end of the error log says why." in page
    assert "no module &lt;script&gt;" in page and EVIL not in page
    first, second = (browser.post(f"/sessions/{number}/again").headers["Location"] for _ in range(2))
    assert first == second != f"/sessions/{number}"
    assert f'id="session-{number}"' not in browser.get("/sessions").text


def test_what_the_form_said_is_shown_in_its_own_words(house: House) -> None:
    number = house.session(values={"kernel": "gpu", "verbose": "false"})
    page = house.browser("alice").get(f"/sessions/{number}").text
    rows = dict(re.findall(r'<th scope="row">([^<]+)</th><td class="break">(?:<[^>]+>)?([^<]+)<', page))
    assert (
        rows["Kernel"] == "Python on a GPU"
        and rows["Tell more"] == "no"
        and rows["Folder to open"] == "empty"
    )
    assert "Level of detail" not in rows


def test_a_card_is_extended_stopped_and_taken_away(house: House) -> None:
    number, browser = house.open_session(), house.browser("alice")
    ends = []
    for minutes in ("30", "limit"):
        answer = browser.post(f"/sessions/{number}/extend", {"minutes": minutes, "from": "cards"})
        assert answer.headers["Location"] == "/sessions"
        found = house.store.session(number)
        assert found and found[1].ends_at
        ends.append((found[1].ends_at - house.clock.now()).total_seconds() / 60)
    assert ends == [150, 180]
    assert browser.post(f"/sessions/{number}/extend", {"minutes": "30"}).status_code == 403
    assert browser.post(f"/sessions/{number}/forget").status_code == 409
    browser.post(f"/sessions/{number}/stop")
    assert "Stopping" in browser.get("/sessions").text
    house.move(number, JobState.CANCELLED, ended_at=house.clock.now())
    assert browser.post(f"/sessions/{number}/forget").headers["Location"] == "/sessions"
    assert "No sessions yet" in browser.get("/sessions").text


def test_apps_are_tiles_and_their_text_is_clean(house: House) -> None:
    page = house.browser("alice").get("/sessions/new").text
    assert "Not run here" in page and "A bench with every type of field." in page
    assert 'href="https://example.org/lab"' in page and EVIL not in page


def test_an_icon_is_an_image_in_which_nothing_runs(house: House) -> None:
    browser = house.browser("alice")
    answer = browser.get("/sessions/apps/lab/icon.svg")
    assert answer.mimetype == "image/svg+xml"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert browser.get("/sessions/apps/nothing/icon.svg").status_code == 404


def test_what_users_write_is_escaped(house: House) -> None:
    number = house.open_session(name=EVIL)
    browser = house.browser("alice")
    share(house, number, Action.WRITE)
    pages = ["/", "/sessions", f"/sessions/{number}", "/jobs", f"/jobs/{number}", f"/share/session/{number}"]
    pages += [f"/sessions/at/{house.uuid(number)}", f"/sessions/new/lab?again={number}", "/sharing/mine"]
    for path in pages:
        answer = browser.get(path)
        assert answer.status_code == 200 and "<script>alert" not in answer.text, path
    assert "<script>alert" not in browser.post(f"/sessions/{number}/open").text
    evil = {"values.greeting": EVIL, "name": EVIL, "values.data": EVIL, "place": EVIL, "values.folder": EVIL}
    assert "<script>alert" not in browser.post("/sessions/new/lab", FORM | evil).text


def test_who_starts_an_app_for_the_first_time_gets_their_usual_volumes(house: House) -> None:
    browser = house.browser("alice")
    usual = {"Storage/alice/persistent": "rw", "Temporary/alice/scratch": "rw"}
    assert mounted(browser.get("/sessions/new/lab").text) == usual
    browser.post("/sessions/new/lab", FORM | {"volume:Storage/alice/persistent": "ro"})
    assert mounted(browser.get("/sessions/new/lab").text) == {"Storage/alice/persistent": "ro"}


def test_a_usual_volume_that_a_place_does_not_have_is_not_chosen(house: House) -> None:
    site = offer()
    domains = tuple(one.model_copy(update={"root_volumes": ("Temporary",)}) for one in site.domains)
    offered(house, site.model_copy(update={"domains": domains}))
    page = house.browser("alice").get("/sessions/new/lab").text
    assert mounted(page) == {"Temporary/alice/scratch": "rw"}


def test_an_app_that_no_image_holds_is_not_offered_and_its_form_says_why(house: House) -> None:
    browser = house.browser("alice")
    assert "/sessions/new/lab" in browser.get("/sessions/new").text
    site = offer()
    images = tuple(one.model_copy(update={"apps": ()}) for one in site.images)
    offered(house, site.model_copy(update={"images": images}))
    assert "/sessions/new/lab" not in browser.get("/sessions/new").text
    assert "has all the images that this app needs" in browser.get("/sessions/new/lab").text


@pytest.mark.parametrize("app", ["matlab", "rstudio", "vscode"])
def test_an_app_that_was_not_run_here_is_offered_where_an_image_holds_it_and_says_so(
    house: House, app: str
) -> None:
    site, everyone = offer(), Subject(kind="everyone")
    grant = Grant(subject=everyone, action=Action.USE, resource=Resource(kind="app", name=app))
    images = [one.model_copy(update={"apps": (app,)}) if one.name == "r" else one for one in site.images]
    granted = site.model_copy(update={"grants": (*site.grants, grant)})
    offered(house, granted)
    browser = house.browser("alice")
    assert f"/sessions/new/{app}" not in browser.get("/sessions/new").text
    offered(house, granted.model_copy(update={"images": tuple(images)}))
    tiles = browser.get("/sessions/new").text.split('<li class="card app">')
    (tile,) = [one for one in tiles if f'"/sessions/new/{app}"' in one]
    assert "Not run here" in tile and "Not tried by the project" in tile
    assert "Not run here." in browser.get(f"/sessions/new/{app}").text


def offered(house: House, site: Offer) -> None:
    """The site offers something else, and nobody remembers what was."""
    house.store.apply_site(site)
    house.clock.advance(2)


def mounted(page: str) -> dict[str, str]:
    """Volume → mode, as the form has them chosen."""
    chosen = {}
    for name, options in re.findall(r'name="volume:([^"]+)">(.*?)</select>', page):
        if found := re.search(r'value="(\w+)" selected', options):
            chosen[name] = found[1]
    return chosen


def test_a_double_click_makes_one_session_and_an_edit_another(house: House) -> None:
    browser = house.browser("alice")
    first, again = (browser.post("/sessions/new/lab", FORM | {"key": "k"}).headers["Location"] for _ in "12")
    other = browser.post("/sessions/new/lab", FORM | {"key": "k", "cpus": "1"}).headers["Location"]
    assert first == again != other


@pytest.mark.parametrize(
    ("fields", "where", "words"),
    [
        ({"values.greeting": "HELLO"}, "values.greeting", "must match"),
        ({"values.kernel": "perl"}, "values.kernel", "must be one of"),
        ({"values.workers": "9"}, "values.workers", "at most 8"),
        ({"values.kernel": "gpu", "values.workers": "5"}, "values.workers", "at most 4"),
        ({"values.level": "12"}, "values.level", "at most 9"),
        ({"values.data": "sunspots"}, "values.data", "mount sunspots too"),
        ({"values.folder": "/etc"}, "values.folder", "inside"),
        ({"cpus": "5"}, "cpus", "at most 4 CPUs in app lab"),
        ({"cpus": "many"}, "cpus", "not a number"),
        ({"hours": "9"}, "hours", "at most"),
        ({"place": "interactive/r"}, "place", "does not hold lab"),
        ({"place": "batch/python"}, "place", "no sessions"),
        ({"place": "interactive/secret"}, "place", "no grant"),
        ({"volume:Storage/bob/private": "rw"}, "volumes", "Storage/bob/private"),
        ({"name": "a\nb"}, "name", "not printable"),
    ],
)
def test_problems_stand_at_their_fields(house: House, fields: dict[str, str], where: str, words: str) -> None:
    answer = house.browser("alice").post("/sessions/new/lab", FORM | {"values.greeting": "kept"} | fields)
    assert answer.status_code in (403, 422)
    told = answer.text.partition(f'id="problem-{where}">')[2].partition("</p>")[0]
    assert words in told, told
    assert ('value="kept"' in answer.text) or "values.greeting" in fields


def test_a_field_that_is_not_shown_is_not_looked_at(house: House) -> None:
    hidden = {key: text for key, text in FORM.items() if key != "values.verbose"} | {"values.level": "99"}
    location = house.browser("alice").post("/sessions/new/lab", hidden).headers["Location"]
    job = house.store.job(int(location.rpartition("/")[2]))
    assert job and job.spec.values["verbose"] is False and "level" not in job.spec.values


def test_what_the_form_sets_is_not_asked_for_twice(house: House) -> None:
    browser = house.browser("alice")
    assert 'name="memory_gb"' not in browser.get("/sessions/new/lab").text
    location = browser.post("/sessions/new/lab", FORM | {"values.size": "large"}).headers["Location"]
    job = house.store.job(int(location.rpartition("/")[2]))
    assert job and (job.spec.resources.memory_mb, job.spec.resources.time_limit_s) == (4096, 3 * 3600)


def test_when_would_it_start_is_told_and_nothing_starts(house: House) -> None:
    preview = FORM | {"action": "preview", "volume:sunspots": "ro"}
    page = house.browser("alice").post("/sessions/new/lab", preview).text
    assert "to start at" in page and "sunspots, read only" in page and "it can be extended to 3 h" in page
    assert house.services.sessions.list(PEOPLE["alice"]) == []


def test_the_last_form_is_remembered_and_started_again_by_one_click(house: House) -> None:
    browser = house.browser("alice")
    assert "Start as last time" not in browser.get("/sessions/new").text
    assert browser.post("/sessions/new/lab/last").status_code == 404
    browser.post("/sessions/new/lab", FORM | {"values.greeting": "good day", "values.verbose": ""})
    page = browser.get("/sessions/new/lab").text
    assert 'value="good day"' in page
    assert 'name="values.verbose" value="true"  ' in page or "checked" not in page
    assert "Start as last time" in browser.get("/sessions/new").text
    first, again = (
        browser.post("/sessions/new/lab/last", {"key": "k"}).headers["Location"] for _ in range(2)
    )
    assert first == again


def test_edit_and_start_brings_what_was_asked(house: House) -> None:
    number = over(house, name="old")
    browser = house.browser("alice")
    assert 'value="old"' in browser.get(f"/sessions/new/lab?again={number}").text
    assert browser.get(f"/jobs/new?again={number}").headers["Location"] == f"/sessions/new/lab?again={number}"
    assert house.browser("bob").get(f"/sessions/new/lab?again={number}").status_code == 404


def test_forms_are_kept_used_and_removed(house: House) -> None:
    browser = house.browser("alice")
    wrong = browser.post("/sessions/new/lab", FORM | {"action": "keep", "preset": "../x"})
    assert wrong.status_code == 422 and 'id="problem-preset"' in wrong.text
    keep = FORM | {"action": "keep", "preset": "big", "values.greeting": "kept well"}
    assert "Kept as big." in browser.post("/sessions/new/lab", keep).text
    assert 'value="kept well"' in browser.get("/sessions/new/lab?preset=big").text
    assert house.browser("bob").get("/sessions/new/lab?preset=big").status_code == 404
    removed = browser.post("/sessions/new/lab", FORM | {"remove_preset": "big"}).text
    assert "big is removed." in removed and 'value="bench"' in removed
    assert browser.get("/sessions/new/lab?preset=big").status_code == 404


def test_strangers_see_nothing_and_change_nothing(house: House) -> None:
    number, bob = house.open_session(), house.browser("bob")
    for path in (f"/sessions/{number}", f"/sessions/at/{house.uuid(number)}", f"/share/session/{number}"):
        assert bob.get(path).status_code == 404
    for act in ("open", "stop", "extend", "again", "forget"):
        assert bob.post(f"/sessions/{number}/{act}").status_code == 404
    assert "bench" not in bob.get("/sessions").text


@pytest.mark.parametrize(("action", "works"), [(Action.READ, False), (Action.WRITE, True)])
def test_a_shared_session_shows_what_one_may_do_with_it(house: House, action: Action, works: bool) -> None:
    number = house.open_session()
    share(house, number, action)
    bob = house.browser("bob")
    for path in ("/sessions", f"/sessions/{number}"):
        page = bob.get(path).text
        assert ('value="use"' in page) is works and 'value="view"' in page
        assert "Stop" not in page and f"/jobs/{number}" not in page and "alice’s" in page
    for act in ("stop", "extend", "again", "forget"):
        assert bob.post(f"/sessions/{number}/{act}").status_code == 404
    assert bob.post(f"/sessions/{number}/open", {"mode": "use"}).status_code == (200 if works else 403)


def test_a_session_is_shared_by_the_page(house: House) -> None:
    number, browser = house.open_session(), house.browser("alice")
    house.services.login.password("bob", "correct horse", "192.0.2.1")
    page = browser.get(f"/share/session/{number}").text
    assert "Work in it; includes reading." in page and "with every file you can reach" in page
    give = {"q": "bob", "whom": "user:bob", "right": "read", "until": "2026-02-01", "action": "give"}
    assert browser.post(f"/share/session/{number}", give).status_code == 303
    assert "bench" in house.browser("bob").get("/sharing").text
    assert house.browser("bob").get("/why?user=bob&action=read&kind=session&name=1").status_code == 200
    house.clock.advance(60 * 86400)
    assert house.browser("bob").get(f"/sessions/{number}").status_code == 404


def test_a_job_is_no_session_to_share(house: House) -> None:
    asked = JobRequest(kind="shell", command="date")
    number = house.services.jobs.submit(PEOPLE["alice"], asked)[0].id
    assert house.browser("alice").get(f"/share/session/{number}").status_code == 404


def test_forms_from_elsewhere_do_nothing(house: House) -> None:
    number, browser = house.open_session(), house.browser("alice")
    for path in (f"/sessions/{number}/stop", f"/sessions/{number}/open", "/sessions/new/lab"):
        assert browser.post(path, {"csrf_token": "x"}).status_code == 400
        headers = {"Referer": f"https://{house.uuid(number)}.sessions.localhost/lab"}
        assert browser.post(path, headers=headers).status_code == 400
    job = house.store.job(number)
    assert job and not job.cancel_requested


def test_sessions_stand_first_at_home_and_do_not_clutter_the_jobs(house: House) -> None:
    number, browser = house.open_session(), house.browser("alice")
    home = browser.get("/").text
    assert home.index("My sessions") < home.index("No jobs yet")
    assert "Active jobs" not in home and "New session" in home and ">Sessions</a>" in home
    assert f'href="/sessions/{number}"' in browser.get("/jobs").text
    assert f'href="/sessions/{number}"' in browser.get(f"/jobs/{number}").text


def test_a_site_without_sessions_shows_nothing_of_them(tmp_path: Path) -> None:
    house = House(tmp_path, sessions="")
    browser = house.browser("alice")
    assert "ession" not in browser.get("/").text
    for path in ("/sessions", "/sessions/new", "/sessions/new/lab", "/sessions/1"):
        assert browser.get(path).status_code == 404
    house.close()
