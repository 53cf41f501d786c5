"""Groups, sharing, why and audit from the terminal, against the portal over the real services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from sciserver_hpc.cli import programs, share, why
from sciserver_hpc.cli.main import sciserver
from sciserver_hpc.client import Client
from sciserver_hpc.domain.access import EVERYONE, Action, ResourceKind, roles
from sciserver_hpc.domain.audit import Asker
from sciserver_hpc.domain.errors import Refused
from sciserver_hpc.domain.limits import Limit
from sciserver_hpc.domain.service_accounts import SCOPES
from tests.fakes.portal import listening
from tests.portal.house import PASSWORD, PEOPLE, House, offer

SHARED = "Storage/alice/shared"


class Terminal:
    """alice's and bob's shells."""

    def __init__(self, url: str) -> None:
        self.clients = {name: Client.login(url, name, PASSWORD) for name in ("alice", "bob")}

    def run(self, name: str, *words: str, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(sciserver, words, obj=self.clients[name], input=stdin)
        assert "Traceback" not in result.output
        return result

    def says(self, name: str, *words: str) -> str:
        """Standard output of a command that does well."""
        result = self.run(name, *words)
        assert (result.exit_code, result.output) == (0, result.output)
        return result.stdout

    def json(self, name: str, *words: str) -> Any:
        return json.loads(self.says(name, *words, "--json"))

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.store.add_user_volume("Storage", "alice", "shared", "")
    yield made
    made.close()


@pytest.fixture
def shell(house: House) -> Iterator[Terminal]:
    with capture_logs(), listening(house.app) as url:  # the portal's log would stand on the commands' stdout
        made = Terminal(url)
        yield made
        made.close()


def test_a_group_is_made_a_unix_group_and_no_more(shell: Terminal) -> None:
    shell.says("alice", "group", "create", "survey")
    assert shell.says("alice", "group", "unix", "survey").startswith("No Unix group: on the filesystem")
    assert "portal-survey is being made" in shell.says("alice", "group", "unix", "survey", "--on")
    assert shell.json("alice", "group", "unix", "survey")["on"] is True
    assert shell.says("alice", "group", "unix", "survey", "--off").startswith("No Unix group")
    assert shell.run("bob", "group", "unix", "survey", "--on").exit_code != 0


def test_an_accounts_name_that_will_not_do_is_not_called_a_jobs(shell: Terminal) -> None:
    refused = shell.run("alice", "service", "create", "Bad")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("sciserver service create: name: 'Bad' is no name")


def test_a_group_from_its_making_to_its_end(shell: Terminal) -> None:
    assert shell.says("alice", "group", "create", "survey").startswith("Group survey is yours.")
    told = shell.says("alice", "group", "invite", "survey", "bob", "--admin")
    assert told == "bob is invited to group survey as admin.\n"
    assert "You are invited to survey; run:" in shell.run("bob", "group", "list").stderr
    listed = shell.says("bob", "group", "list", "--invitations").splitlines()
    assert listed[1].split()[:4] == ["survey", "bob", "admin", "alice"]
    assert shell.says("bob", "group", "accept", "survey") == "bob is in group survey as admin.\n"
    assert shell.says("alice", "group", "demote", "survey", "bob") == "bob is member of group survey.\n"
    assert shell.says("alice", "group", "promote", "survey", "bob") == "bob is admin of group survey.\n"
    told = shell.says("alice", "group", "transfer", "survey", "bob")
    assert told == "group survey is offered to bob, who owns it once they accept.\n"
    assert "survey" in shell.says("bob", "group", "list", "--invitations")
    assert shell.says("bob", "group", "accept", "survey") == "bob is in group survey as owner.\n"
    assert shell.says("alice", "group", "leave", "survey") == "alice left group survey.\n"
    told = shell.says("bob", "group", "describe", "survey", "Who looks up", "--public")
    assert told == "Group survey, open to everyone: Who looks up\n"
    assert shell.says("alice", "group", "list", "--public").splitlines()[1].startswith("survey")
    assert shell.says("alice", "group", "join", "survey") == "alice is in group survey as member.\n"
    assert shell.says("bob", "group", "remove", "survey", "alice") == "alice is out of group survey.\n"
    assert shell.says("bob", "group", "delete", "survey", "--yes") == "Group survey is no more.\n"
    assert shell.run("bob", "group", "show", "survey").exit_code == 1


def test_invitations_declined_and_withdrawn(shell: Terminal) -> None:
    shell.says("alice", "group", "create", "survey")
    shell.says("alice", "group", "invite", "survey", "bob")
    assert shell.says("bob", "group", "decline", "survey") == "bob stays out of group survey.\n"
    shell.says("alice", "group", "invite", "survey", "bob")
    told = shell.says("alice", "group", "withdraw", "survey", "bob")
    assert told == "bob is no longer invited to group survey.\n"


def test_groups_in_groups(shell: Terminal) -> None:
    shell.says("alice", "group", "create", "survey")
    shell.says("bob", "group", "create", "team")
    told = shell.says("alice", "group", "invite", "survey", "directory:astro")
    assert told == "directory:astro is in group survey.\n"
    assert shell.run("alice", "group", "invite", "survey", "group:team").exit_code == 2
    shell.says("bob", "group", "describe", "team", "--public")
    shell.says("alice", "group", "invite", "survey", "group:team")
    told = shell.says("bob", "group", "accept", "survey", "--for", "team")
    assert told == "group:team is in group survey as member.\n"
    assert shell.json("bob", "group", "leave", "survey", "--for", "team")["status"] == "left"


def test_a_group_is_shown_with_who_is_in_it_and_who_is_asked(shell: Terminal) -> None:
    shell.says("alice", "group", "create", "survey", "--public", "--description", "Looks up\u0301")
    shell.says("alice", "group", "invite", "survey", "bob")
    shown = shell.says("alice", "group", "show", "survey").splitlines()
    assert "open to      everyone" in shown
    assert [line.split()[0] for line in shown if line[:1].isalpha()][-4:] == [
        "MEMBER",
        "alice",
        "INVITED",
        "bob",
    ]
    mine, theirs = (shell.json(name, "group", "show", "survey") for name in ("alice", "bob"))
    assert [one["member"]["name"] for one in mine["invitations"]] == ["bob"]
    assert theirs["group"]["name"] == "survey"
    assert theirs["members"] == theirs["invitations"] == []


def test_my_groups_with_my_part_in_them(shell: Terminal) -> None:
    shell.says("alice", "group", "create", "survey")
    shell.says("alice", "group", "invite", "survey", "directory:astro")
    lines = shell.says("bob", "group", "list").splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["astro", "directory"], ["survey", "portal"]]
    assert "through a group" in lines[2]
    assert [one["name"] for one in shell.json("bob", "group", "list")] == ["astro", "survey"]


def test_a_group_is_not_ended_unasked(shell: Terminal) -> None:
    shell.says("alice", "group", "create", "survey")
    assert shell.run("alice", "group", "delete", "survey", stdin="n\n").exit_code == 1
    assert shell.run("alice", "group", "delete", "survey", stdin="").exit_code == 1
    assert shell.run("alice", "group", "show", "survey").exit_code == 0
    assert shell.run("alice", "group", "delete", "survey", stdin="y\n").exit_code == 0
    assert shell.run("alice", "group", "show", "survey").exit_code == 1


def test_sharing_given_listed_and_taken_back(shell: Terminal) -> None:
    end = f"{datetime(2027, 1, 1).astimezone():%Y-%m-%d %H:%M}"
    dry = shell.run("alice", "share", "give", SHARED, "bob", "writer", "--until", "2027-01-01", "--dry-run")
    assert dry.stdout == f"bob would get read, write on {SHARED} until {end}.\n"
    assert dry.stderr == "Dry run: nothing is changed.\n"
    assert shell.json("alice", "share", "list") == []
    told = shell.says("alice", "share", "give", SHARED, "bob", "writer", "--until", "2027-01-01")
    assert told == f"bob has read, write on {SHARED} until {end}.\n"
    shell.says("alice", "share", "give", SHARED, "directory:astro", "read")
    rows = shell.says("alice", "share", "list", SHARED).splitlines()
    assert rows[1].split() == [SHARED, "bob", "read,", "write", *end.split(), "alice"]
    assert rows[2].split() == [SHARED, "directory:astro", "read", "-", "alice"]
    assert shell.says("alice", "share", "list").splitlines() == rows
    assert shell.says("bob", "share", "with-me").splitlines()[1].split()[:3] == [SHARED, "read,", "write"]
    assert len(shell.json("bob", "share", "with-me")) == 3
    dry = shell.run("alice", "share", "revoke", SHARED, "bob", "write", "--dry-run")
    assert dry.stdout == f"bob would lose write on {SHARED}, granted by alice.\n"
    told = shell.says("alice", "share", "revoke", SHARED, "bob")
    assert told == f"bob lost read, write on {SHARED}, granted by alice.\n"
    assert shell.says("alice", "share", "revoke", SHARED, "bob") == f"bob has no such grant on {SHARED}.\n"


def test_an_end_that_has_come_is_seen(house: House, shell: Terminal) -> None:
    shell.says("alice", "share", "give", SHARED, "bob", "read", "--until", "2026-01-15T13:00Z")
    house.clock.advance(2 * 3600)
    assert "(over)" in shell.says("bob", "share", "with-me")


def test_why(shell: Terminal) -> None:
    assert shell.says("alice", "why", "write", SHARED) == f"You own user volume {SHARED}.\n"
    assert shell.says("bob", "why", "me", "write", SHARED).startswith("You may not write user volume")
    shell.says("alice", "share", "give", SHARED, "directory:astro", "read")
    told = shell.says("alice", "why", "bob", "read", SHARED)
    assert told == f"bob is in directory group astro, which you granted read on user volume {SHARED}.\n"
    assert shell.json("bob", "why", "use", "image:python")["allowed"]


def test_the_trail(shell: Terminal) -> None:
    shell.says("alice", "group", "create", "survey")
    assert shell.run("alice", "group", "invite", "survey", "alice").exit_code == 1
    for _ in range(30):
        shell.says("alice", "share", "give", SHARED, "bob", "read")
        shell.says("alice", "share", "revoke", SHARED, "bob")
    assert len(shell.json("alice", "audit")) == 50
    lines = shell.says("alice", "audit", "--all").splitlines()
    assert len(lines) == 1 + 62
    assert "REFUSED: user alice: you cannot invite yourself; member" in lines[-2]
    assert lines[-1].split()[2:5] == ["alice", "group.create", "group:survey"]
    assert [entry["act"] for entry in shell.json("bob", "audit", "-n", "1")] == ["revoke"]
    assert shell.run("bob", "audit", "group:survey").exit_code == 1


def test_powers_and_who_looked_as_one(house: House, shell: Terminal) -> None:
    bob = PEOPLE["bob"].model_copy(update={"admin": True})
    house.people.add(bob, PASSWORD)
    root, _, login = house.services.login.password("bob", PASSWORD, "192.0.2.1")
    _, session = house.services.support.begin(Asker(root), login, "alice", "ticket 7")
    house.services.support.end(session)
    lines = [line.split() for line in shell.says("alice", "audit").splitlines()[1:]]
    assert [line[2:6] for line in lines] == [
        ["bob", "support.end", "site:site", "alice"],
        ["bob", "support.begin", "site:site", "alice"],
    ]
    assert "ticket 7" in shell.says("alice", "audit")
    house.clock.advance(2)  # what is remembered of a person grows old
    told = shell.says("bob", "share", "give", "site:site", "directory:astro", "read_audit")
    assert told == "directory:astro has read_audit on site:site.\n"
    told = shell.says("alice", "why", "read_audit", "site:site")
    assert told == "You are in directory group astro, which bob granted read_audit on the site.\n"
    assert "support.begin" in shell.says("alice", "audit", "site:site")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("share", "give", "nothing", "bob", "read"), 2, "resource: 'nothing' is no thing; write <Root>/"),
        (("share", "give", SHARED, "planet:x", "read"), 2, "subject: 'planet:x' is nobody; write NAME"),
        (
            ("share", "give", SHARED, "bob", "use"),
            2,
            "actions: 'use' is nothing one may do with a user volume",
        ),
        (("share", "give", SHARED, "bob", "fly"), 2, "'fly' is not one of"),
        (("share", "give", SHARED, "bob", "read", "--until", "soon"), 2, "write 2027-01-01 or 2027-"),
        (("share", "give", SHARED, "bob", "read", "--until", "2020-01-01"), 2, "--until: lies in the past"),
        (("share", "give", SHARED, "nobody", "read"), 2, "there is no user nobody who logged in here"),
        (("share", "give", "Storage/bob/own", "bob", "read"), 1, "There is no user volume Storage/bob/own"),
        (("share", "give", SHARED, "everyone", "read"), 1, "only administrators share with everyone"),
        (("group", "create", "a b"), 2, "group: 'a b' is no name of a group"),
        (("group", "create", "everyone"), 1, "kept for the site"),
        (("group", "accept", "nowhere"), 1, "There is no group nowhere that you may know of."),
        (("group", "describe", "survey"), 2, "a TEXT, --public or --private"),
        (("group", "list", "--public", "--invitations"), 2, "not both"),
        (("why", "write"), 2, "Write: sciserver why [PERSON] ACTION RESOURCE"),
        (("why", "me", "fly", SHARED), 2, "'fly' is no action; there are use, read,"),
        (("why", "bob", "read", "Storage/bob/own"), 1, "about others only for what you may share"),
    ],
)
def test_errors_say_what_to_do(shell: Terminal, words: tuple[str, ...], code: int, said: str) -> None:
    result = shell.run("alice", *words)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_what_one_may_have_at_once_stands_below_the_domains(house: House, shell: Terminal) -> None:
    assert "AT ONCE" not in shell.says("alice", "domains")
    limits = (Limit(subject=EVERYONE, jobs=2), Limit(subject=EVERYONE, domain="batch", cpus=8))
    house.store.apply_site(offer().model_copy(update={"limits": limits}))
    house.clock.advance(2)
    shell.clients["alice"].submit_shell("true", resources={"cpus": 3})
    rows = [line.split() for line in shell.says("alice", "domains").splitlines()[-2:]]
    assert rows == [["all", "jobs", "1", "2", "everyone"], ["batch", "cpus", "3", "8", "everyone"]]
    held = {one["name"]: len(one["allowances"]) for one in shell.json("alice", "domains")}
    assert held == {"batch": 2, "interactive": 1}
    with pytest.raises(Refused, match="cpus in domain batch: everyone may have 8 CPUs in domain batch"):
        shell.clients["alice"].submit_shell("true", resources={"cpus": 6})


def test_gpu_hours_stand_below_with_the_day_they_are_renewed(house: House, shell: Terminal) -> None:
    limits = (Limit(subject=EVERYONE, gpu_hours=40),)
    house.store.apply_site(offer().model_copy(update={"limits": limits}))
    house.clock.advance(2)
    said = shell.says("alice", "domains")
    assert "AT ONCE" not in said
    row = said.splitlines()[-1].split()
    assert row[:5] == ["all", "gpu_hours", "0", "40", "everyone"] and row[-1] == "UTC"


def test_the_words_offered_are_those_there_are() -> None:
    assert set(why.ACTIONS) == set(Action)
    known = {action for action in Action if action is not Action.MANAGE}
    assert set(share.RIGHTS) == known | {role for kind in ResourceKind for role in roles(kind)}


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        (["group"], "pro", {"promote"}),
        (["share"], "", {"give", "list", "revoke", "with-me"}),
        (["share", "give", SHARED, "bob"], "wr", {"write", "writer"}),
        (["share", "give"], "--dr", {"--dry-run"}),
        (["why"], "re", {"read", "read_audit"}),
    ],
)
def test_the_shell_completes(words: list[str], begun: str, offered: set[str]) -> None:
    complete = ShellComplete(sciserver, {}, "sciserver", "_SCISERVER_COMPLETE")
    assert {item.value for item in complete.get_completions(words, begun)} == offered


def test_a_service_account_from_its_making_to_its_end(shell: Terminal) -> None:
    shell.says("alice", "group", "create", "survey")
    told = shell.says("alice", "service", "create", "ci", "--group", "survey", "--description", "Nightly")
    assert told.startswith("Service account svc:ci belongs to group:survey.")
    assert shell.says("alice", "group", "invite", "survey", "svc:ci") == "svc:ci is in group survey.\n"
    words = ("service", "token", "ci", "nightly", "--scope", "groups:read", "--scope", "groups:write")
    made = shell.run("alice", *words, "--days", "7")
    assert made.exit_code == 0 and "It ends on 2026-01-22." in made.stderr
    secret = made.stdout.strip()
    with Client(shell.clients["alice"].url, secret) as program:
        assert program.me().username == "svc:ci"
        assert [group.name for group in program.groups()] == ["survey"]
    listed = shell.says("alice", "service", "list").splitlines()
    assert listed[1].split()[:3] == ["svc:ci", "group:survey", "on"]
    shown = shell.json("alice", "service", "show", "ci")
    [token] = shown["tokens"]
    assert token["name"] == "nightly" and token["last_used_at"] and secret not in json.dumps(shown)
    number = str(token["id"])
    assert "nightly" in shell.says("alice", "service", "show", "svc:ci")
    fresh = shell.json("alice", "service", "rotate", "ci", number)
    assert fresh["secret"] != secret and fresh["token"]["last_used_at"] is None
    assert "is disabled" in shell.says("alice", "service", "disable", "ci")
    assert "is on: Nightly" in shell.says("alice", "service", "enable", "ci")
    assert "Hourly" in shell.says("alice", "service", "describe", "ci", "Hourly")
    assert shell.says("alice", "service", "revoke", "ci", number) == f"Token {number} of ci is revoked.\n"
    assert "svc:ci" in shell.says("alice", "audit", "svc:ci")
    assert shell.run("bob", "service", "show", "ci").exit_code == 1
    assert shell.run("bob", "service", "list", "--every").exit_code == 1
    assert shell.run("alice", "service", "delete", "ci", stdin="n\n").exit_code == 1
    assert shell.says("alice", "service", "delete", "ci", "--yes") == "Service account ci is no more.\n"
    assert shell.says("alice", "service", "list").splitlines()[1:] == []


def test_scopes_offered_for_a_service_account_are_those_it_may_have() -> None:
    assert set(programs.SCOPES) == set(SCOPES)
