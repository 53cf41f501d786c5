"""Directory, sudo's rule, commands and messages as they are written."""

from pathlib import Path

import pytest

from sciserver_hpc.devcluster import accounts, commands, demo, mounts, slapd
from sciserver_hpc.devcluster.errors import Failed, tail
from sciserver_hpc.devcluster.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.make()
    return state


def test_everybody_is_in_the_directory_with_a_hashed_password(state: State) -> None:
    text = slapd.ldif(state)
    for person in accounts.PEOPLE:
        assert f"dn: uid={person.username},{slapd.USERS}\n" in text
        assert slapd.password(state, person.username) not in text
    assert f"dn: {slapd.WRITER}\n" in text and f"dn: {slapd.BRANCH}\n" in text
    assert slapd.writer_secret(state).read_text() not in text
    assert text.count("userPassword: {SSHA}") == len(accounts.PEOPLE) + 1


def test_groups_have_their_members() -> None:
    assert accounts.members("astro") == ["alice", "bob"]
    assert accounts.members("cosmo") == ["carol"]
    assert accounts.members(accounts.USERS_GROUP) == ["alice", "bob", "carol", "dora"]


def test_sudo_lets_the_service_account_do_one_thing(state: State) -> None:
    (rule,) = [line for line in mounts.sudoers(state).splitlines() if line.startswith(accounts.SERVICE)]
    agent = state.src / "sciserver_hpc" / "agent"
    assert rule == f"sciserver ALL=(%hpcusers) NOPASSWD: /usr/bin/python3 -I -S {agent}"
    assert "*" not in rule


def test_service_accounts_are_below_the_peoples_ids_and_free(state: State) -> None:
    ids = accounts.service_ids(state)
    machine = {line.split(":")[2] for line in Path("/etc/passwd").read_text().splitlines()}
    assert len(set(ids.values())) == 2
    assert all(number < 1000 and str(number) not in machine for number in ids.values())


def test_service_accounts_cannot_log_in(state: State) -> None:
    passwd = accounts.write_files(state)["/etc/passwd"].read_text()
    (line,) = [line for line in passwd.splitlines() if line.startswith("sciserver:")]
    assert line.split(":")[1] == "*"
    assert line.endswith("/usr/sbin/nologin")


def test_every_command_of_setup_cfg_can_be_started() -> None:
    assert {"sciserver", "sciserver-submit", "sciserver-hpc"} <= set(commands.entry_points())
    assert commands.argv("sciserver", "login")[-1] == "login"


def test_an_answer_is_found_in_an_executed_notebook() -> None:
    notebook = '{"cells": [{"outputs": [{"text": ["period\\n", "ANSWER 11.0 years\\n"]}]}, {"source": "x"}]}'
    assert demo.from_notebook(notebook) == "ANSWER 11.0 years"


def test_a_notebook_without_an_answer_says_so() -> None:
    assert "no line" in demo.from_notebook('{"cells": []}')


def test_a_failure_tells_step_reason_log_and_remedy(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("".join(f"line {n}\n" for n in range(100)))
    text = Failed("part", "it ended", "mend it", log).report()
    assert text.startswith("dev: part failed: it ended")
    assert "line 99" in text and "line 10\n" not in text
    assert text.endswith("what to do: mend it")


def test_the_tail_of_a_huge_log_is_short(tmp_path: Path) -> None:
    log = tmp_path / "huge.log"
    log.write_bytes(b"x" * 5_000_000 + b"\nlast")
    assert tail(log)[-1] == "last"
