"""The trail's page: whose lines one sees, filters in the URL, pages by key, the export."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from sciserver_hpc.domain.access import EVERYONE, Action
from sciserver_hpc.domain.audit import Entry, Outcome
from sciserver_hpc.domain.errors import Refused
from sciserver_hpc.domain.groups import Role, user
from sciserver_hpc.domain.limits import Limit
from sciserver_hpc.services.applying import Applying

from .cast import EVIL, VOLUME, Cast


def lines(page: str) -> list[str]:
    """The trail's sentences, without markup."""
    found = re.findall(r'<li id="line-\d+">.*?<p>(.*?)</p>', page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", "", one).split()) for one in found]


def test_each_reads_what_concerns_them(cast: Cast) -> None:
    with pytest.raises(Refused):
        cast.sharing.give(cast.asker("dave"), VOLUME, user("erin"), [Action.READ])
    told = {
        who: lines(cast.house.browser(who).get("/audit").text) for who in ("alice", "dave", "erin", "root1")
    }
    refused = "dave tried to give erin the right to read: volume Storage/alice/persistent ⊘Refused"
    assert refused in told["alice"] and refused in told["dave"]
    assert "alice invited dave to group survey as member" in told["dave"]
    assert told["erin"] == []
    assert len(told["root1"]) == len(cast.house.store.audit())


def test_changes_of_the_site_are_sentences(cast: Cast) -> None:
    store = cast.house.store
    applying, before = Applying(store, cast.house.clock), store.site()

    def apply(**changes: object) -> None:
        site = store.site().model_copy(update=changes)
        applying.apply(site, "root1", applying.differences(site))

    limit = Limit(subject=EVERYONE, jobs=5)
    image = before.images[0].model_copy(update={"name": "extra"})
    apply(images=(*before.images, image), limits=(limit, limit.model_copy(update={"domain": "batch"})))
    other = image.model_copy(update={"title": "Other"})
    apply(images=(*before.images, other), limits=(limit.model_copy(update={"jobs": 6}),))
    apply(images=before.images, grants=())
    told = lines(cast.house.browser("root1").get("/audit").text)
    for sentence in (
        "root1 added image extra to the site",
        "root1 set the limit: 5 jobs, for everyone in all compute domains",
        "root1 set the limit: 5 jobs, for everyone in compute domain batch",
        f"root1 changed image extra: title: {image.title} → Other",
        "root1 changed the limit: 5 jobs → 6 jobs, for everyone in all compute domains",
        "root1 removed the limit: 5 jobs, for everyone in compute domain batch",
        "root1 removed image extra from the site",
        "root1 took from everyone the right to use: image python",
    ):
        assert sentence in told, sentence


def test_every_deed_is_a_sentence(cast: Cast) -> None:
    alice, bob, carol = (cast.asker(name) for name in ("alice", "bob", "carol"))
    cast.groups.set_role(alice, "survey", user("carol"), Role.ADMIN)
    cast.groups.describe(carol, "survey", "ours")
    cast.groups.withdraw(bob, "survey", user("dave"))
    cast.groups.join(cast.asker("erin"), "survey")
    cast.groups.remove(bob, "survey", user("erin"))
    cast.groups.leave(carol, "survey")
    cast.groups.transfer(alice, "survey", user("bob"))
    cast.groups.accept(bob, "survey")
    cast.groups.delete(bob, "survey")
    cast.sharing.revoke(alice, VOLUME, user("dave"))
    cast.sharing.revoke(bob, VOLUME, user("bob"), [Action.WRITE])
    told = lines(cast.house.browser("root1").get("/audit").text)
    for sentence in (
        "bob gave back the right to write: volume Storage/alice/persistent",
        "alice took from dave the right to give to others, read, write: volume Storage/alice/persistent",
        "bob deleted group survey",
        "alice offered group survey to bob, to own it",
        "bob accepted the invitation to group survey",
        "carol left group survey",
        "bob removed erin from group survey",
        "erin joined group survey",
        "bob withdrew the invitation of dave to group survey",
        "carol described group survey",
        "alice made carol admin of group survey",
        "alice gave bob the right to give to others, write: volume Storage/alice/persistent",
        "alice accepted the invitation of group lab to group survey",
        "bob accepted the invitation to group survey",
        "alice made group survey",
    ):
        assert sentence in told


@pytest.mark.parametrize(
    ("query", "count"),
    [("who=bob", 1), ("act=group.invite", 4), ("kind=group&name=lab", 1), ("from=2026-01-16", 0),
     ("to=2026-01-14", 0), ("who=alice&act=grant", 4), ("act=grant&from=2026-01-15&to=2026-01-15", 5)],
)  # fmt: skip
def test_filters_stand_in_the_url(cast: Cast, query: str, count: int) -> None:
    page = cast.house.browser("root1").get(f"/audit?{query}").text
    assert len(lines(page)) == count
    export = cast.house.browser("root1").get(f"/audit/export?{query}")
    assert len(export.text.splitlines()) == count


@pytest.mark.parametrize(
    "query", ["kind=group", "name=lab", "kind=dance&name=x", "act=dance", "from=soon", "to=9999-12-31"]
)
def test_a_filter_that_cannot_be_read_is_told(cast: Cast, query: str) -> None:
    browser = cast.house.browser("root1")
    answer = browser.get(f"/audit?{query}")
    assert answer.status_code == 422 and 'class="problem"' in answer.text and lines(answer.text)
    assert browser.get(f"/audit/export?{query}").status_code == 422


@pytest.mark.parametrize(
    ("who", "query", "status"),
    [
        ("alice", "kind=group&name=survey", 200),
        ("bob", "kind=group&name=survey", 200),
        ("carol", "kind=group&name=survey", 403),
        ("erin", "kind=group&name=survey", 403),
        ("erin", "kind=group&name=lab", 404),
        ("bob", "kind=user_volume&name=Storage/alice/persistent", 200),
        ("carol", "kind=user_volume&name=Storage/alice/persistent", 403),
        ("erin", "kind=user_volume&name=Storage/alice/persistent", 404),
        ("root1", "kind=user_volume&name=Storage/alice/persistent", 200),
    ],
)
def test_a_things_trail_is_for_those_who_share_it(cast: Cast, who: str, query: str, status: int) -> None:
    browser = cast.house.browser(who)
    assert browser.get(f"/audit?{query}").status_code == status
    assert browser.get(f"/audit/export?{query}").status_code == status


def test_pages_follow_each_other_and_keep_their_filters(cast: Cast) -> None:
    for index in range(60):
        until = cast.house.clock.now() + timedelta(days=index + 1)
        cast.sharing.give(cast.asker("alice"), VOLUME, user("erin"), [Action.READ], until)
    browser = cast.house.browser("alice")
    first = browser.get("/audit?act=grant&who=alice").text
    older = first.partition('href="/audit?before=')[2].partition('"')[0].replace("&amp;", "&")
    second = browser.get(f"/audit?before={older}").text
    assert "act=grant" in older and "who=alice" in older
    assert len(lines(first)) == 50 and len(lines(second)) == 14
    assert 'value="alice"' in second


def test_the_export_is_json_line_by_line(cast: Cast) -> None:
    answer = cast.house.browser("alice").get("/audit/export")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.jsonl"'
    entries = [Entry.model_validate(json.loads(line)) for line in answer.text.splitlines()]
    assert {entry.owner for entry in entries} == {"alice"} and all(e.request_id for e in entries)


def test_what_stands_in_the_trail_is_escaped(cast: Cast) -> None:
    odd = Entry(
        at=cast.house.clock.now(), who="alice", act="of.the.future", on=VOLUME, detail=EVIL, reason=EVIL,
        outcome=Outcome.REFUSED,
    )  # fmt: skip
    cast.house.store.record([odd])
    page = cast.house.browser("alice").get("/audit").text
    assert "<script>alert" not in page
    assert "of.the.future" in lines(page)[0]
