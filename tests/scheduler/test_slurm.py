"""SlurmCommands: few calls, built environments, and what failure means."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.domain.errors import Refused, SciServerError, Unavailable
from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.scheduling import Owner, Submission, SubmitOutcome, Verdict, mark
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.ports import Agent
from sciserver_hpc.scheduler import SlurmCommands
from sciserver_hpc.scheduler.submitting import submit_as
from tests.fakes.jobs import make_job

from .programs import Programs
from .recordings import GAMES, uuid

SINCE = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)


class NoAgents:
    """Agents that are away, or refuse."""

    def __init__(self, error: SciServerError | None = None) -> None:
        self._error = error or Unavailable("agent", "it did not start")

    def of(self, owner: Owner) -> Agent:
        raise self._error

    def ping(self, owner: Owner) -> str:
        raise self._error


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path / "bin")


@pytest.fixture
def slurm(programs: Programs) -> SlurmCommands:
    return SlurmCommands(NoAgents(), bin_dir=str(programs.directory), timeout_s=10, conf="/etc/x.conf")


def row(number: int, uid: int = GAMES, **fields: Any) -> Job:
    """The row of a recorded job."""
    return make_job(uuid=uuid(number), uid=uid, name="job", **fields)


def test_a_look_is_one_call_of_each_whatever_the_number_of_jobs(
    slurm: SlurmCommands, programs: Programs
) -> None:
    look = slurm.observe(SINCE)
    assert (look.live_complete, look.ended_complete) == (True, True)
    assert (look.problem, look.ended_problem) == ("", "")
    assert {uuid(2), uuid(9), uuid(12), uuid(13)} <= {sighting.uuid for sighting in look.sightings}
    assert (len(programs.calls("squeue")), len(programs.calls("sacct"))) == (1, 1)
    assert "--starttime=2026-11-23T22:30:00" in programs.calls("sacct")[0]


def test_the_live_half_alone_asks_no_accounting(slurm: SlurmCommands, programs: Programs) -> None:
    slurm.observe(None)
    assert programs.calls("sacct") == []


def test_the_environment_is_built(
    slurm: SlurmCommands, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    monkeypatch.setenv("SLURM_JWT", "secret")
    slurm.observe(None)
    seen = set(programs.environment("squeue")) - {"PWD", "SHLVL", "_"}
    assert seen == {"PATH", "LC_ALL", "TZ", "SLURM_BITSTR_LEN", "SLURM_CONF"}


@pytest.mark.parametrize(
    "instead",
    [
        "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1",
        "echo 'squeue: error: something is odd' >&2",
        "exit 3",
        "exec sleep 30",
    ],
)
def test_an_answer_that_may_be_incomplete_is_none(programs: Programs, instead: str) -> None:
    slurm = SlurmCommands(NoAgents(), bin_dir=str(programs.directory), timeout_s=0.5)
    programs.say("squeue", instead)
    look = slurm.observe(None)
    assert (look.sightings, look.live_complete) == ((), False)
    assert look.problem.startswith("slurm does not answer")


def test_accounting_away_leaves_the_live_half_alone(slurm: SlurmCommands, programs: Programs) -> None:
    programs.say("sacct", "echo 'sacct: error: slurmdbd: Connection refused' >&2; exit 1")
    look = slurm.observe(SINCE)
    assert (look.live_complete, look.ended_complete, look.problem) == (True, False, "")
    assert "Connection refused" in look.ended_problem
    assert slurm.look_up([row(1)]) is None


def test_hearing_of_endings_costs_accounting_one_call_and_the_controller_none(
    slurm: SlurmCommands, programs: Programs
) -> None:
    assert {uuid(2), uuid(9)} <= slurm.ended(SINCE)
    assert programs.calls("squeue") == []
    [asked] = programs.calls("sacct")
    assert "--allocations" in asked


def test_nothing_is_heard_while_accounting_is_away(slurm: SlurmCommands, programs: Programs) -> None:
    programs.say("sacct", "exit 1")
    assert slurm.ended(SINCE) is None


def test_look_up_asks_a_constant_number_of_times(slurm: SlurmCommands, programs: Programs) -> None:
    jobs = [row(number, slurm_id=60 + number) for number in range(1, 200)]
    assert slurm.look_up(jobs)
    assert (len(programs.calls("squeue")), len(programs.calls("sacct"))) == (1, 2)


def test_look_up_asks_by_name_from_before_the_first_submission(
    slurm: SlurmCommands, programs: Programs
) -> None:
    slurm.look_up([row(1, submitted_at=SINCE), row(2, submitted_at=SINCE + timedelta(hours=1))])
    [asked] = programs.calls("sacct")
    assert f"--name={mark('job', uuid(1))},{mark('job', uuid(2))}" in asked
    assert "--starttime=2026-11-23T22:29:00" in asked


def test_finding_1_a_job_whose_reply_was_lost_is_found_by_its_uuid(slurm: SlurmCommands) -> None:
    found = slurm.look_up([row(2), row(14), row(99)])
    assert found is not None
    assert {name: s.slurm_id for name, s in found.items()} == {uuid(2): 63, uuid(14): 77}
    assert found[uuid(2)].state is JobState.FAILED


def test_a_forged_name_is_nobody_elses_job(slurm: SlurmCommands) -> None:
    assert slurm.look_up([row(2, uid=GAMES + 1)]) == {}


def test_ping_tells_a_controller_that_is_down(slurm: SlurmCommands, programs: Programs) -> None:
    programs.say("squeue", "echo slurm-wlm 22.05.8; exit 0")
    assert "UP" in slurm.ping()
    programs.say("scontrol", "echo 'Slurmctld(primary) at head is DOWN'; exit 0")
    with pytest.raises(Unavailable, match="DOWN"):
        slurm.ping()


OWNER = Owner(username="alice", uid=2001, gid=2001)


def submission() -> Submission:
    return Submission(
        uuid=uuid(1), mark=mark("job", uuid(1)), root="/r", folder="f", files=(), options=(), script=""
    )


class Lost:
    """An agent whose answer never comes."""

    def of(self, owner: Owner) -> Agent:
        return None  # type: ignore[return-value]

    def ping(self, owner: Owner) -> str:
        return ""


def _raise(error: SciServerError) -> Callable[[Agent], list[SubmitOutcome]]:
    def submit(_: Agent) -> list[SubmitOutcome]:
        raise error

    return submit


@pytest.mark.parametrize(
    ("agents", "verdict"),
    [
        (NoAgents(), Verdict.NOT_TRIED),
        (NoAgents(Refused({"user root": "a system account"})), Verdict.REJECTED),
        (Lost(), Verdict.UNKNOWN),
    ],
)
def test_finding_1_only_a_lost_answer_is_a_doubt(agents: NoAgents | Lost, verdict: Verdict) -> None:
    lost = _raise(Unavailable("agent", "no answer in time"))
    [outcome] = submit_as(agents, OWNER, [submission()], lost)
    assert (outcome.uuid, outcome.verdict, outcome.slurm_id) == (uuid(1), verdict, None)
    assert outcome.message


def test_the_fake_programs_are_clean_bash(programs: Programs) -> None:
    for program in ("squeue", "sacct", "scontrol"):
        subprocess.run(["/bin/bash", "-n", str(programs.directory / program)], check=True)
