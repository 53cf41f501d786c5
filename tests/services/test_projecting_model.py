"""Disks follow grants whatever happens: the machine of `disk_machine` on the fake filesystem."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from .disk_machine import DiskMachine


class Eager(DiskMachine):
    eager = True


@pytest.mark.parametrize(("machine", "runs"), [(DiskMachine, 50), (Eager, 20)])
def test_the_disk_follows_the_rules(machine: type[DiskMachine], runs: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
