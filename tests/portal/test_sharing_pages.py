"""Pages of rights: the sharing form, what is shared with and by me, why, jobs of others, volumes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.groups import user
from sciserver_hpc.domain.states import JobState

from .cast import EVIL, IMAGE, SHARE, VOLUME, Cast, portal
from .house import URL

GIVE = {"q": "erin", "right": "read", "action": "give"}


def given(cast: Cast, name: str, on: Resource = VOLUME) -> dict[str, datetime | None]:
    """What `name` was given on a thing, until when."""
    found = cast.house.store.shares_between(on, user(name))
    return {share.grant.action: share.grant.expires for share in found}


@pytest.mark.parametrize(
    ("who", "volume", "image", "job"),
    [("alice", 200, 403, 200), ("bob", 200, 403, 403), ("carol", 403, 403, 404), ("dave", 403, 403, 404),
     ("erin", 404, 403, 404), ("root1", 404, 200, 404)],
)  # fmt: skip
def test_who_may_open_a_sharing_page(cast: Cast, who: str, volume: int, image: int, job: int) -> None:
    browser = cast.house.browser(who)
    paths = {SHARE: volume, "/share/image/secret": image, f"/share/job/{cast.job}": job}
    assert {path: browser.get(path).status_code for path in paths} == paths
    before = cast.house.store.audit()
    for path, status in paths.items():
        for action in ("find", "preview"):
            assert browser.post(path, GIVE | {"action": action}).status_code in (status, 422)
    assert cast.house.store.audit() == before


@pytest.mark.parametrize(
    "path",
    ["user_volume/Storage/alice/nothing", "user_volume/x", "job/999", "job/x", "group/survey", "session/1",
     "database/x", "dance/x", "user_volume/a%00b", "image/%E2%80%AE"],
)  # fmt: skip
def test_what_is_not_there_has_no_sharing_page(cast: Cast, path: str) -> None:
    for who in ("erin", "root1"):
        browser = cast.house.browser(who)
        assert browser.get(f"/share/{path}").status_code == 404
        assert browser.post(f"/share/{path}", GIVE).status_code == 404


def test_a_right_is_given_from_the_found_ones(cast: Cast) -> None:
    browser = cast.house.browser("alice")
    form = {"q": "er", "right": ["read", "grant"], "until": "2026-02-01"}
    found = browser.post(SHARE, form | {"action": "find"}).text
    assert re.search(r'value="user:erin" checked', found) and 'value="2026-02-01"' in found
    assert re.search(r'value="grant" checked', found) and not re.search(r'value="write" checked', found)
    answer = browser.post(SHARE, form | {"whom": "user:erin", "action": "give"})
    assert answer.headers["Location"] == SHARE
    end = datetime(2026, 2, 2, tzinfo=UTC)
    assert given(cast, "erin") == {"read": end, "grant": end}
    assert "until" in browser.get(SHARE).text


def test_what_would_happen_is_told_and_does_not(cast: Cast) -> None:
    browser = cast.house.browser("alice")
    before = cast.house.store.audit()
    fresh = browser.post(SHARE, GIVE | {"action": "preview", "until": "2026-02-01"}).text
    assert "erin may read it until" in re.sub(r"\s+", " ", fresh)
    assert "sciserver share give Storage/alice/persistent erin read --until 2026-02-02T00:00+00:00" in fresh
    same = browser.post(SHARE, {"q": "bob", "right": "write", "action": "preview"}).text
    assert "as now, nothing changes" in same
    longer = browser.post(SHARE, {"q": "dave", "right": "read", "action": "preview"}).text
    assert "now it is until" in longer
    assert cast.house.store.audit() == before and given(cast, "erin") == {}


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        ({"q": ""}, "q", "first letters"),
        ({"q": "x"}, "q", "first 2 letters"),
        ({"q": "zz"}, "q", "nobody called so"),
        ({"q": "ek"}, "q", "choose whom"),
        ({"q": "alice"}, "q", "owns"),
        ({"q": "everyone"}, "q", "nobody called so"),
        ({"right": []}, "right", "choose what"),
        ({"right": ["dance"]}, "right", "choose what"),
        ({"right": ["use"]}, "right", "choose what"),
        ({"until": "soon"}, "until", "write a day"),
        ({"until": "9999-12-31"}, "until", "write a day"),
        ({"until": "2026-01-01"}, "until", "past"),
    ],
)
def test_what_cannot_be_given_is_told_at_its_field_and_the_rest_stays(
    cast: Cast, form: dict[str, str], field: str, words: str
) -> None:
    answer = cast.house.browser("alice").post(SHARE, GIVE | {"until": "2026-02-01"} | form)
    assert answer.status_code in (403, 422)
    assert words in answer.text.partition(f'id="problem-{field}"')[2].partition("</p>")[0]
    wanted = GIVE | {"until": "2026-02-01"} | form
    assert 'name="q" type="search"' in answer.text and f'value="{wanted["q"]}"' in answer.text
    assert f'value="{wanted["until"]}"' in answer.text


def test_nobody_gives_what_they_lack(cast: Cast) -> None:
    cast.sharing.give(cast.asker("alice"), VOLUME, user("carol"), [Action.GRANT])
    answer = cast.house.browser("carol").post(SHARE, GIVE | {"right": ["read", "write"]})
    assert answer.status_code == 403
    assert "may not give what you lack" in answer.text.partition('id="problem-right"')[2]
    assert given(cast, "erin") == {}


def test_administrators_share_what_is_the_sites_with_everyone_and_any_group(cast: Cast) -> None:
    browser = cast.house.browser("root1")
    assert "Share secret" in browser.get("/sharing/site").text
    everyone = browser.post("/share/image/secret", {"q": "everyone", "right": "use", "action": "give"})
    assert everyone.status_code == 303
    group = browser.post("/share/domain/batch", {"q": "astro", "right": "use", "action": "give"})
    assert group.status_code == 303
    catalogue = browser.get("/share/image/python").text
    assert "by the site" in catalogue and "Revoke: everyone" not in catalogue
    assert cast.house.browser("alice").get("/sharing/site").status_code == 403


def test_a_right_is_revoked_one_by_one(cast: Cast) -> None:
    browser = cast.house.browser("alice")
    share = next(s for s in cast.house.store.shares_on(VOLUME) if s.grant.action == "write")
    answer = browser.post(f"/sharing/{share.id}/revoke", {"back": SHARE})
    assert answer.headers["Location"] == SHARE
    assert set(given(cast, "bob")) == {"grant"}
    assert browser.post(f"/sharing/{share.id}/revoke", {"back": "//evil.example"}).status_code == 404


@pytest.mark.parametrize(("who", "status"), [("erin", 404), ("carol", 404), ("bob", 404), ("root1", 404)])
def test_nobody_else_revokes_it(cast: Cast, who: str, status: int) -> None:
    share = next(s for s in cast.house.store.shares_on(VOLUME) if s.grant.subject == user("dave"))
    assert cast.house.browser(who).post(f"/sharing/{share.id}/revoke").status_code == status
    assert set(given(cast, "dave")) == {"read"}


def test_one_gives_back_what_one_got(cast: Cast) -> None:
    browser = cast.house.browser("dave")
    assert "Give back" in browser.get("/sharing").text
    [share] = cast.house.store.shares_between(VOLUME, user("dave"))
    answer = browser.post(f"/sharing/{share.id}/revoke", {"back": "//evil.example"})
    assert answer.headers["Location"] == "/"
    assert "Nothing is shared with you" in browser.get("/sharing").text


def test_lists_tell_what_is_shared_with_and_by_me(cast: Cast) -> None:
    bob = cast.house.browser("bob").get("/sharing").text
    assert ">mosaic</a>" in bob and f"job #{cast.job} of alice" in bob
    assert bob.count("Storage/<wbr>alice/<wbr>persistent") == 2  # to bob, and to his group
    alice = cast.house.browser("alice")
    assert "persistent" not in alice.get("/sharing").text  # her own, by a group of hers
    mine = alice.get("/sharing/mine").text
    assert "Revoke: user:dave may read" in mine and ">mosaic</a>" in mine
    cast.house.clock.advance(24 * 3600 + 1)
    assert "Ended" in cast.house.browser("dave").get("/sharing").text


def test_long_lists_come_in_pages(cast: Cast) -> None:
    asker = cast.asker("alice")
    for index in range(60):
        cast.house.store.add_user_volume("Storage", "alice", f"v{index:03}", "")
        thing = Resource(kind="user_volume", name=f"Storage/alice/v{index:03}")
        cast.sharing.give(asker, thing, user("erin"), [Action.READ])
    for who, path in (("erin", "/sharing"), ("alice", "/sharing/mine")):
        browser = cast.house.browser(who)
        first = browser.get(path).text
        after = first.partition(f'href="{path}?after=')[2].partition('"')[0]
        second = browser.get(f"{path}?after={after}").text
        assert "v000" in first and "v059" not in first and "v059" in second and "v000" not in second


@pytest.mark.parametrize(
    ("who", "query", "status", "words"),
    [
        ("bob", "action=write", 200, "alice granted you write"),
        ("carol", "action=read", 200, "in group survey"),
        ("carol", "action=write", 200, "may not write"),
        ("alice", "user=dave&action=read", 200, "granted dave read"),
        ("alice", "user=erin&action=read", 200, "You can grant it"),
        ("erin", "action=read", 200, "whose it would be"),
        ("erin", "user=bob&action=read", 404, "You may ask that about yourself"),
        ("alice", "user=nobody&action=read", 404, "logged in here"),
        ("alice", "user=A+B&action=read", 422, "no user name"),
        ("alice", "action=dance", 422, "choose what they would do"),
        ("alice", "action=use", 422, "one may: read, write"),
    ],
)
def test_why_is_answered_in_a_sentence(cast: Cast, who: str, query: str, status: int, words: str) -> None:
    path = f"/why?{query}&kind=user_volume&name={VOLUME.name}"
    answer = cast.house.browser(who).get(path)
    assert (answer.status_code, words in answer.text) == (status, True)


def test_the_way_a_right_takes_is_drawn(cast: Cast) -> None:
    cast.groups.invite(cast.asker("alice"), "lab", user("erin"))
    cast.groups.accept(cast.asker("erin"), "lab")
    page = cast.house.browser("erin").get(f"/why?action=read&kind=user_volume&name={VOLUME.name}").text
    way = page.partition('class="soft way"')[2].partition("</p>")[0]
    assert way.index("erin") < way.index("/groups/lab") < way.index("/groups/survey")


@pytest.mark.parametrize(
    "query", ["", "kind=dance", "name=%00", f"name={EVIL}&kind=image&action=use", "user=bob"]
)
def test_a_question_that_is_none_is_a_form(cast: Cast, query: str) -> None:
    answer = cast.house.browser("alice").get(f"/why?{query}")
    assert answer.status_code in (200, 422)
    assert "Ask why" in answer.text and "<script>alert" not in answer.text


def test_a_job_of_another_opens_for_reading_alone(cast: Cast) -> None:
    bob = cast.house.browser("bob")
    page = bob.get(f"/jobs/{cast.job}").text
    assert "alice’s job, shared with you" in page and "/why?user=bob&amp;action=read&amp;kind=job" in page
    for action in ("Cancel", "Run again", "Edit and run again", "do-share"):
        assert action not in page
    for tab in ("log", "results", "script", "provenance"):
        assert bob.get(f"/jobs/{cast.job}/{tab}").status_code == 200
    assert "10.9 years" in bob.get(f"/jobs/{cast.job}/log").text
    assert bob.get(f"/jobs/{cast.job}/download?path=stdout.txt").data == b"10.9 years\n"
    for path in (".sciserver/claim.header", "../x"):
        assert bob.get(f"/jobs/{cast.job}/download?path={path}").status_code == 404
    for act in ("cancel", "again"):
        assert bob.post(f"/jobs/{cast.job}/{act}").status_code == 404
    assert bob.get(f"/jobs/new?again={cast.job}").status_code == 404
    assert "mosaic" not in bob.get("/jobs").text
    cast.sharing.revoke(cast.asker("alice"), Resource(kind="job", name=str(cast.job)), user("bob"))
    assert bob.get(f"/jobs/{cast.job}").status_code == 404


def test_the_owner_shares_a_job_from_its_page(cast: Cast) -> None:
    alice = cast.house.browser("alice")
    assert f'href="/share/job/{cast.job}"' in alice.get(f"/jobs/{cast.job}").text
    cast.house.move(cast.job, JobState.FAILED)
    page = alice.get(f"/share/job/{cast.job}").text
    assert "mosaic" in page and "may write" not in page
    answer = alice.post(f"/share/job/{cast.job}", GIVE | {"q": "survey"})
    assert answer.status_code == 303
    assert cast.house.browser("carol").get(f"/jobs/{cast.job}").status_code == 200


def test_how_far_the_filesystem_followed_is_told(cast: Cast) -> None:
    browser = cast.house.browser("alice")
    waiting = browser.get(SHARE).text
    assert waiting.count("The filesystem follows within seconds.") == 1  # once, not beside each right
    astro = Subject(kind="group", name="astro")  # of which the directory tells no number
    cast.sharing.give(cast.asker("alice"), VOLUME, astro, [Action.READ])
    row = browser.get(SHARE).text.partition("</span> astro")[2].partition("</tr>")[0]
    assert "Not on disk" in row and "no number (gid)" in row
    assert "disk" not in browser.get(f"/share/job/{cast.job}").text


def test_volumes_tell_who_else_may_use_them(cast: Cast) -> None:
    page = cast.house.browser("alice").get("/volumes").text
    row = page.partition("persistent")[2].partition("</tr>")[0]
    assert "/groups/survey" in row and "bob" in row and "may write, give to others" in row
    assert f'href="{SHARE}"' in page
    carol = cast.house.browser("carol").get("/volumes").text
    assert "Shared with me" in carol and "sunspots" in carol
    cast.house.clock.advance(24 * 3600 + 1)
    assert "dave" not in cast.house.browser("alice").get("/volumes").text


def test_hostile_words_are_escaped_everywhere(cast: Cast) -> None:
    person = cast.people["erin"].model_copy(update={"full_name": EVIL})
    cast.house.people.add(person, "x")
    cast.house.store.remember_person(person)
    browser = cast.house.browser("alice")
    shown = [browser.post(SHARE, {"q": q, "action": "find", "until": q}).text for q in ("erin", EVIL)]
    shown += [
        browser.get(f"{path}").text
        for path in (f"/audit?who={EVIL}", f"/groups?after={EVIL}", "/sharing/mine")
    ]
    assert all("<script>alert" not in text for text in shown)
    assert "&lt;script&gt;" in shown[0]


def test_a_form_of_another_site_gives_and_takes_nothing(cast: Cast) -> None:
    client = cast.house.browser("alice").client
    before = cast.house.store.shares_on(VOLUME)
    for path in (SHARE, f"/sharing/{before[0].id}/revoke"):
        headers = {"Referer": "https://evil.example/"}
        assert client.post(path, base_url=URL, data=GIVE, headers=headers).status_code == 400
    assert cast.house.store.shares_on(VOLUME) == before


def test_a_group_that_ended_meanwhile_is_not_given_to(cast: Cast) -> None:
    cast.groups.delete(cast.asker("alice"), "lab")
    answer = cast.house.browser("alice").post(SHARE, GIVE | {"q": "lab", "whom": "portal_group:lab"})
    assert answer.status_code == 422
    assert cast.house.store.shares_between(VOLUME, portal("lab")) == []


def test_a_right_that_ends_with_the_givers_own(cast: Cast) -> None:
    end = cast.house.clock.now() + timedelta(days=2)
    cast.sharing.give(cast.asker("root1"), IMAGE, user("dave"), [Action.USE, Action.GRANT], end)
    answer = cast.house.browser("dave").post("/share/image/secret", GIVE | {"right": "use"})
    assert answer.status_code == 403 and "your own right ends" in answer.text
