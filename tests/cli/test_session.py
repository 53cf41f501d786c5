"""Sessions from the terminal, against the portal over the real services."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from sciserver_hpc.cli.cancel import cancel
from sciserver_hpc.cli.main import sciserver
from sciserver_hpc.cli.queue import queue
from sciserver_hpc.cli.session_table import left
from sciserver_hpc.client import Client
from sciserver_hpc.domain.states import JobState
from tests.fakes.portal import FakePortal, listening
from tests.portal.house import House


class Terminal:
    """alice's and bob's shells. next: what happens while one of them waits."""

    def __init__(self, house: House, url: str) -> None:
        self.url = url
        self.next: list[Callable[[], object]] = []
        self.clients = {
            name: Client(url, house.token(name), sleep=lambda _: self.next.pop(0)())
            for name in ("alice", "bob")
        }

    def run(self, *words: str, who: str = "alice", program: click.Command = sciserver) -> Result:
        argv = words if program is not sciserver else ("session", *words)
        result = CliRunner().invoke(program, argv, obj=self.clients[who])
        assert "Traceback" not in result.output
        return result

    def says(self, *words: str, who: str = "alice", program: click.Command = sciserver) -> str:
        """Standard output of a command that does well."""
        result = self.run(*words, who=who, program=program)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def json(self, *words: str, who: str = "alice") -> Any:
        return json.loads(self.says(*words, "--json", who=who))

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def terminal(house: House) -> Iterator[Terminal]:
    # the portal's log goes to the same standard output
    with capture_logs(), listening(house.app) as address:
        made = Terminal(house, address)
        yield made
        made.close()


def over(house: House, number: int, state: JobState = JobState.FAILED) -> int:
    house.move(number, state, ended_at=house.clock.now())
    return number


def test_apps_are_listed(terminal: Terminal) -> None:
    lines = terminal.says("apps").splitlines()
    assert lines[1].split()[:4] == ["lab", "1.2", "Lab", "interactive"]
    assert terminal.json("apps")[0]["places"] == [{"domain": "interactive", "images": ["python"]}]


def test_the_form_of_an_app(terminal: Terminal) -> None:
    page = terminal.says("apps", "lab")
    for words in (
        "all of it must match [a-z ]*",
        "at least 1; at most 8; whole; at most 4 when kernel is gpu",
        "only when verbose is true",
        "small, large",
        "Greeting: Said at the start.",
        "one of the volumes mounted (--volume)",
        "The project's own tests do not run this app.",
    ):
        assert words in page, words
    rows = [line.split() for line in page.splitlines()]
    assert ["--cpus", "2", "1", "4"] in rows and ["--time", "2:00:00", "-", "4:00:00"] in rows
    assert ["interactive", "python"] in rows
    assert terminal.json("apps", "lab")["form"][0]["name"] == "greeting"
    wrong = terminal.run("apps", "none")
    assert (wrong.exit_code, "you may start no app 'none'; there are lab." in wrong.stderr) == (2, True)


def test_a_session_is_started_as_sbatch_would_be_asked(house: House, terminal: Terminal) -> None:
    words = "start lab -f verbose=false -f size=large -f data=sunspots --field greeting=a=b"
    refused = terminal.run(*words.split(), "-v", "sunspots")
    assert (refused.exit_code, "--field greeting: must match" in refused.stderr) == (2, True)
    words = words.replace("a=b", "hello -J bench -v sunspots -v Temporary/alice/scratch:rw")
    told = terminal.says(*f"{words} --domain interactive --image python -c 3 -t 1:30:00".split())
    assert told == (
        "Session 1: Lab in domain interactive, image python 1.0.\n"
        f"Page:  {terminal.url}/sessions/1\n"
        "Look:  sciserver session show 1\n"
    )
    session = terminal.json("show", "1")
    asked = session["job"]["resources"]
    assert (asked["cpus"], asked["memory_mb"], session["job"]["name"]) == (3, 4096, "bench")
    assert house.store.jobs(limit=5).jobs[0].spec.deadline_s == 5400
    assert (session["values"]["verbose"], session["values"]["data"]) == (False, "sunspots")
    modes = {mount["volume"]: mount["mode"] for mount in session["job"]["mounts"]}
    assert (modes["sunspots"], modes["Temporary/alice/scratch"]) == ("ro", "rw")


def test_a_key_starts_one(terminal: Terminal) -> None:
    first, again = (terminal.json("start", "lab", "--key", "k")["id"] for _ in range(2))
    assert first == again


def test_test_only_starts_nothing(terminal: Terminal) -> None:
    assert "to start at" in terminal.says("start", "lab", "--test-only")
    assert "to start at" in terminal.json("start", "lab", "--test-only")["message"]
    assert terminal.json("list") == {"sessions": [], "shared": []}


def test_everything_wrong_is_told_at_once_with_its_option(terminal: Terminal) -> None:
    wrong = ("-f", "folder", "-v", "a b", "-c", "no", "--mem", "much", "-t", "soon")
    result = terminal.run("start", "lab", *wrong)
    told = [line.split(": ")[1] for line in result.stderr.splitlines()]
    assert (result.exit_code, told) == (2, ["--field", "--volume", "--cpus", "--mem", "--time"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-f", "folder=/etc"], 2, "--field folder: must be inside"),
        (["-f", "none=1"], 2, "--field none: is no field of this app"),
        (["-f", "data=sunspots"], 2, "--field data: mount sunspots too"),
        (["-c", "9"], 2, "--cpus: asks 9 CPUs; at most 4 CPUs in app lab"),
        (["--gpus", "1"], 2, "--gpus: asks 1 GPUs"),
        (["--gpus", "-1"], 2, "--gpus"),
        (["--mem", "3G"], 2, "--mem: asks 3072 MB of memory; the form of app lab asks 1024 MB"),
        (["-t", "9:00:00"], 2, "--time: asks 9 h"),
        (["-J", "a\tb"], 2, "--name: character 2"),
        (["--domain", "batch"], 2, "--domain: "),
        (["--image", "r"], 2, "--image: image r does not hold lab"),
        (["-v", "Storage/bob/x"], 1, "volume Storage/bob/x:ro: you have no grant"),
    ],
)
def test_errors_stand_beside_their_option(terminal: Terminal, words: list[str], code: int, said: str) -> None:
    result = terminal.run("start", "lab", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr, result.stderr


def test_waiting_ends_when_it_can_be_opened(house: House, terminal: Terminal) -> None:
    terminal.next = [
        lambda: house.move(1, JobState.SUBMITTING),
        lambda: house.move(1, JobState.RUNNING, slurm_id=7, started_at=house.clock.now()),
        lambda: house.reach(1, house.clock.now() + timedelta(hours=1)),
    ]
    result = terminal.run("start", "lab", "--wait")
    assert (result.exit_code, "Session 1: Ready; " in result.stderr) == (0, True)


def test_waiting_ends_when_it_is_over(house: House, terminal: Terminal) -> None:
    terminal.next = [lambda: over(house, 1)]
    result = terminal.run("start", "lab", "--wait", "--json")
    assert (result.exit_code, json.loads(result.stdout)["phase"]) == (1, "over")


def test_an_interrupt_leaves_the_session_alone(terminal: Terminal) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    terminal.next = [interrupt]
    result = terminal.run("start", "lab", "--wait")
    assert (result.exit_code, "Session 1 goes on." in result.stderr) == (130, True)
    assert terminal.json("show", "1")["phase"] == "waiting"


def test_the_list_is_a_table(house: House, terminal: Terminal) -> None:
    assert len(terminal.says("list").splitlines()) == 1
    house.open_session()
    house.change_session(1, ends_at=datetime.now(UTC) + timedelta(hours=-1))
    over(house, house.session(name="gone"), JobState.TIMEOUT)
    rows = [line.split() for line in terminal.says("list").splitlines()]
    assert rows[0] == ["ID", "NAME", "APP", "STATE", "NODE", "TIME", "LEFT", "IDLE"]
    assert rows[1] == ["2", "gone", "lab", "TIMEOUT", "-", "-", "-"]
    assert rows[2] == ["1", "bench", "lab", "open", "n1", "0", "s", "5", "min"]


def test_time_left_is_in_words(house: House, terminal: Terminal) -> None:
    number = house.open_session()
    found = terminal.clients["alice"].session(number)
    assert found.ends_at
    assert left(found, found.ends_at - timedelta(minutes=90)) == "90 min"
    assert left(found, found.ends_at + timedelta(days=1)) == "0 s"


def test_what_is_shared_is_listed_apart_and_looked_at(house: House, terminal: Terminal) -> None:
    number = house.open_session()
    given = CliRunner().invoke(
        sciserver, ["share", "give", f"session:{number}", "user:bob", "read"], obj=terminal.clients["alice"]
    )
    assert given.stdout == "bob has read on session:1.\n"
    lines = terminal.says("list", who="bob").splitlines()
    assert lines[2] == "Shared with me" and lines[4].split()[-1] == "alice"
    assert "Ready; " in terminal.says("show", "1", who="bob")
    assert terminal.run("stop", "1", who="bob").stderr.endswith("session 1: You have no session 1.\n")


def test_a_session_in_full_steers_no_terminal(house: House, terminal: Terminal) -> None:
    house.open_session(name="bench ü", values={"workers": 3, "verbose": False})
    house.change_session(1, cpu_percent=42.5)
    page = terminal.says("show", "1")
    for words in (
        "Ready; 2 h left.",
        "bench ü",
        "42 % of one",
        "768 MB",
        "workers=3",
        "verbose=false",
        "5 min",
    ):
        assert words in page, words
    assert f"{terminal.url}/sessions/1" in page and "192.0.2.7" not in page
    over(house, 1)
    assert "ends" not in [line.split()[0] for line in terminal.says("show", "1").splitlines()[2:]]


@pytest.mark.parametrize("launched", [0, 1])
def test_open_leads_a_browser_to_the_page(
    house: House, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, launched: int
) -> None:
    number, seen = house.open_session(), []
    monkeypatch.setattr(click, "launch", lambda page: seen.append(page) or launched)
    result = terminal.run("open", str(number))
    page = f"{terminal.url}/sessions/{number}"
    assert (result.stdout, seen, result.exit_code) == (f"{page}\n", [page], launched)
    assert ("No browser could be started" in result.stderr) is bool(launched)


def test_open_prints_the_address_alone(
    house: House, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(click, "launch", lambda _: pytest.fail("a browser was started"))
    number = house.open_session()
    assert terminal.says("open", str(number), "--print") == f"{terminal.url}/sessions/{number}\n"
    assert terminal.json("open", str(number))["url"].endswith(f"/sessions/{number}")
    waiting = terminal.run("open", str(house.session()), "--print")
    assert (waiting.exit_code, "Accepted" in waiting.stderr) == (0, True)
    assert terminal.run("open", "99").exit_code == 1


def test_the_end_is_moved(house: House, terminal: Terminal) -> None:
    number = str(house.open_session())
    before = terminal.json("show", number)
    after = terminal.json("extend", number, "0:30:00")
    moved = datetime.fromisoformat(after["ends_at"]) - datetime.fromisoformat(before["ends_at"])
    assert moved == timedelta(minutes=30)
    assert terminal.says("extend", number, "1-00").startswith(f"Session {number} ends at ")
    refused = terminal.run("extend", number, "1")
    assert (refused.exit_code, "cannot be extended" in refused.stderr) == (1, True)
    for text in ("soon", "0", "-5"):
        wrong = terminal.run("extend", number, "--", text)
        assert (wrong.exit_code, wrong.stderr.split(": ")[1]) == (2, "DURATION")
    wrong = terminal.run("extend", number, "999-00")
    assert (wrong.exit_code, "100000" in wrong.stderr) == (2, True)


def test_several_are_stopped_and_forgotten(house: House, terminal: Terminal) -> None:
    house.session()
    house.open_session()
    result = terminal.run("stop", "1", "99", "2")
    assert (result.exit_code, result.stdout) == (1, "Session 1 is over.\nSession 2 is being stopped.\n")
    assert result.stderr == "sciserver session stop: session 99: You have no session 99.\n"
    result = terminal.run("forget", "2", "1")
    assert (result.exit_code, result.stdout) == (1, "Session 1 is no longer listed.\n")
    assert "Session 2 is not over; stop it first." in result.stderr


def test_one_is_started_again(house: House, terminal: Terminal) -> None:
    over(house, house.session())
    assert terminal.says("again", "1").startswith("Session 2: Lab in domain interactive")
    assert terminal.json("again", "1")["id"] == 2
    assert [one["id"] for one in terminal.json("list")["sessions"]] == [2]


def test_its_log_is_its_jobs(house: House, terminal: Terminal) -> None:
    number = house.open_session()
    house.write(number, "stdout.txt", b"one\ntwo\n")
    house.write(number, "stderr.txt", b"oops\n")
    assert terminal.says("log", str(number)) == "one\ntwo\n"
    assert terminal.says("log", "-n", "1", str(number)) == "two\n"
    assert terminal.says("log", "--stderr", str(number)) == "oops\n"


def test_queue_and_cancel_know_sessions(house: House, terminal: Terminal) -> None:
    number = house.open_session()
    assert "  session  interactive  RUNNING" in terminal.says(program=queue)
    assert terminal.says(str(number), program=cancel) == f"Job {number} is being cancelled.\n"
    assert terminal.json("show", str(number))["phase"] == "stopping"


def test_a_portal_that_is_away_is_a_temporary_failure(portal: FakePortal, client: Client) -> None:
    portal.trouble = [503] * 9
    result = CliRunner().invoke(sciserver, ["session", "start", "lab"], obj=client)
    assert (result.exit_code, "start it again with key" in result.stderr) == (75, True)
