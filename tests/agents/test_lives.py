"""An agent's life: started once, found again, killed, stale, idle, in a race."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sciserver_hpc.agents import PROGRAM, AgentOptions, SelfTransport, SocketAgents, SudoTransport
from sciserver_hpc.agents.patience import Patience
from sciserver_hpc.agents.starter import Starter
from sciserver_hpc.domain.errors import Refused, Unavailable
from sciserver_hpc.domain.scheduling import Owner, Verdict

from .commands import Commands
from .conftest import make_job


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Poll until `condition`; fails when it never comes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def pid_of(agents: SocketAgents, owner: Owner) -> int:
    return int(agents.ping(owner).split("pid ")[1].rstrip(")"))


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def is_stopped(pid: int) -> bool:
    """Every thread of it: state T in proc(5)."""
    states = [path.read_text().rpartition(") ")[2][0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


@dataclass(frozen=True)
class Shell:
    """A transport that runs a shell line in the agent's place."""

    line: str

    checks_name = False

    def argv(self, owner: Owner) -> list[str]:
        return ["/bin/sh", "-c", self.line]


def test_one_agent_serves_several_clients(
    place: Path, options: AgentOptions, agents: SocketAgents, me: Owner
) -> None:
    other = SocketAgents(place / "run", SelfTransport(), options)
    assert pid_of(agents, me) == pid_of(other, me)
    other.close()
    assert agents.of(me).stat("/", "").name == ""


def test_the_socket_is_private(place: Path, agents: SocketAgents, me: Owner) -> None:
    agents.ping(me)
    directory = place / "run" / "agents"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / f"{me.uid}.sock").stat().st_mode) == 0o600


def test_a_race_starts_one_agent(place: Path, options: AgentOptions, agents: SocketAgents, me: Owner) -> None:
    others = [SocketAgents(place / "run", SelfTransport(), options) for _ in range(8)]
    pids: list[int] = []
    threads = [threading.Thread(target=lambda a=a: pids.append(pid_of(a, me))) for a in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 8
    assert len(set(pids)) == 1
    for other in others:
        other.close()


def test_killed_agents_are_replaced(agents: SocketAgents, me: Owner) -> None:
    first = pid_of(agents, me)
    os.kill(first, signal.SIGKILL)
    until(lambda: is_gone(first))
    assert agents.of(me).stat("/", "").name == ""
    assert pid_of(agents, me) != first


def test_a_kill_between_any_two_calls_is_not_noticed(agents: SocketAgents, me: Owner) -> None:
    """Also while the kernel is still closing what the killed one had open."""
    for _ in range(10):
        os.kill(pid_of(agents, me), signal.SIGKILL)
        assert agents.of(me).stat("/", "").name == ""


def test_a_stale_socket_is_replaced(place: Path, agents: SocketAgents, me: Owner) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(place / "run" / "agents" / f"{me.uid}.sock"))
    stale.close()
    assert pid_of(agents, me) > 0


def test_terminated_agents_finish_and_are_replaced(agents: SocketAgents, me: Owner) -> None:
    first = pid_of(agents, me)
    os.kill(first, signal.SIGTERM)
    until(lambda: is_gone(first))
    assert pid_of(agents, me) != first


def test_idle_agents_end(place: Path, options: AgentOptions, me: Owner) -> None:
    agents = SocketAgents(place / "idle", SelfTransport(), options.model_copy(update={"idle_s": 0.2}))
    pid = pid_of(agents, me)
    until(lambda: is_gone(pid))
    assert agents.of(me).stat("/", "").name == ""
    agents.close()


def test_close_ends_what_it_started(agents: SocketAgents, me: Owner) -> None:
    pid = pid_of(agents, me)
    agents.close()
    assert is_gone(pid)


def test_a_submit_cut_off_in_the_middle_is_unknown(
    agents: SocketAgents, me: Owner, commands: Commands, root: Path
) -> None:
    commands.decide("hang")
    pid = pid_of(agents, me)
    outcomes: list[Verdict] = []
    agent = agents.of(me)
    job = make_job(root)
    thread = threading.Thread(target=lambda: outcomes.append(agent.submit([job])[0].verdict))
    thread.start()
    until(lambda: bool(commands.saw("environment")))
    os.kill(pid, signal.SIGKILL)
    thread.join()
    assert outcomes == [Verdict.UNKNOWN]


def test_a_submit_after_the_agent_died_is_sent_once(
    agents: SocketAgents, me: Owner, root: Path, commands: Commands
) -> None:
    first = pid_of(agents, me)
    os.kill(first, signal.SIGKILL)
    until(lambda: is_gone(first))
    assert agents.of(me).submit([make_job(root)])[0].verdict is Verdict.ACCEPTED
    assert commands.saw("last") == ["1001"]


def test_what_cannot_start_is_unavailable_with_its_words(
    place: Path, options: AgentOptions, me: Owner
) -> None:
    agents = SocketAgents(place / "run", Shell("echo 'sudo: a password is required' >&2; exit 1"), options)
    with pytest.raises(Unavailable, match="a password is required"):
        agents.ping(me)
    with pytest.raises(Unavailable, match="a password is required"):
        agents.of(me).stat("/", "")
    agents.close()


def test_a_submit_without_an_agent_is_not_tried(
    place: Path, options: AgentOptions, me: Owner, root: Path
) -> None:
    agents = SocketAgents(place / "run", Shell("exit 1"), options)
    assert agents.of(me).submit([make_job(root)])[0].verdict is Verdict.NOT_TRIED
    agents.close()


def test_an_agent_that_hangs_is_not_waited_for_twice(
    place: Path, options: AgentOptions, me: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sciserver_hpc.agents.starter.HELLO_S", 0.3)
    agents = SocketAgents(place / "run", Shell("exec sleep 600"), options)
    with pytest.raises(Unavailable, match="does not greet"):
        agents.ping(me)
    with pytest.raises(Unavailable, match="hangs"):
        agents.ping(me)
    agents.close()


def test_a_stopped_agent_is_waited_for_once(
    agents: SocketAgents, me: Owner, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sciserver_hpc.agents.agent.FILES_S", 0.3)
    pid = pid_of(agents, me)
    os.kill(pid, signal.SIGSTOP)
    until(lambda: is_stopped(pid))
    with pytest.raises(Unavailable, match="no answer in time"):
        agents.of(me).stat("/", "")
    with pytest.raises(Unavailable, match="it hangs"):
        agents.of(me).stat("/", "")
    assert agents.of(me).submit([make_job(root)])[0].verdict is Verdict.NOT_TRIED
    os.kill(pid, signal.SIGCONT)


def test_each_wait_in_vain_doubles_the_pause_until_an_answer() -> None:
    now = [1000.0]
    patience = Patience(lambda: now[0])
    for pause in (10, 20, 40, 80, 160, 320, 600, 600):
        patience.lost(7)
        now[0] += pause - 1
        with pytest.raises(Unavailable):
            patience.demand(7)
        now[0] += 1
        patience.demand(7)
    patience.lost(7)
    patience.demand(8)
    patience.regained(7)
    patience.demand(7)


def test_an_agent_that_lies_about_its_uid_is_refused(place: Path, options: AgentOptions, me: Owner) -> None:
    liar = Owner(username=me.username, uid=me.uid + 1, gid=me.gid)
    program = f"exec {sys.executable} -I -S {PROGRAM}"
    agents = SocketAgents(place / "run", Shell(program), options)
    with pytest.raises(Unavailable, match="answered by uid"):
        agents.ping(liar)
    agents.close()


def test_a_uid_with_another_name_here_is_refused(place: Path, options: AgentOptions, me: Owner) -> None:
    @dataclass(frozen=True)
    class Strict(SelfTransport):
        checks_name = True

    agents = SocketAgents(place / "run", Strict(), options)
    with pytest.raises(Refused, match="another name"):
        agents.ping(Owner(username="somebody-else", uid=me.uid, gid=me.gid))
    agents.close()


def test_the_agent_itself_refuses_a_system_account(place: Path, options: AgentOptions, me: Owner) -> None:
    """As if the portal had forgotten to."""
    strict = options.model_copy(update={"min_uid": me.uid + 1})
    starter = Starter(place / "agents", SelfTransport(), strict, Patience())
    with pytest.raises(Refused, match="system account"):
        starter.connect(me)
    starter.stop()


def test_single_user_mode_serves_nobody_else(
    place: Path, options: AgentOptions, me: Owner, root: Path
) -> None:
    agents = SocketAgents(place / "run", SelfTransport(), options)
    bob = Owner(username="bob", uid=me.uid + 1, gid=1)
    with pytest.raises(Refused, match="single-user mode"):
        agents.ping(bob)
    [outcome] = agents.of(bob).submit([make_job(root)])
    assert outcome.verdict is Verdict.REJECTED
    assert "single-user mode" in outcome.message


def test_sudo_gets_a_fixed_command() -> None:
    owner = Owner(username="alice", uid=2001, gid=2001)
    argv = SudoTransport(program=Path("/opt/agent")).argv(owner)
    command = ["/usr/bin/python3", "-I", "-S", "/opt/agent"]
    assert argv == ["/usr/bin/sudo", "-n", "-u", "#2001", "--", *command]


def test_a_long_directory_is_told_at_once(place: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        SocketAgents(place / ("x" * 100), SelfTransport())


def test_people_who_run_the_program_are_told_what_it_is() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "the portal starts this program" in done.stderr


def test_the_agent_needs_the_standard_library_only() -> None:
    """`-I -S`: no site-packages, no environment, no current directory; every module must load."""
    names = sorted(path.stem for path in PROGRAM.glob("*.py") if not path.stem.startswith("__"))
    lines = ["import sys", f"sys.path.append({str(PROGRAM.parent)!r})"]
    lines += [f"import {PROGRAM.name}.{name}" for name in names]
    subprocess.run(["/usr/bin/python3", "-I", "-S", "-c", "\n".join(lines)], check=True)
