"""Numbers from cgroups of both versions, and without any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sciserver_hpc.gate.usage import Usage


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return tmp_path / "proc"


@pytest.fixture
def cgroups(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def test_version_2(proc: Path, cgroups: Path) -> None:
    job = "/system.slice/slurmstepd.scope/job_42"
    written(proc / "self/cgroup", f"0::{job}/step_batch/user/task_0\n")
    written(cgroups / job[1:] / "memory.current", "12345678\n")
    written(cgroups / job[1:] / "cpu.stat", "usage_usec 2500000\nuser_usec 1\n")
    usage = Usage(42, str(proc), str(cgroups))
    assert (usage.cpu_s(), usage.memory_bytes()) == (2.5, 12345678)


def test_version_1(proc: Path, cgroups: Path) -> None:
    job = "slurm/uid_2001/job_42"
    lines = [f"5:cpu,cpuacct:/{job}/step_0", "4:pids:/", f"3:memory:/{job}/step_batch/task_0", "0::/"]
    written(proc / "self/cgroup", "\n".join(lines) + "\n")
    written(cgroups / "memory" / job / "memory.usage_in_bytes", "1000\n")
    written(cgroups / "cpuacct" / job / "cpuacct.usage", "3000000000\n")
    usage = Usage(42, str(proc), str(cgroups))
    assert (usage.cpu_s(), usage.memory_bytes()) == (3.0, 1000)


def test_another_jobs_cgroup_is_not_ours(proc: Path, cgroups: Path) -> None:
    written(proc / "self/cgroup", "0::/slurm/job_421/step_0\n")
    written(cgroups / "slurm/job_421/memory.current", "1\n")
    assert Usage(42, str(proc), str(cgroups)).memory_bytes() is None


def test_without_a_cgroup_the_processes_of_the_session_count(proc: Path, cgroups: Path) -> None:
    ticks, page, session = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE"), os.getsid(0)
    for pid, (name, its_session) in enumerate([("app", session), (") S 1 2 3", session), ("x", session + 1)]):
        before = f"{pid} ({name}) S 1 2 {its_session} 0 0 0 0 0 0 0"
        written(proc / str(pid) / "stat", f"{before} {ticks} {ticks} {ticks} {ticks} 20 0 1 0 99 5000 10 0\n")
    written(proc / "self/cgroup", "0::/user.slice\n")
    written(proc / "7/stat", "broken\n")
    usage = Usage(42, str(proc), str(cgroups))
    assert (usage.cpu_s(), usage.memory_bytes()) == (8.0, 20 * page)


def test_where_nothing_can_be_read_nothing_is_told(proc: Path, cgroups: Path) -> None:
    usage = Usage(42, str(proc), str(cgroups))
    assert (usage.cpu_s(), usage.memory_bytes()) == (None, None)


def test_this_machine_has_numbers() -> None:
    usage = Usage(42)
    cpu, memory = usage.cpu_s(), usage.memory_bytes()
    assert cpu is not None
    assert memory is not None
    assert memory > 1 << 20
