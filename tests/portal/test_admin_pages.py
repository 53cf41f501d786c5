"""Pages of administrators: who sees them, what a form says, and that nothing is saved unseen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.domain.access import Action, Resource, Subject
from sciserver_hpc.domain.declaration import read
from sciserver_hpc.domain.groups import user
from sciserver_hpc.domain.limits import Limit

from .cast import EVIL, Cast
from .house import URL

SIF = b"#!/usr/bin/env run-singularity\n".ljust(32, b"\0") + b"SIF_MAGIC\0"
BATCH = "/admin/domains/batch"
SECTIONS = ("domains", "images", "volumes", "roots", "limits")
PAGES = ("/admin", "/admin/people", "/admin/export", *(f"/admin/{one}" for one in SECTIONS),
         *(f"/admin/new/{one}" for one in SECTIONS), BATCH)  # fmt: skip
THE_SITE = Resource(kind="site", name="site")


def fields(page: str) -> dict[str, Any]:
    """What the first form of an entry would send: texts, chosen options, ticked boxes."""
    form = page.partition('class="stack declare"')[2].partition("</form>")[0]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("name", "value"))
        if name and name[1] != "csrf_token" and ('type="checkbox"' not in tag or " checked" in tag):
            found.setdefault(name[1], []).append(value[1] if value else "")
    for name, options in re.findall(r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        assert chosen
        found[name] = [chosen[1]]
    return found


def seen(page: str) -> str:
    return page.partition('name="seen" value="')[2].partition('"')[0]


def told(page: str) -> list[str]:
    """The lines of the difference."""
    part = page.partition('class="differences card"')[2].partition("</form>")[0]
    lines = re.findall(r"<strong>(?!Note)(.*?)</strong>|<li><code>(.*?)</code>", part)
    return [one or other for one, other in lines]


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_for_administrators(cast: Cast, path: str) -> None:
    assert cast.house.browser("root1").get(path).status_code == 200
    assert cast.house.browser("alice").get(path).status_code == 403


def test_the_link_is_for_those_who_may(cast: Cast) -> None:
    link = '<a href="/admin"'
    assert link in cast.house.browser("root1").get("/").text
    assert link not in cast.house.browser("alice").get("/").text
    cast.sharing.give(cast.asker("root1"), THE_SITE, user("alice"), [Action.MANAGE_LIMITS])
    alice = cast.house.browser("alice")
    assert link in alice.get("/").text
    overview = alice.get("/admin").text
    assert "/admin/limits" in overview and "/admin/domains" not in overview
    assert [alice.get(path).status_code for path in ("/admin/limits", BATCH, "/admin/people")] == [
        200,
        403,
        403,
    ]


@pytest.mark.parametrize("path", [BATCH, "/admin/volumes/sunspots", "/admin/roots/Storage"])
def test_a_form_sent_back_as_it_came_changes_nothing(cast: Cast, path: str) -> None:
    root = cast.house.browser("root1")
    answer = root.post(path, fields(root.get(path).text) | {"step": "review"})
    assert answer.status_code == 200 and "Nothing would change" in answer.text


def test_a_change_is_shown_then_saved(cast: Cast) -> None:
    root, store = cast.house.browser("root1"), cast.house.store
    form = fields(root.get(BATCH).text) | {
        "limits.cpus": "32",
        "limits.time_limit_s": "1-12",
        "images": ["r"],
    }
    review = root.post(BATCH, form | {"step": "review"})
    lines = [
        "domain batch",
        "images: -python, -secret",
        "limits.cpus: 8 → 32",
        "limits.time_limit_s: 28800 → 129600",
    ]
    assert told(review.text) == lines
    assert "sciserver-hpc admin domains set batch images=r limits.cpus=32" in review.text
    assert store.domains()[0].limits.cpus == 8
    answer = root.post(BATCH, form | {"step": "save", "seen": seen(review.text)})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BATCH}?saved=1")
    assert store.domains()[0].limits.cpus == 32
    (entry,) = store.audit(limit=1)
    assert (entry.who, entry.act, str(entry.on)) == ("root1", "site.change", "domain batch")
    assert entry.request_id
    assert "Saved." in root.get(f"{BATCH}?saved=1").text


def test_what_was_not_seen_is_not_saved(cast: Cast) -> None:
    root, store = cast.house.browser("root1"), cast.house.store
    form = fields(root.get(BATCH).text) | {"limits.cpus": "32"}
    mark = seen(root.post(BATCH, form | {"step": "review"}).text)
    for change in ({"seen": ""}, {"seen": mark, "limits.cpus": "64"}):
        answer = root.post(BATCH, form | {"step": "save"} | change)
        assert answer.status_code == 409 and "look at the difference again" in answer.text
    site = store.site()
    other = site.domains[0].model_copy(update={"partition": "other"})
    store.apply_site(site.model_copy(update={"domains": (other, *site.domains[1:])}))
    assert root.post(BATCH, form | {"step": "save", "seen": mark}).status_code == 409
    assert store.domains()[0] == other


def test_the_order_of_images_stays_unless_another_is_first(cast: Cast) -> None:
    root = cast.house.browser("root1")
    form = fields(root.get(BATCH).text)
    assert form["images"] == ["python", "r", "secret"]
    review = root.post(BATCH, form | {"first.images": "secret", "step": "review"})
    assert told(review.text) == ["domain batch", "images: python, r, secret → secret, python, r"]


def test_problems_stand_at_their_fields(cast: Cast) -> None:
    root = cast.house.browser("root1")
    form = {
        "name": "a b",
        "partition": "",
        "limits.cpus": "many",
        "limits.time_limit_s": EVIL,
        "step": "review",
    }
    answer = root.post("/admin/new/domains", form)
    assert answer.status_code == 422
    marked = set(re.findall(r'id="problem-([^"]*)"', answer.text))
    assert marked == {"name", "partition", "limits.cpus", "limits.time_limit_s"}
    assert 'value="many"' in answer.text and EVIL not in answer.text
    taken = root.post(
        "/admin/new/roots", {"name": "Storage", "path": "/s", "kind": "storage", "step": "review"}
    )
    assert taken.status_code == 409 and "There is a root volume Storage already" in taken.text
    back = root.post("/admin/new/domains", form | {"step": "back"})
    assert back.status_code == 200 and 'value="many"' in back.text


def test_an_image_is_added_by_its_path(cast: Cast, tmp_path: Path) -> None:
    root, file = cast.house.browser("root1"), tmp_path / "new.sif"
    file.write_bytes(SIF)
    form = {"name": "new", "version": "1", "path": str(file), "kernels": "python3, ir", "step": "review"}
    wrong = root.post("/admin/new/images", form | {"sha256": "0" * 64})
    assert wrong.status_code == 422 and "digest is another" in wrong.text
    review = root.post("/admin/new/images", form)
    assert told(review.text) == ["image new"]
    assert (
        root.post("/admin/new/images", form | {"step": "save", "seen": seen(review.text)}).status_code == 303
    )
    image = cast.house.store.images()[-1]
    assert (image.name, image.size, image.kernels) == ("new", len(SIF), ("python3", "ir"))
    assert "image new is in no domain" in root.get("/admin").text


def test_a_limit_is_set_and_removed(cast: Cast) -> None:
    root, store = cast.house.browser("root1"), cast.house.store
    form = {"subject.kind": "portal_group", "subject.name": "survey", "domain": "batch", "cpus": "64"}
    path = "/admin/new/limits"
    review = root.post(path, form | {"step": "review"})
    assert told(review.text) == ["limit group survey in domain batch: 64 cpus"]
    saved = root.post(path, form | {"step": "save", "seen": seen(review.text)})
    limit = Limit(subject=Subject(kind="portal_group", name="survey"), domain="batch", cpus=64)
    assert store.limits() == [limit]
    at = saved.headers["Location"].partition("?")[0].removeprefix(URL)
    review = root.post(at, {"act": "remove", "step": "review"})
    gone = root.post(at, {"act": "remove", "step": "save", "seen": seen(review.text)})
    assert gone.status_code == 303 and store.limits() == []
    assert "Limit group:survey@batch is removed." in root.get(gone.headers["Location"].removeprefix(URL)).text


def test_what_a_job_needs_is_not_removed_but_can_be_disabled(cast: Cast) -> None:
    root = cast.house.browser("root1")
    refused = root.post(BATCH, {"act": "remove", "step": "review"})
    assert refused.status_code == 403 and "1 unfinished job needs domain batch" in refused.text
    review = root.post(BATCH, {"act": "disable", "step": "review"})
    assert told(review.text) == ["domain batch", "batch: True → False"]
    assert root.post(BATCH, {"act": "disable", "step": "save", "seen": seen(review.text)}).status_code == 303
    assert not cast.house.store.domains()[0].batch
    assert "domain batch takes neither jobs nor sessions" in root.get("/admin").text


def test_the_declaration_can_be_taken_away(cast: Cast) -> None:
    answer = cast.house.browser("root1").get("/admin/export")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="site.toml"'
    assert read(answer.text, "site.toml") == cast.house.store.site()


def test_people_are_found_with_their_groups_and_jobs(cast: Cast) -> None:
    root = cast.house.browser("root1")
    page = root.get("/admin/people?q=ali").text
    assert "Alice Adams" in page and "bob" not in page.partition("<tbody>")[2]
    row = " ".join(re.sub(r"<[^>]*>", " ", page.partition("<tbody>")[2].partition("</tr>")[0]).split())
    assert (
        row
        == "alice Alice Adams · alice@example.org 2026-01-15 12:00 UTC lab (owner) , survey (owner) astro 1"
    )
    assert "Nobody is called so" in root.get("/admin/people?q=zz").text


@pytest.mark.parametrize(
    "path", ["/admin/nope", "/admin/new/nope", "/admin/domains/nope", "/admin/limits/a:b@c"]
)
def test_what_is_not_there_is_not_found(cast: Cast, path: str) -> None:
    assert cast.house.browser("root1").get(path).status_code == 404


def test_the_api_shows_then_changes(cast: Cast) -> None:
    client = cast.house.app.test_client()
    headers = {"Authorization": f"Bearer {cast.house.token('root1')}"}

    def call(method: str, path: str, body: Any = None) -> Any:
        return client.open(f"/api/v1/admin{path}", method=method, base_url=URL, headers=headers, json=body)

    entry = call("GET", "/domains/batch").json["entry"]
    entry["limits"]["cpus"] = 32
    shown = call("PUT", "/domains/batch?diff=true", entry).json
    assert (shown["saved"], shown["differences"][0]["changes"]) == (False, ["limits.cpus: 8 → 32"])
    assert call("PUT", "/domains/batch?seen=other", entry).status_code == 409
    assert call("PUT", f"/domains/batch?seen={shown['mark']}", entry).json["saved"] is True
    assert call("GET", "/domains").json["entries"][0]["limits"]["cpus"] == 32
    assert call("PUT", "/domains/other", entry).json["error"]["problems"].keys() == {"name"}
    limit = {"subject": {"kind": "everyone"}, "jobs": 3}
    assert call("PUT", "/limits/everyone@*", limit).json["saved"] is True
    assert call("GET", "/limits/everyone").json["entry"]["jobs"] == 3
    assert call("DELETE", "/limits/everyone").status_code == 200
    assert call("DELETE", "/domains/batch").status_code == 403
    assert call("POST", "/images/r/disable").json["saved"] is True
    assert call("PUT", "/images/r", {"name": "r", "version": "1", "path": "/nope"}).status_code == 422
    exported = call("GET", "/export")
    assert read(exported.text, "site.toml") == cast.house.store.site()


ADMIN = sorted(
    f"{verb} /api/v1/admin/{part}{rest}"
    for part, name in (("domains", "batch"), ("images", "r"), ("volumes", "sunspots"), ("roots", "Storage"))
    for verb, rest in (("GET", ""), ("GET", f"/{name}"), ("PUT", f"/{name}"), ("DELETE", f"/{name}"),
                       ("POST", f"/{name}/disable"))
)  # fmt: skip


@pytest.mark.parametrize("route", ADMIN)
def test_the_api_is_for_administrators(cast: Cast, route: str) -> None:
    method, _, path = route.partition(" ")
    before = cast.house.store.site()
    headers = {"Authorization": f"Bearer {cast.house.token('alice')}"}
    client = cast.house.app.test_client()
    assert client.open(path, method=method, base_url=URL, headers=headers, json={}).status_code == 403
    assert cast.house.store.site() == before
