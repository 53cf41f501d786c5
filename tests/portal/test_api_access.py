"""Groups, grants and the audit trail through the API: what each asker is told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from sciserver_hpc.domain.access import Action, Grant, Resource, Subject
from sciserver_hpc.domain.audit import BROKER
from sciserver_hpc.domain.audit import Entry as Line
from sciserver_hpc.domain.jobs import JobRequest
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.tokens import Scope

from .house import PASSWORD, PEOPLE, URL, House

VOLUME = {"kind": "user_volume", "name": "Storage/alice/shared"}
ON_IT = "user_volume:Storage/alice/shared"
NAMES = ("alice", "bob", "carol", "dave", "root1")


class Callers:
    """alice, bob (both group astro), carol, dave and root1, an administrator, with tokens."""

    def __init__(self, house: House) -> None:
        self.house = house
        for number, name in enumerate(NAMES[2:], 2003):
            person = Person(
                username=name, uid=number, gid=number, full_name=name.title(), admin=name == "root1"
            )
            house.people.add(person, PASSWORD)
            for root in ("Storage", "Temporary"):
                house.disk.make_directory(f"/shared/{root}/{name}", number)
        self.secrets = {name: house.token(name) for name in NAMES}
        house.store.add_user_volume("Storage", "alice", "shared", "")

    def __call__(self, who: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.secrets[who]}"}
        return self.house.app.test_client().open(
            f"/api/v1{path}", method=method, json=body, query_string=query, headers=headers, base_url=URL
        )

    def ok(self, who: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self(who, method, path, body, **query)
        assert answer.status_code in (200, 201, 204), answer.text
        return answer.json if answer.status_code != 204 else None

    def group(self, name: str = "survey", owner: str = "alice", **more: Any) -> None:
        self.ok(owner, "POST", "/groups", {"name": name, **more})

    def member(self, who: str, group: str = "survey", owner: str = "alice", role: str = "member") -> None:
        self.ok(owner, "POST", f"/groups/{group}/invite", {"member": user(who), "role": role})
        self.ok(who, "POST", f"/groups/{group}/accept")

    def grant(self, subject: Any, *actions: str, by: str = "alice", **more: Any) -> Any:
        asked = {"resource": VOLUME, "subject": subject, "actions": actions, **more}
        return self(by, "POST", "/grants", asked)


@pytest.fixture
def call(house: House) -> Callers:
    return Callers(house)


def user(name: str) -> dict[str, str]:
    return {"kind": "user", "name": name}


def group(name: str) -> dict[str, str]:
    return {"kind": "portal_group", "name": name}


def said(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    message: str = answer.json["error"]["message"]
    return message


def test_a_group_is_made_once_and_seen_by_its_members_alone(call: Callers) -> None:
    asked = {"name": "survey", "description": "Sky survey"}
    assert call("alice", "POST", "/groups", asked).status_code == 201
    again = call("alice", "POST", "/groups", asked)
    assert again.status_code == 200
    assert again.json["group"] | {"created_at": ""} == {
        "name": "survey", "source": "portal", "description": "Sky survey", "owner": "alice",
        "accessibility": "private", "created_at": "", "role": "owner", "member": True,
    }  # fmt: skip
    assert "taken" in said(call("bob", "POST", "/groups", asked), 409)
    there, nowhere = (call("bob", "GET", f"/groups/{name}") for name in ("survey", "nothing"))
    assert said(there, 404).replace("survey", "nothing") == said(nowhere, 404)
    names = [(g["name"], g["source"]) for g in call.ok("alice", "GET", "/groups")["groups"]]
    assert names == [("astro", "directory"), ("survey", "portal")]


@pytest.mark.parametrize(
    "name", ["astro", "ASTR0", "as-tro", "аstro", "admin", "a/b", ".hidden", "", "x" * 65]
)
def test_names_that_mislead_are_refused(call: Callers, name: str) -> None:
    answer = call("alice", "POST", "/groups", {"name": name})
    assert answer.status_code in (409, 422) and answer.json["error"]["message"]


def test_a_group_of_the_directory_nobody_has_come_with_yet_is_known_too(call: Callers, house: House) -> None:
    house.people.add(Person(username="eve", uid=2009, gid=2009, groups=frozenset({"Physics"})), PASSWORD)
    assert "directory" in said(call("alice", "POST", "/groups", {"name": "physics"}), 409)
    house.people.down = True
    assert call("alice", "POST", "/groups", {"name": "chemistry"}).status_code == 503


def test_an_invitation_is_seen_accepted_and_counts(call: Callers) -> None:
    call.group()
    invited = call.ok("alice", "POST", "/groups/survey/invite", {"member": user("bob"), "role": "admin"})
    assert invited["membership"]["status"] == "invited"
    assert said(call("alice", "POST", "/groups/survey/invite", {"member": user("bob")}), 409)
    mine = call.ok("bob", "GET", "/invitations")["memberships"]
    assert [(m["group"], m["role"], m["by"]) for m in mine] == [("survey", "admin", "alice")]
    assert call.ok("bob", "GET", "/groups/survey")["group"]["member"] is False
    assert said(call("bob", "GET", "/groups/survey/members"), 403)
    for _ in range(2):
        assert call.ok("bob", "POST", "/groups/survey/accept")["membership"]["status"] == "accepted"
    assert call.ok("bob", "GET", "/invitations")["memberships"] == []
    members = call.ok("bob", "GET", "/groups/survey/members", limit=1)
    assert (members["memberships"][0]["member"], members["next"]) == (user("alice"), "user:alice")
    rest = call.ok("bob", "GET", "/groups/survey/members", after=members["next"])
    assert [m["member"]["name"] for m in rest["memberships"]] == ["bob"]


@pytest.mark.parametrize("verb", ["decline", "withdraw"])
def test_a_declined_or_withdrawn_invitation_counts_for_nothing(call: Callers, verb: str) -> None:
    call.group()
    assert call.grant(group("survey"), "read").status_code == 201
    call.ok("alice", "POST", "/groups/survey/invite", {"member": user("bob")})
    for _ in range(2):
        if verb == "decline":
            call.ok("bob", "POST", "/groups/survey/decline")
        else:
            call.ok("alice", "POST", "/groups/survey/withdraw", {"member": user("bob")})
    assert call.ok("bob", "GET", "/shared-with-me")["grants"] == []
    assert call("bob", "POST", "/groups/survey/accept").status_code in (404, 409)
    assert call.ok("bob", "GET", "/groups")["groups"][0]["name"] == "astro"


@pytest.mark.parametrize(
    ("member", "status"),
    [
        (user("alice"), 403),
        (user("nobody"), 422),
        (user("Ａlice"), 422),
        (group("survey"), 403),
        (group("hidden"), 422),
        ({"kind": "group", "name": "no-such"}, 422),
        ({"kind": "everyone", "name": ""}, 403),
        ({"kind": "service", "name": "x"}, 422),
    ],
)
def test_odd_members_are_refused_in_a_sentence(call: Callers, member: Any, status: int) -> None:
    call.group()
    call.group("hidden", "carol")
    assert said(call("alice", "POST", "/groups/survey/invite", {"member": member}), status)


def test_who_left_the_directory_is_not_invited(call: Callers, house: House) -> None:
    call.group()
    house.people.remove("bob")
    assert said(call("alice", "POST", "/groups/survey/invite", {"member": user("bob")}), 422)


def test_an_owner_stays_until_the_group_is_handed_over(call: Callers) -> None:
    call.group()
    call.member("bob", role="admin")
    assert "hand it over" in said(call("alice", "POST", "/groups/survey/leave"), 403)
    for verb, more in (("remove", {}), ("role", {"role": "member"})):
        assert said(call("bob", "POST", f"/groups/survey/{verb}", {"member": user("alice"), **more}), 403)
    offer = {"member": user("bob")}
    for ends in (("bob", "decline", None), ("alice", "withdraw", offer)):
        made = call.ok("alice", "POST", "/groups/survey/transfer", offer)["membership"]
        assert (made["role"], made["status"]) == ("owner", "invited")
        assert call.ok("bob", "GET", "/invitations")["memberships"] == [made]
        assert call.ok("alice", "GET", "/groups/survey/invitations")["memberships"] == [made]
        call.ok(ends[0], "POST", f"/groups/survey/{ends[1]}", ends[2])
        assert call.ok("bob", "GET", "/invitations")["memberships"] == []
        assert call.ok("bob", "GET", "/groups/survey")["group"]["owner"] == "alice"
    call.ok("alice", "POST", "/groups/survey/transfer", offer)
    call.ok("bob", "POST", "/groups/survey/accept")
    assert call.ok("bob", "GET", "/groups/survey")["group"]["owner"] == "bob"
    for _ in range(2):
        call.ok("alice", "POST", "/groups/survey/leave")
    assert call("alice", "GET", "/groups/survey").status_code == 404


def test_who_was_expelled_from_a_public_group_does_not_come_back_alone(call: Callers) -> None:
    call.group(accessibility="public")
    assert [g["name"] for g in call.ok("bob", "GET", "/groups/public")["groups"]] == ["survey"]
    call.ok("bob", "POST", "/groups/survey/join")
    call.ok("alice", "POST", "/groups/survey/remove", {"member": user("bob")})
    assert "invitation" in said(call("bob", "POST", "/groups/survey/join"), 403)
    call.member("bob")
    call.ok("bob", "POST", "/groups/survey/leave")
    call.ok("bob", "POST", "/groups/survey/join")


def test_groups_nest_by_consent_and_never_in_circles(call: Callers) -> None:
    call.group("survey", "alice")
    call.group("team", "carol", accessibility="public")
    call.ok("alice", "POST", "/groups/survey/invite", {"member": group("team")})
    assert said(call("bob", "POST", "/groups/survey/accept", group="team"), 404)
    assert call.ok("carol", "GET", "/invitations")["memberships"][0]["member"] == group("team")
    call.ok("carol", "POST", "/groups/survey/accept", group="team")
    assert call.ok("carol", "GET", "/groups/survey")["group"]["member"] is True
    assert "circle" in said(call("carol", "POST", "/groups/team/invite", {"member": group("survey")}), 403)
    call.grant(group("survey"), "read")
    assert call.ok("carol", "GET", "/shared-with-me")["grants"][0]["resource"] == VOLUME
    call.ok("carol", "POST", "/groups/survey/leave", group="team")
    assert call.ok("carol", "GET", "/shared-with-me")["grants"] == []


def test_a_group_of_the_directory_nests_like_others(call: Callers) -> None:
    call.group("survey", "carol")
    made = call.ok("root1", "POST", "/groups/survey/invite", {"member": {"kind": "group", "name": "astro"}})
    assert made["membership"]["status"] == "accepted"
    assert [g["name"] for g in call.ok("bob", "GET", "/groups")["groups"]] == ["astro", "survey"]
    assert call("bob", "PATCH", "/groups/astro", {"description": "ours"}).status_code == 404


def test_a_deleted_group_takes_its_grants_and_its_name_along(call: Callers) -> None:
    call.group()
    call.member("bob")
    call.grant(group("survey"), "read")
    call.ok("alice", "DELETE", "/groups/survey")
    assert call.ok("bob", "GET", "/shared-with-me")["grants"] == []
    assert call.ok("alice", "GET", "/grants", resource=ON_IT)["grants"] == []
    assert "no name is given twice" in said(call("bob", "POST", "/groups", {"name": "survey"}), 409)


def test_a_grant_adds_and_takes_nothing_else_away(call: Callers) -> None:
    assert call.grant(user("bob"), "read", "grant").status_code == 201
    assert call.grant(user("bob"), "write").status_code == 201
    grants = call.ok("alice", "GET", "/grants", resource=ON_IT)["grants"]
    assert sorted(g["action"] for g in grants) == ["grant", "read", "write"]
    gone = call.ok(
        "alice", "POST", "/grants/revoke", {"resource": VOLUME, "subject": user("bob"), "actions": ["write"]}
    )
    assert [g["action"] for g in gone["grants"]] == ["write"]
    assert len(call.ok("bob", "GET", "/shared-with-me")["grants"]) == 2
    for left in (2, 0):
        gone = call.ok("alice", "POST", "/grants/revoke", {"resource": VOLUME, "subject": user("bob")})
        assert len(gone["grants"]) == left


def test_nobody_hands_out_what_they_lack(call: Callers) -> None:
    assert said(call.grant(user("carol"), "read", by="bob"), 404)
    call.grant(user("bob"), "read", "grant")
    refused = call.grant(user("carol"), "read", "write", by="bob")
    assert refused.json["error"]["items"] == {
        "write user volume Storage/alice/shared": "you may not give what you lack yourself"
    }
    assert call.ok("carol", "GET", "/shared-with-me")["grants"] == []
    assert call.grant(user("carol"), "read", by="bob").status_code == 201
    assert said(call.grant({"kind": "everyone", "name": ""}, "read"), 403)


@pytest.mark.parametrize("dry_run", [True, False])
def test_taking_back_tells_no_reader_who_else_was_granted(call: Callers, dry_run: bool) -> None:
    call.grant(user("bob"), "read")
    call.grant(user("carol"), "read", "write")
    answers = set()
    for asked in ({"subject": user("carol")}, {"subject": user("carol"), "actions": ["grant"]},
                  {"subject": group("nobodys")}):  # fmt: skip
        answer = call("bob", "POST", "/grants/revoke", {"resource": VOLUME, "dry_run": dry_run, **asked})
        answers.add(said(answer, 403))
    assert len(answers) == 1
    assert len(call.ok("alice", "GET", "/grants", resource=ON_IT)["grants"]) == 3


def test_who_lost_the_right_to_give_still_takes_back_their_own(call: Callers) -> None:
    call.grant(user("bob"), "read", "grant")
    call.grant(user("carol"), "read", by="bob")
    call.grant(user("carol"), "read")
    call.ok(
        "alice", "POST", "/grants/revoke", {"resource": VOLUME, "subject": user("bob"), "actions": ["grant"]}
    )
    gone = call.ok("bob", "POST", "/grants/revoke", {"resource": VOLUME, "subject": user("carol")})
    assert [grant["granted_by"] for grant in gone["grants"]] == ["bob"]


def test_everyone_is_one_so_that_no_grant_reads_as_theirs_and_reaches_nobody(call: Callers) -> None:
    asked = {"resource": {"kind": "image", "name": "secret"}, "actions": ["use"]}
    named = {"kind": "everyone", "name": "x"}
    assert "no name" in said(call("root1", "POST", "/grants", asked | {"subject": named}), 422)
    assert call("root1", "POST", "/grants", asked | {"subject": {"kind": "everyone"}}).status_code == 201


def test_a_dry_run_tells_and_changes_nothing(call: Callers) -> None:
    dry = call.grant(user("bob"), "read", dry_run=True)
    assert (dry.status_code, [g["id"] for g in dry.json["grants"]]) == (200, [0])
    assert said(call.grant(user("alice"), "read", dry_run=True), 403)
    assert call.ok("alice", "GET", "/grants", resource=ON_IT)["grants"] == []
    call.grant(user("bob"), "read")
    asked = {"resource": VOLUME, "subject": user("bob"), "dry_run": True}
    assert len(call.ok("alice", "POST", "/grants/revoke", asked)["grants"]) == 1
    assert len(call.ok("alice", "GET", "/grants/mine")["grants"]) == 1
    assert call.ok("alice", "GET", "/audit", resource=ON_IT)["entries"][0]["act"] == "grant"


def test_a_role_is_its_actions(call: Callers) -> None:
    asked = {"resource": VOLUME, "subject": user("bob"), "role": "writer"}
    assert {g["action"] for g in call.ok("alice", "POST", "/grants", asked)["grants"]} == {"read", "write"}
    assert "reader" in said(call("alice", "POST", "/grants", asked | {"role": "user"}), 422)
    assert said(call("alice", "POST", "/grants", asked | {"actions": ["read"]}), 422)


def test_a_grant_ends_when_it_was_said_to(call: Callers, house: House) -> None:
    assert call.grant(user("bob"), "read", expires="2026-01-15T12:10:00Z").status_code == 201
    assert call.ok("bob", "GET", "/explain", action="read", resource=ON_IT)["explanation"]["allowed"]
    house.clock.advance(600)
    told = call.ok("bob", "GET", "/explain", action="read", resource=ON_IT)["explanation"]
    assert not told["allowed"] and "ended 2026-01-15 12:10" in told["sentence"]
    assert call.ok("bob", "GET", "/shared-with-me")["grants"][0]["expired"] is True
    assert said(call.grant(user("bob"), "read", expires="2026-01-15T12:10:00Z"), 422)


def test_one_may_drop_what_was_shared_with_one_and_no_others_grant(call: Callers) -> None:
    call.grant(user("bob"), "read")
    number = call.grant(user("carol"), "read").json["grants"][0]["id"]
    assert said(call("bob", "DELETE", f"/grants/{number}"), 404) == said(
        call("bob", "DELETE", "/grants/999"), 404
    ).replace("999", str(number))
    call.ok("carol", "DELETE", f"/grants/{number}")
    assert call("carol", "DELETE", f"/grants/{number}").status_code == 404


def test_the_sites_grants_are_changed_in_its_catalogue(call: Callers) -> None:
    asked = {"resource": {"kind": "image", "name": "python"}, "subject": {"kind": "everyone", "name": ""}}
    assert "catalogue" in said(call("root1", "POST", "/grants/revoke", asked), 403)


def test_an_administrator_shares_what_is_the_sites(call: Callers) -> None:
    secret = {"kind": "image", "name": "secret"}
    asked = {"resource": secret, "subject": user("bob"), "actions": ["use"]}
    assert said(call("alice", "POST", "/grants", asked), 403)
    call.ok("root1", "POST", "/grants", asked)
    assert {"resource": secret, "actions": ["use"]} in call.ok("bob", "GET", "/usable")["usable"]
    assert said(call("root1", "POST", "/grants", asked | {"resource": VOLUME, "actions": ["read"]}), 404)


def test_a_result_is_shared_with_a_group(call: Callers, house: House) -> None:
    number = house.services.jobs.submit(PEOPLE["alice"], JobRequest(kind="shell", command="hostname"))[0].id
    house.write(number, "stdout.txt", b"42")
    call.group()
    call.member("carol")
    job = {"kind": "job", "name": str(number)}
    asked = {"resource": job, "subject": group("survey"), "actions": ["read"]}
    call.ok("alice", "POST", "/grants", asked)
    assert call.ok("carol", "GET", f"/jobs/{number}")["job"]["owner"] == "alice"
    assert call.ok("carol", "GET", f"/jobs/{number}/log")["text"] == "42"
    assert call("carol", "POST", f"/jobs/{number}/cancel").status_code == 404
    assert call("dave", "GET", f"/jobs/{number}").status_code == 404
    assert said(call("dave", "POST", "/grants", asked), 404)
    call.ok("alice", "POST", "/groups/survey/remove", {"member": user("carol")})
    assert call("carol", "GET", f"/jobs/{number}").status_code == 404


@pytest.mark.parametrize("name", ["999", "007", "-1", "1.0", "٣", "1" * 40, "x"])
def test_jobs_that_are_none(call: Callers, name: str) -> None:
    asked = {"resource": {"kind": "job", "name": name}, "subject": user("bob"), "actions": ["read"]}
    assert said(call("alice", "POST", "/grants", asked), 404)


def test_explain_names_the_way_and_keeps_secrets(call: Callers) -> None:
    call.group("survey", "carol")
    call.ok("root1", "POST", "/groups/survey/invite", {"member": {"kind": "group", "name": "astro"}})
    call.grant(group("survey"), "write")
    mine = call.ok("bob", "GET", "/explain", action="read", resource=ON_IT)["explanation"]
    assert mine["sentence"] == (
        "You are in directory group astro, which is in group survey, which alice granted write"
        " (which includes read) on user volume Storage/alice/shared."
    )
    about = call.ok("alice", "GET", "/explain", user="bob", action="read", resource=ON_IT)["explanation"]
    assert about["sentence"].startswith("bob is in directory group astro, which is in group survey")
    for name in ("Storage/alice/shared", "Storage/alice/nothing"):
        told = call.ok("dave", "GET", "/explain", action="write", resource=f"user_volume:{name}")
        assert told["explanation"]["sentence"].endswith("Ask alice, whose it would be.")
        assert (
            call(
                "dave", "GET", "/explain", user="bob", action="read", resource=f"user_volume:{name}"
            ).status_code
            == 404
        )
    assert call("alice", "GET", "/explain", user="zoe", action="read", resource=ON_IT).status_code == 404
    told = call.ok("root1", "GET", "/explain", user="carol", action="manage", resource="group:survey")
    assert told["explanation"] == {"allowed": True, "sentence": "carol is owner of group survey.", "path": []}
    assert said(call("alice", "GET", "/explain", action="fly", resource=ON_IT), 422)
    assert said(call("alice", "GET", "/explain", action="read", resource="Storage/alice/shared"), 422)


def test_people_are_searched_not_listed(call: Callers) -> None:
    found = call.ok("bob", "GET", "/people", prefix="ali")["people"]
    assert found == [{"username": "alice", "full_name": "Alice Adams"}]
    for prefix in ("", "a", " a ", "%%", "__"):
        answer = call("bob", "GET", "/people", prefix=prefix)
        assert answer.status_code == 422 or answer.json["people"] == []


def test_the_trail_tells_owners_and_those_concerned(call: Callers) -> None:
    call.grant(user("bob"), "read")
    call.grant(user("carol"), "write", by="bob")
    lines = call("alice", "GET", "/audit/export", resource=ON_IT).text.splitlines()
    told = [json.loads(line) for line in lines]
    assert [(e["who"], e["act"], e["outcome"], e["detail"]) for e in told] == [
        ("bob", "grant", "refused", "write"),
        ("alice", "grant", "done", "read"),
    ]
    assert told[0]["reason"] and len(told[1]["request_id"]) == 16
    assert call("bob", "GET", "/audit", resource=ON_IT).status_code == 403
    assert call("dave", "GET", "/audit", resource=ON_IT).status_code == 404
    assert len(call.ok("bob", "GET", "/audit")["entries"]) == 2
    assert call.ok("carol", "GET", "/audit")["entries"] == []
    first = call.ok("root1", "GET", "/audit", limit=1)
    rest = call.ok("root1", "GET", "/audit", before=first["next"])
    assert [e["who"] for e in first["entries"] + rest["entries"]] == ["bob", "alice"]


def test_groups_have_their_trail_for_admins(call: Callers) -> None:
    call.group()
    call.member("bob")
    assert call("bob", "GET", "/audit", resource="group:survey").status_code == 403
    call.ok("alice", "POST", "/groups/survey/role", {"member": user("bob"), "role": "admin"})
    acts = [e["act"] for e in call.ok("bob", "GET", "/audit", resource="group:survey")["entries"]]
    assert acts == ["group.role", "group.accept", "group.invite", "group.create"]


def test_people_are_told_how_far_the_disk_followed(call: Callers) -> None:
    house = call.house
    house.disk.make_directory("/shared/Storage/alice/shared", PEOPLE["alice"].uid)
    call.grant(user("bob"), "read")
    call.grant(group_of_the_directory("astro"), "write")
    before = call.ok("alice", "GET", "/grants/applied", resource=ON_IT)
    assert [one["state"] for one in before["grants"]] == ["waiting", "pending"]
    while due := house.services.projecting.due():
        house.services.projecting.work([due[0].volume], lambda: True)
    after = call.ok("alice", "GET", "/grants/applied", resource=ON_IT)
    assert after["volume"]["state"] == "applied"
    assert [one["sentence"] for one in after["grants"]] == [
        "Applied.",
        "Pending: the directory tells no number (gid) for a Unix group astro.",
    ]
    mine = call.ok("bob", "GET", "/grants/applied", resource=ON_IT)
    assert [one["id"] for one in mine["grants"]] == [one["id"] for one in after["grants"]]
    said(call("carol", "GET", "/grants/applied", resource=ON_IT), 404)
    said(call("alice", "GET", "/grants/applied", resource="image:python"), 404)
    lines = call.ok("alice", "GET", "/audit", resource=ON_IT)["entries"]
    assert (lines[0]["who"], lines[0]["act"]) == ("the broker", "disk.applied")


def test_a_user_volume_is_not_shared_with_everyone(call: Callers) -> None:
    call.grant(user("root1"), "read", "grant")
    words = said(call.grant({"kind": "everyone"}, "read", by="root1"), 403)
    assert "a filesystem knows no everyone" in words


def group_of_the_directory(name: str) -> dict[str, str]:
    return {"kind": "group", "name": name}


def test_without_the_scope_of_groups_nothing_tells_who_is_in_one(call: Callers) -> None:
    call.group()
    call.member("bob")
    call.grant(group("survey"), "read")
    told = Line(
        at=call.house.clock.now(), who=BROKER, act="disk.applied", on=Resource(**VOLUME), owner="alice"
    )
    call.house.store.record([told.model_copy(update={"detail": "added bob"})])
    grants, asks = [Scope.GRANTS_READ], {"action": "read", "resource": ON_IT}
    for more in ([], [Scope.GROUPS_READ]):
        call.secrets["alice"] = call.house.personal("alice", *grants, *more)
        code = 200 if more else 403
        assert call("alice", "GET", "/explain", user="bob", **asks).status_code == code
        assert call("alice", "GET", "/explain", action="read", resource="group:survey").status_code == code
        assert call("alice", "GET", "/audit", resource="group:survey").status_code == code
        assert call("alice", "GET", "/audit/export", resource="group:survey").status_code == code
        for query in ({}, {"resource": ON_IT}):
            texts = [call("alice", "GET", path, **query).text for path in ("/audit", "/audit/export")]
            assert all("grant" in text and ("bob" in text) is bool(more) for text in texts), texts
        assert call("alice", "GET", "/explain", **asks).status_code == 200


def test_a_volume_with_many_grants_is_told_of_page_by_page(call: Callers) -> None:
    names = [f"guest{number:03}" for number in range(201)]
    on, now = Resource(**VOLUME), call.house.clock.now()
    given = [
        Grant(subject=Subject(**user(name)), action=Action.READ, resource=on, granted_by="alice")
        for name in names
    ]
    ids = [share.id for share in call.house.store.add_grants(given, now)]
    first = call.ok("alice", "GET", "/grants/applied", resource=ON_IT, limit=200)
    rest = call.ok("alice", "GET", "/grants/applied", resource=ON_IT, limit=200, after=first["next"])
    assert [one["id"] for one in first["grants"] + rest["grants"]] == ids
    assert (first["next"], rest["next"]) == (ids[199], None)
    browser = call.house.browser("alice")
    path = "/share/user_volume/Storage/alice/shared"
    pages = [browser.get(f"{path}{query}").text for query in ("", f"?after={ids[199]}")]
    assert [names[0] in page for page in pages] == [True, False]
    assert [names[200] in page for page in pages] == [False, True]
    assert [f"{path}?after={ids[199]}" in page for page in pages] == [True, False]
    form = {"q": names[200], "whom": f"user:{names[200]}", "right": "read", "action": "preview"}
    call.house.store.remember_person(PEOPLE["alice"].model_copy(update={"username": names[200]}))
    call.house.people.add(PEOPLE["alice"].model_copy(update={"username": names[200]}), PASSWORD)
    assert "as now, nothing changes" in browser.post(path, form).text


def test_a_group_becomes_a_unix_group_and_says_how_far_it_is(call: Callers, house: House) -> None:
    call.group("team")
    at = ("alice", "GET", "/groups/team/unix")
    assert call.ok(*at) == {
        "on": False,
        "name": "",
        "gid": None,
        "on_files": "members",
        "sentence": "No Unix group: on the filesystem it is its members, one by one.",
    }
    told = call.ok("alice", "POST", "/groups/team/unix", {"on": True})
    assert (told["on"], told["name"], told["gid"]) == (True, "portal-team", None)
    keeping = house.services.group_keeping
    keeping.tell(keeping.due()[0], lambda: True)
    assert call.ok(*at)["gid"] == 7001
    house.disk.groups["portal-team"] = 7001
    keeping.look(keeping.due()[1], lambda: True)
    told = call.ok(*at)
    words = "Unix group portal-team is there; files name it in place of its members."
    assert (told["on_files"], told["sentence"]) == ("group", words)
    said(call("alice", "POST", "/groups/team/unix", {"on": "perhaps"}), 422)
    said(call("carol", *at[1:]), 404)


def test_no_programs_token_gives_powers_over_the_site(call: Callers, house: House) -> None:
    site = {"resource": {"kind": "site", "name": "site"}, "subject": user("bob"), "actions": ["support"]}
    login = call.secrets["root1"]
    call.secrets["root1"], _ = house.services.login.personal_token(
        house.people.person("root1"), "ci", [Scope.GRANTS_WRITE], timedelta(days=1)
    )
    said(call("root1", "POST", "/grants", site), 403)
    assert house.services.administration.powers(house.people.person("bob")) == frozenset()
    call.secrets["root1"] = login
    call.ok("root1", "POST", "/grants", site)
