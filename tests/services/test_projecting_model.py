"""Disks follow grants whatever happens: the machine of `disk_machine` on the fake filesystem."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from .disk_machine import DiskMachine


def test_the_disk_follows_the_rules() -> None:
    run_state_machine_as_test(
        DiskMachine,
        settings=settings(
            max_examples=50,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
