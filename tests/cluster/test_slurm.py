"""Slurm as the project relies on it: real users, accounting, JWT."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import requests

from .conftest import Cluster

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_people_are_real_users_in_their_groups(run_as: Run) -> None:
    assert "astro" in run_as("alice", ["id", "-Gn"]).stdout.split()


def test_every_person_has_an_account_and_both_qos(run_as: Run) -> None:
    rows = run_as("alice", ["sacctmgr", "-nP", "show", "assoc", "format=user,account,qos"]).stdout.split()
    assert {"alice|astro|interactive,normal", "carol|cosmo|interactive,normal"} <= set(rows)


def test_a_user_reaches_slurmrestd_with_a_token_of_their_own(cluster: Cluster, run_as: Run) -> None:
    token = run_as("alice", ["scontrol", "token", "lifespan=60"]).stdout.strip().partition("=")[2]
    answer = requests.get(
        f"http://127.0.0.1:{cluster.state.port('slurmrestd')}/slurm/v0.0.38/jobs",
        headers={"X-SLURM-USER-NAME": "alice", "X-SLURM-USER-TOKEN": token},
        timeout=20,
    )
    assert answer.status_code == 200


def test_finding_3_another_users_name_with_that_token_is_refused(cluster: Cluster, run_as: Run) -> None:
    token = run_as("alice", ["scontrol", "token", "lifespan=60"]).stdout.strip().partition("=")[2]
    answer = requests.get(
        f"http://127.0.0.1:{cluster.state.port('slurmrestd')}/slurm/v0.0.38/jobs",
        headers={"X-SLURM-USER-NAME": "root", "X-SLURM-USER-TOKEN": token},
        timeout=20,
    )
    assert answer.status_code != 200
