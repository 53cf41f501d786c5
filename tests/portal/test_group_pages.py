"""Pages of groups: what each standing sees and may do, and forms that keep what was typed."""

from __future__ import annotations

import re

import pytest

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.domain.groups import Accessibility, user

from .cast import EVIL, Cast, portal
from .house import URL

NAMES = ("alice", "bob", "carol", "dave", "erin", "root1")


def test_the_list_tells_my_groups_invitations_public_ones_and_the_directorys(cast: Cast) -> None:
    cast.groups.create(cast.asker("erin"), "course", "A class", Accessibility.PUBLIC)
    alice = cast.house.browser("alice").get("/groups").text
    assert alice.index("My groups") < alice.index(">survey<") < alice.index("Public groups")
    assert "astro" in alice and "Join course" in alice and "Join survey" not in alice
    dave = cast.house.browser("dave").get("/groups").text
    assert "alice invites you" in dave and "Accept the invitation to survey" in dave
    assert "lab" not in re.sub("label", "", dave)


def test_public_groups_come_in_pages(cast: Cast) -> None:
    for index in range(60):
        maker = cast.asker("erin" if index % 2 else "carol")
        cast.groups.create(maker, f"g{index:03}x", "", Accessibility.PUBLIC)
    browser = cast.house.browser("dave")
    first = browser.get("/groups").text
    after = first.partition('href="/groups?after=')[2].partition('"')[0]
    second = browser.get(f"/groups?after={after}").text
    assert "Join g000x" in first and "Join g059x" not in first
    assert "Join g059x" in second and "Join g000x" not in second


def test_a_group_is_made_and_found(cast: Cast) -> None:
    browser = cast.house.browser("erin")
    form = {"name": "new", "description": EVIL, "accessibility": "public"}
    assert browser.post("/new/group", form).headers["Location"] == "/groups/new"
    page = browser.get("/groups/new").text
    assert "&lt;script&gt;" in page and "<script>alert" not in page
    assert browser.post("/new/group", form).status_code == 303  # twice is once


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [("", 422, "problem-name"), ("a b", 422, "problem-name"), ("Survey", 409, "reads like"),
     ("public", 409, "kept for"), ("astro", 409, "reads like"), ("x" * 65, 422, "problem-name")],
)  # fmt: skip
def test_a_bad_name_is_told_at_its_field_and_the_rest_stays(
    cast: Cast, name: str, status: int, words: str
) -> None:
    form = {"name": name, "description": "kept <b>", "accessibility": "public"}
    answer = cast.house.browser("erin").post("/new/group", form)
    assert answer.status_code == status
    assert words in answer.text and 'value="kept &lt;b&gt;"' in answer.text
    assert re.search(r'value="public" checked', answer.text)


@pytest.mark.parametrize(
    ("name", "spelled"), [("1AB", "group lab"), ("a5tro", "a5-tro"), ("Surv.ey", "group survey")]
)
def test_a_hidden_groups_name_is_not_spelled_out_to_who_tries_one_like_it(
    cast: Cast, name: str, spelled: str
) -> None:
    cast.groups.create(cast.asker("bob"), "a5-tro", "", Accessibility.PRIVATE)
    answer = cast.house.browser("erin").post("/new/group", {"name": name})
    assert answer.status_code == 409
    assert (spelled in answer.text) is (name == "Surv.ey")


def test_a_directory_that_is_away_keeps_what_was_typed(cast: Cast) -> None:
    browser = cast.house.browser("erin")
    cast.house.people.down = True
    answer = browser.post("/new/group", {"name": "fresh", "description": "kept"})
    assert answer.status_code == 503 and 'value="kept"' in answer.text


@pytest.mark.parametrize("who", NAMES)
def test_what_each_standing_sees_of_a_public_group(cast: Cast, who: str) -> None:
    page = cast.house.browser(who).get("/groups/survey").text
    inside, admin = who in ("alice", "bob", "carol", "root1"), who in ("alice", "bob", "root1")
    assert (">Members</h2>" in page) is inside
    assert ("may use" in page and "secret" in page) is inside
    assert ('action="/groups/survey/invite' in page) is admin
    assert (">Activity</h2>" in page) is admin
    assert ('action="/groups/survey/delete"' in page) is (who in ("alice", "root1"))
    assert ('action="/groups/survey/leave"' in page) is (who in ("bob", "carol"))
    assert ('action="/groups/survey/accept"' in page) is (who == "dave")
    assert ('action="/groups/survey/join"' in page) is (who in ("erin", "root1"))
    assert "<script>alert" not in page and "&lt;script&gt;" in page


def test_the_group_that_is_in_another_tells_so(cast: Cast) -> None:
    page = cast.house.browser("alice").get("/groups/lab").text
    assert "Take out of survey: group lab" in page
    answer = cast.house.browser("alice").post("/groups/survey/leave", {"member": "portal_group:lab"})
    assert answer.status_code == 303
    assert "Take out of survey: group lab" not in cast.house.browser("alice").get("/groups/lab").text


@pytest.mark.parametrize("name", ["lab", "nothing", "a%00b", "%E2%80%AE"])
@pytest.mark.parametrize(
    "act", ["", "/describe", "/invite", "/accept", "/decline", "/join", "/leave", "/remove", "/delete"]
)
def test_a_stranger_does_not_learn_that_a_private_group_exists(cast: Cast, name: str, act: str) -> None:
    browser = cast.house.browser("erin")
    form = {"member": "user:alice", "confirm": name, "description": "x", "q": "ali", "action": "find"}
    answer = browser.post(f"/groups/{name}{act}", form) if act else browser.get(f"/groups/{name}")
    assert answer.status_code == 404


def test_somebody_is_found_and_invited(cast: Cast) -> None:
    browser = cast.house.browser("bob")
    found = browser.post("/groups/survey/invite", {"q": "er", "role": "admin", "action": "find"})
    assert found.status_code == 200
    assert re.search(r'value="user:erin" checked', found.text) and 'value="er"' in found.text
    assert re.search(r'value="admin" checked', found.text)
    form = {"q": "er", "whom": "user:erin", "role": "admin", "action": "invite"}
    assert browser.post("/groups/survey/invite", form).status_code == 303
    [invitation] = [
        m for m in cast.groups.invitations(cast.people["bob"], "survey") if m.member.name == "erin"
    ]
    assert (invitation.role, invitation.by) == ("admin", "bob")


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"q": ""}, "first letters"),
        ({"q": "e"}, "first 2 letters"),
        ({"q": "zz"}, "nobody called so"),
        ({"q": "er\u202e"}, "not printable"),
        ({"q": "lab"}, "in group survey already"),
        ({"q": "ek"}, "choose whom you mean"),
        ({"q": "ek", "whom": "user:alice"}, "choose whom you mean"),
        ({"q": "dave"}, "invited to group survey already"),
        ({"q": "carol"}, "in group survey already"),
    ],
)
def test_whom_not_to_invite_is_told_and_what_was_typed_stays(
    cast: Cast, form: dict[str, str], words: str
) -> None:
    answer = cast.house.browser("alice").post("/groups/survey/invite", form | {"action": "invite"})
    assert answer.status_code in (403, 409, 422)
    assert words in answer.text.partition('id="problem-q"')[2].partition("</p>")[0]
    assert f'value="{form["q"]}"' in answer.text


def test_whoever_was_chosen_for_another_name_is_not_meant(cast: Cast) -> None:
    """Without script, a radio button ticked for one name is sent along with the next name typed."""
    form = {"q": "erin", "whom": "user:root1", "action": "invite"}
    assert cast.house.browser("alice").post("/groups/survey/invite", form).status_code == 303
    names = {m.member.name for m in cast.groups.invitations(cast.people["alice"], "survey")}
    assert "erin" in names and "root1" not in names


def test_the_directory_cannot_be_read_through(cast: Cast) -> None:
    for index in range(30):
        person = cast.people["erin"].model_copy(update={"username": f"student{index}", "uid": 5000 + index})
        cast.house.store.remember_person(person)
    page = cast.house.browser("alice").post("/groups/survey/invite", {"q": "st", "action": "find"}).text
    assert 0 < page.count('value="user:student') <= 10


def test_roles_change_hands(cast: Cast) -> None:
    alice = cast.house.browser("alice")
    assert alice.post("/groups/survey/role", {"member": "user:carol", "role": "admin"}).status_code == 303
    assert cast.groups.get(cast.people["carol"], "survey").role == "admin"
    assert alice.post("/groups/survey/role", {"member": "user:carol", "role": "member"}).status_code == 303
    assert alice.post("/groups/survey/transfer", {"member": "user:bob"}).status_code == 303
    bob = cast.house.browser("bob")
    assert cast.groups.get(cast.people["bob"], "survey").group.owner == "alice"
    assert "alice offers you this group" in bob.get("/groups/survey").text
    assert "alice offers you the group" in bob.get("/groups").text
    assert "Withdraw the invitation of bob" not in bob.get("/groups/survey").text
    assert alice.post("/groups/survey/withdraw", {"member": "user:bob"}).status_code == 303
    assert "offers you" not in bob.get("/groups").text
    assert alice.post("/groups/survey/transfer", {"member": "user:bob"}).status_code == 303
    assert "Withdraw the invitation of bob" in alice.get("/groups/survey").text
    assert bob.post("/groups/survey/accept", {}).status_code == 303
    assert cast.groups.get(cast.people["bob"], "survey").group.owner == "bob"
    refused = alice.post("/groups/survey/transfer", {"member": "user:alice"})
    assert refused.status_code == 403 and "only its owner" in refused.text
    assert alice.post("/groups/survey/leave").headers["Location"] == "/groups"


def test_a_group_is_deleted_only_by_its_typed_name(cast: Cast) -> None:
    browser = cast.house.browser("alice")
    wrong = browser.post("/groups/survey/delete", {"confirm": "surve"})
    assert wrong.status_code == 422 and "problem-confirm" in wrong.text and 'value="surve"' in wrong.text
    assert browser.post("/groups/survey/delete", {"confirm": "survey"}).headers["Location"] == "/groups"
    assert browser.get("/groups/survey").status_code == 404


def test_a_description_that_cannot_be_stays_in_the_open_form(cast: Cast) -> None:
    answer = cast.house.browser("bob").post("/groups/survey/describe", {"description": "x" * 2001})
    assert answer.status_code == 422 and "problem-description" in answer.text
    assert "x" * 2001 in answer.text
    assert (
        cast.house.browser("bob").post("/groups/survey/describe", {"description": "ours"}).status_code == 303
    )
    refused = cast.house.browser("bob").post("/groups/survey/describe", {"accessibility": "private"})
    assert refused.status_code == 403


def test_invitations_are_told_in_the_navigation_and_answered(cast: Cast) -> None:
    browser = cast.house.browser("dave")
    for path in ("/", "/jobs", "/groups", "/me", "/nothing"):
        assert 'class="count">1<' in browser.get(path).text
    assert "An invitation waits" in browser.get("/").text
    assert browser.post("/groups/survey/accept").status_code == 303
    assert 'class="count"' not in browser.get("/").text


def test_a_declined_invitation_of_a_private_group_leads_back(cast: Cast) -> None:
    cast.groups.invite(cast.asker("alice"), "lab", user("erin"))
    browser = cast.house.browser("erin")
    assert browser.get("/groups/lab").status_code == 200
    assert browser.post("/groups/lab/decline").headers["Location"] == "/groups"
    assert browser.get("/groups/lab").status_code == 404
    assert browser.post("/groups/lab/decline").status_code == 303  # a double click


def test_one_answers_for_a_group_one_is_admin_of(cast: Cast) -> None:
    cast.groups.create(cast.asker("erin"), "club", "", Accessibility.PRIVATE)
    cast.groups.invite(cast.asker("alice"), "survey", user("erin"))
    cast.groups.join(cast.asker("erin"), "survey")
    cast.groups.invite(cast.asker("erin"), "club", portal("survey"))
    bob, carol = cast.house.browser("bob"), cast.house.browser("carol")
    assert "your group survey" in bob.get("/groups").text
    assert carol.post("/groups/club/accept", {"member": "portal_group:survey"}).status_code == 404
    assert bob.post("/groups/club/accept", {"member": "user:erin"}).status_code == 404
    assert bob.post("/groups/club/accept", {"member": "portal_group:survey"}).status_code == 303
    assert carol.get("/groups/club").status_code == 200


def test_a_page_asks_for_invitations_once_and_lives_without_the_database(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, asked = cast.house.browser("dave"), []
    count = cast.house.store.count_invitations
    monkeypatch.setattr(cast.house.store, "count_invitations", lambda name: asked.append(name) or count(name))
    browser.get("/")
    assert asked == ["dave"]

    def away(_: str) -> int:
        raise Unavailable("database", "no answer")

    monkeypatch.setattr(cast.house.store, "count_invitations", away)
    assert browser.get("/jobs").status_code == 200


@pytest.mark.parametrize(
    "act", ["describe", "invite", "withdraw", "accept", "join", "leave", "remove", "role", "delete"]
)
def test_a_form_of_another_site_changes_nothing(cast: Cast, act: str) -> None:
    client = cast.house.browser("alice").client
    form = {"member": "user:carol", "confirm": "survey", "q": "erin", "description": "x"}
    headers = {"Referer": "https://evil.example/"}
    before = cast.house.store.audit()
    assert client.post(f"/groups/survey/{act}", base_url=URL, data=form, headers=headers).status_code == 400
    assert cast.house.store.audit() == before


def test_an_owner_makes_it_a_unix_group_and_members_see_what_it_is(cast: Cast) -> None:
    alice, carol = (cast.house.browser(name) for name in ("alice", "carol"))
    page = alice.get("/groups/survey").text
    assert "No Unix group: on the filesystem" in page and "Make it a Unix group" in page
    assert "Make it a Unix group" not in carol.get("/groups/survey").text
    assert alice.post("/groups/survey/unix", {"on": "1"}).status_code == 303
    keeping = cast.house.services.group_keeping
    keeping.tell(keeping.due()[0], lambda: True)
    page = carol.get("/groups/survey").text
    assert "portal-survey is being made; files name its members meanwhile." in page and "7001" in page
    page = alice.get("/groups/survey").text
    assert "Have no Unix group" in page and "made in the directory" in page
    assert "portal-survey" not in cast.house.browser("erin").get("/groups/survey").text
    cast.house.branch.down = True
    assert alice.post("/groups/survey/unix", {"on": "0"}).status_code == 303
    keeping.tell(keeping.due()[0], lambda: True)
    keeping.tell(keeping.due()[0], lambda: True)
    assert "Unix group portal-survey goes" in alice.get("/groups/survey").text


def test_where_the_site_has_none_nothing_is_said(cast: Cast) -> None:
    cast.house.services.unix_groups._prefix = ""
    page = cast.house.browser("alice").get("/groups/survey").text
    assert "On the filesystem" not in page
