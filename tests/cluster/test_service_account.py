"""The service account has one privilege: to start the agent as a member of the users' group."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from sciserver_hpc.devcluster.accounts import SERVICE

from .conftest import Cluster

Run = Callable[..., subprocess.CompletedProcess[str]]


def agent(cluster: Cluster, *flags: str) -> list[str]:
    return ["/usr/bin/python3", *flags, str(cluster.state.src / "sciserver_hpc" / "agent")]


def refused(done: subprocess.CompletedProcess[str]) -> bool:
    """sudo's own two ways of saying no (the second where the target is the asker)."""
    words = ("password is required", "not allowed to execute")
    return done.returncode == 1 and any(word in done.stderr for word in words)


def test_the_agent_starts_as_a_member(cluster: Cluster, run_as: Run) -> None:
    done = run_as(SERVICE, ["sudo", "-n", "-u", "alice", *agent(cluster, "-I", "-S")])
    assert "sudo" not in done.stderr
    assert "sciserver agent" in done.stderr


@pytest.mark.parametrize("target", ["root", "slurm", "munge", "sciserver", "#0", "nobody"])
def test_never_as_a_system_account(cluster: Cluster, run_as: Run, target: str) -> None:
    done = run_as(SERVICE, ["sudo", "-n", "-u", target, *agent(cluster, "-I", "-S")])
    assert refused(done)


@pytest.mark.parametrize("flags", [(), ("-I",), ("-I", "-S", "-c", "import os")])
def test_never_with_other_arguments(cluster: Cluster, run_as: Run, flags: tuple[str, ...]) -> None:
    done = run_as(SERVICE, ["sudo", "-n", "-u", "alice", *agent(cluster, *flags)])
    assert refused(done)


@pytest.mark.parametrize("argv", [["id"], ["/bin/sh"], ["sudoedit", "/etc/sudoers"]])
def test_no_other_program(run_as: Run, argv: list[str]) -> None:
    done = run_as(SERVICE, ["sudo", "-n", "-u", "alice", *argv])
    assert refused(done)


def test_it_reads_its_own_secret_only(cluster: Cluster, run_as: Run) -> None:
    secrets = cluster.state.secrets
    assert run_as(SERVICE, ["cat", str(secrets / "portal.key")]).returncode == 0
    for name in ("munge.key", "slurm.jwt", "ca.key", "password.alice", "slapd.key"):
        done = run_as(SERVICE, ["cat", str(secrets / name)])
        assert "Permission denied" in done.stderr, name


def test_it_cannot_list_or_change_peoples_files(cluster: Cluster, run_as: Run) -> None:
    home = str(cluster.state.shared / "home" / "alice")
    assert run_as(SERVICE, ["ls", home]).returncode != 0
    assert run_as(SERVICE, ["touch", f"{home}/x"]).returncode != 0


def test_the_code_it_runs_is_read_only(cluster: Cluster) -> None:
    with pytest.raises(OSError, match="Read-only"):
        (cluster.state.src / "setup.cfg").touch()
