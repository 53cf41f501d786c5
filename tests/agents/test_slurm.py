"""What sbatch and scancel get, and what their words are taken to mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.agent import slurm, submission
from sciserver_hpc.agent.settings import Settings
from sciserver_hpc.agent.slurm import Ended, verdict
from sciserver_hpc.agents import AgentOptions, SelfTransport, SocketAgents
from sciserver_hpc.agents.agent import submit_limit_s
from sciserver_hpc.domain.errors import AgentError, Unavailable
from sciserver_hpc.domain.scheduling import Owner, Verdict
from sciserver_hpc.ports import Agent

from .commands import Commands
from .conftest import make_job

FAILED = "sbatch: error: Batch job submission failed: "

WORDS = [
    ("Invalid partition name specified", "rejected"),
    ("Invalid account or account/partition combination specified", "rejected"),
    ("Requested time limit is invalid (missing or exceeds some limit)", "rejected"),
    ("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", "rejected"),
    ("Requested node configuration is not available", "rejected"),
    ("Pathname of a file, directory or other parameter too long", "rejected"),
    ("Unable to contact slurm controller (connect failure)", "not_tried"),
    ("Unable to contact slurm controller (send failure)", "unknown"),
    ("Unable to contact slurm controller (receive failure)", "unknown"),
    ("Socket timed out on send/recv operation", "unknown"),
    ("Zero Bytes were transmitted or received", "unknown"),
    ("Connection reset by peer", "unknown"),
    ("Unexpected message received", "unknown"),
    ("Resource temporarily unavailable", "unknown"),
    ("Protocol authentication error", "unknown"),
]


@pytest.mark.parametrize(("words", "expected"), WORDS)
def test_slurms_words(words: str, expected: str) -> None:
    assert verdict(Ended(1, "", FAILED + words)) == (expected, None)


def test_a_doubt_before_a_refused_connection_stays_a_doubt() -> None:
    words = f"sbatch: error: Socket timed out, retrying\n{FAILED}{WORDS[6][0]}"
    assert verdict(Ended(1, "", words)) == ("unknown", None)


RECORDED = {
    "no_controller": "not_tried",
    "munge_down": "not_tried",
    "broken_configuration": "not_tried",
    "unknown_option": "rejected",
    "bad_time": "rejected",
    "empty_script": "rejected",
    "dos_line_breaks": "rejected",
}


@pytest.mark.parametrize("name", RECORDED)
def test_what_sbatch_22_05_8_really_said(name: str) -> None:
    words = (Path(__file__).parent / "words" / "slurm-22.05.8" / f"{name}.txt").read_text()
    assert verdict(Ended(1, "", words.strip())) == (RECORDED[name], None)


def test_without_munge_a_lost_answer_stays_a_doubt() -> None:
    words = (Path(__file__).parent / "words" / "slurm-22.05.8" / "munge_down.txt").read_text()
    assert verdict(Ended(1, "", f"sbatch: error: Socket timed out\n{words}")) == ("unknown", None)


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (Ended(0, "17", ""), ("accepted", 17)),
        (Ended(0, "17;cluster", "sbatch: warning: odd"), ("accepted", 17)),
        (Ended(0, "Submitted batch job 17", ""), ("unknown", None)),
        (Ended(0, "", ""), ("unknown", None)),
        (Ended(1, "17", FAILED + "Invalid partition name specified"), ("unknown", None)),
        (Ended(1, "", ""), ("unknown", None)),
        (Ended(-9, "", FAILED + "Invalid partition name specified"), ("unknown", None)),
        (Ended(None, "", "no such program"), ("not_tried", None)),
    ],
)
def test_ways_to_end(ended: Ended, expected: tuple[str, int | None]) -> None:
    assert verdict(ended) == expected


@given(st.integers(-64, 255), st.text(max_size=50), st.text(max_size=200))
def test_only_an_id_alone_is_an_acceptance(code: int, out: str, err: str) -> None:
    said, slurm_id = verdict(Ended(code, out.strip(), err.strip()))
    assert (said == "accepted") == (slurm_id is not None)
    assert said != "rejected" or (code > 0 and not out.strip() and err.strip())


@pytest.fixture
def agent(agents: SocketAgents, me: Owner) -> Agent:
    return agents.of(me)


def test_sbatch_gets_options_as_arguments_and_the_script_as_input(
    agent: Agent, root: Path, commands: Commands
) -> None:
    job = make_job(root, script="#!/bin/bash\necho '$(id)'\n", options=("--job-name=a b;$(id)", "--hold"))
    agent.submit([job])
    assert commands.saw("arguments") == ["--parsable", "--job-name=a b;$(id)", "--hold"]
    assert commands.saw("script") == ["#!/bin/bash", "echo '$(id)'"]


def test_the_environment_is_built_not_inherited(
    agent: Agent, root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_JWT", "SBATCH_PARTITION", "PYTHONPATH", "SECRET"):
        monkeypatch.setenv(name, "leak")
    agent.submit([make_job(root)])
    names = {line.partition("=")[0] for line in commands.saw("environment")}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"HOME", "USER", "LOGNAME", "PATH", "LANG"}


def test_slurm_conf_is_passed_where_configured(
    place: Path, options: AgentOptions, me: Owner, root: Path, commands: Commands
) -> None:
    agents = SocketAgents(
        place / "run", SelfTransport(), options.model_copy(update={"slurm_conf": "/x/slurm.conf"})
    )
    agents.of(me).submit([make_job(root)])
    agents.close()
    assert "SLURM_CONF=/x/slurm.conf" in commands.saw("environment")


@pytest.mark.parametrize("fate", ["garbage", "killed", "lose"])
def test_doubtful_ends_are_unknown(agent: Agent, root: Path, commands: Commands, fate: str) -> None:
    commands.decide(fate)
    assert agent.submit([make_job(root)])[0].verdict is Verdict.UNKNOWN


def test_a_controller_that_hangs_costs_one_timeout(
    place: Path, options: AgentOptions, me: Owner, root: Path, commands: Commands
) -> None:
    commands.decide("hang")
    agents = SocketAgents(place / "run", SelfTransport(), options.model_copy(update={"timeout_s": 0.3}))
    outcomes = agents.of(me).submit([make_job(root) for _ in range(5)])
    agents.close()
    assert [outcome.verdict for outcome in outcomes] == [Verdict.UNKNOWN] + [Verdict.NOT_TRIED] * 4


def test_without_sbatch_nothing_is_tried(
    place: Path, options: AgentOptions, me: Owner, root: Path, commands: Commands
) -> None:
    (commands.directory / "sbatch").unlink()
    agents = SocketAgents(place / "run", SelfTransport(), options)
    [outcome] = agents.of(me).submit([make_job(root)])
    agents.close()
    assert outcome.verdict is Verdict.NOT_TRIED
    assert "could not be started" in outcome.message


def test_many_at_once_keep_their_order(
    place: Path, options: AgentOptions, me: Owner, root: Path, commands: Commands
) -> None:
    """Fates are drawn in whatever order the parallel calls come; each job still gets its own outcome.

    With time for all of them on a busy machine: no job is begun after one time-out.
    """
    patient = options.model_copy(update={"parallel": 8, "timeout_s": 60})
    agents = SocketAgents(place / "run", SelfTransport(), patient)
    jobs = [make_job(root) for _ in range(64)]
    outcomes = agents.of(me).submit(jobs)
    agents.close()
    assert [outcome.uuid for outcome in outcomes] == [job.uuid for job in jobs]
    assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}


def test_test_only_without_a_controller(agent: Agent, root: Path, commands: Commands) -> None:
    commands.decide("down")
    with pytest.raises(Unavailable, match="Unable to contact"):
        agent.test_only(make_job(root))


def test_cancel(agent: Agent, commands: Commands) -> None:
    commands.decide("over")
    agent.cancel([5, 6])
    assert commands.saw("cancelled") == ["5", "6"]


def test_cancelling_anothers_job_is_denied(agent: Agent, commands: Commands) -> None:
    commands.decide("foreign")
    with pytest.raises(AgentError) as caught:
        agent.cancel([5])
    assert caught.value.reason == "denied"


def test_cancel_without_a_controller(agent: Agent, commands: Commands) -> None:
    commands.decide("down")
    with pytest.raises(Unavailable):
        agent.cancel([5])


def test_no_job_is_begun_too_late_for_its_answer_to_be_heard(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Slurm takes a quarter of a minute for each, what is left is told as left, before the portal's
    patience is over: then all of them would be in doubt."""
    settings, now = Settings({"timeout_s": 20.0, "parallel": 1}), [1000.0]

    def slow(*_: object) -> tuple[str, int | None, str]:
        now[0] += 15.0
        return "accepted", int(now[0]), ""

    monkeypatch.setattr(submission, "monotonic", lambda: now[0])
    monkeypatch.setattr(slurm, "sbatch", slow)
    jobs = [make_job(root).model_dump(mode="json") for _ in range(8)]
    said = [outcome["verdict"] for outcome in submission.submit(settings, jobs)]
    assert now[0] - 1000.0 <= submit_limit_s(settings.timeout_s)
    assert said == ["accepted"] * said.count("accepted") + ["not_tried"] * said.count("not_tried")
    assert said.count("accepted") >= 1 and len(said) == len(jobs)
