"""A PID is ours only together with its start time."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.devcluster.processes import Process, Records, end, orphans, process, socket_holders, wait
from sciserver_hpc.devcluster.state import State


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as popen:
        yield popen
        popen.kill()


def of(child: subprocess.Popen[bytes]) -> Process:
    found = process("sleeper", child.pid)
    assert found
    return found


def test_ended_by_its_record(child: subprocess.Popen[bytes]) -> None:
    end([of(child)])
    assert child.wait() == -signal.SIGTERM


def test_a_stopped_process_is_ended_too(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGSTOP)
    end([of(child)])
    assert child.wait() == -signal.SIGTERM


def test_a_process_deaf_to_term_is_killed() -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE) as deaf:
        assert deaf.stdout and deaf.stdout.readline() == b"ready\n"
        end([of(deaf)], patience=0.2)
        assert deaf.wait() == -signal.SIGKILL


def test_a_reused_pid_is_left_alone(child: subprocess.Popen[bytes]) -> None:
    earlier = Process("sleeper", child.pid, of(child).started - 1)
    assert not earlier.alive
    earlier.send(signal.SIGKILL)
    end([earlier])
    assert child.poll() is None


def test_a_zombie_is_not_alive(child: subprocess.Popen[bytes]) -> None:
    found = of(child)
    child.kill()
    assert wait(lambda: not found.alive, 5)


def test_who_holds_a_socket_below_a_directory(tmp_path: Path) -> None:
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen();"
        "print('bound', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", script, str(tmp_path / "held")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"bound\n"
        assert [one.pid for one in socket_holders(tmp_path)] == [holder.pid]
        assert socket_holders(tmp_path / "elsewhere") == []
        holder.communicate()


def test_workers_of_a_killed_process_are_found() -> None:
    argv = ["bash", "-c", "sleep 60 & echo $!; wait"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout
        worker = int(leader.stdout.readline())
        found = of(leader)
        assert orphans(found) == []
        leader.kill()
        leader.wait()
        assert [one.pid for one in orphans(found)] == [worker]
        end(orphans(found))
        assert orphans(found) == []


def test_records_keep_the_order_of_starting(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    state = State(tmp_path / "state")
    state.make()
    records = Records(state)
    for name in ("one", "two", "one"):
        records.add(Process(name, child.pid, of(child).started))
    assert [p.name for p in records.all()] == ["two", "one"]
    records.forget(["two"])
    assert list(records.live()) == ["one"]
