"""The door kept open: what becomes of a job whatever slurmrestd does."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.agent.slurmrestd import judged
from sciserver_hpc.agent.slurmrestd_desk import NoAnswer, parsed
from sciserver_hpc.agents import AgentOptions, SelfTransport, SocketAgents
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.scheduling import Owner, Payload, Submission, SubmitOutcome, Verdict, mark
from tests.fakes.slurmrestd import FakeSlurmrestd

from .commands import Commands
from .conftest import make_job

SCRIPT = "#!/bin/sh\nexit 0\n"
BIG = "#!/bin/sh\n" + "# as a wrapper, only longer\n" * 10_000
"""More than fits into a pipe (64 KiB)."""


def door_job(root: Path, *more: str, script: str = SCRIPT) -> Submission:
    """A job as we render it: known by slurmrestd in every option."""
    uuid = uuid4().hex
    folder = f"{root}/{uuid[:8]}"
    return make_job(
        root,
        script,
        uuid=uuid,
        folder=uuid[:8],
        files=(Payload(path=".sciserver/environment", text="LANG=C.UTF-8\0"),),
        options=(
            f"--job-name={mark('job', uuid)}",
            f"--chdir={folder}",
            f"--export-file={folder}/.sciserver/environment",
            "--nodes=1",
            "--ntasks=1",
            "--cpus-per-task=1",
            *more,
        ),
    )


@pytest.fixture
def rest(commands: Commands) -> FakeSlurmrestd:
    return FakeSlurmrestd(commands.directory)


@pytest.fixture
def options(options: AgentOptions) -> AgentOptions:
    return options.model_copy(update={"submit_through": "slurmrestd"})


def submit(agents: SocketAgents, me: Owner, *jobs: Submission) -> list[SubmitOutcome]:
    return agents.of(me).submit(jobs)


def by_sbatch(commands: Commands) -> int:
    """How many jobs the fake sbatch accepted."""
    return int((commands.directory / "last").read_text()) - 1000


def test_jobs_go_through_one_process_that_stays(
    agents: SocketAgents, me: Owner, root: Path, rest: FakeSlurmrestd, commands: Commands
) -> None:
    jobs = [door_job(root) for _ in range(5)]
    outcomes = submit(agents, me, *jobs[:3]) + submit(agents, me, *jobs[3:])
    assert [outcome.slurm_id for outcome in outcomes] == [5001, 5002, 5003, 5004, 5005]
    assert [job["job"]["name"] for job in rest.jobs()] == [job.mark for job in jobs]
    assert rest.starts() == ["-s openapi/v0.0.38 -a rest_auth/local"]
    assert by_sbatch(commands) == 0


def test_many_at_once_are_each_queued_once(
    place: Path, options: AgentOptions, me: Owner, root: Path, rest: FakeSlurmrestd
) -> None:
    agents = SocketAgents(place / "run", SelfTransport(), options.model_copy(update={"parallel": 8}))
    jobs = [door_job(root) for _ in range(64)]
    outcomes = submit(agents, me, *jobs)
    agents.close()
    queued = {job["job"]["name"]: 5001 + n for n, job in enumerate(rest.jobs())}
    assert [outcome.slurm_id for outcome in outcomes] == [queued[job.mark] for job in jobs]
    assert len(rest.jobs()) == 64
    assert len(rest.starts()) <= 4


def test_a_job_it_does_not_know_exactly_goes_by_sbatch(
    agents: SocketAgents, me: Owner, root: Path, rest: FakeSlurmrestd, commands: Commands
) -> None:
    outcomes = submit(agents, me, door_job(root), door_job(root, "--hold"), door_job(root))
    assert [outcome.slurm_id for outcome in outcomes] == [5001, 1001, 5002]


VERDICTS = [
    ("reject", Verdict.REJECTED, "Batch job submission failed: Invalid partition name specified"),
    ("down", Verdict.NOT_TRIED, "Unable to contact slurm controller (connect failure)"),
    ("full", Verdict.NOT_TRIED, "Unable to create job record, try again"),
    ("lost", Verdict.UNKNOWN, "Socket timed out on send/recv operation"),
    ("odd", Verdict.UNKNOWN, "Unspecified error"),
    ("mute", Verdict.UNKNOWN, "nothing that can be read"),
    ("die", Verdict.UNKNOWN, "ended without an answer"),
]


@pytest.mark.parametrize(("fate", "verdict", "words"), VERDICTS)
def test_verdicts(
    agents: SocketAgents,
    me: Owner,
    root: Path,
    rest: FakeSlurmrestd,
    commands: Commands,
    fate: str,
    verdict: Verdict,
    words: str,
) -> None:
    rest.decide(fate)
    [outcome] = submit(agents, me, door_job(root))
    assert outcome.verdict is verdict
    assert words in outcome.message
    assert "slurm_rest" not in outcome.message
    assert by_sbatch(commands) == 0, "a doubtful or refused job was submitted once more"
    [after] = submit(agents, me, door_job(root))
    assert after.verdict is Verdict.ACCEPTED


ANSWER = len("HTTP/1.1 200 X\r\nContent-Length: 30\r\nContent-Type: application/json\r\n\r\n") + 30


@pytest.mark.parametrize("cut", [0, 1, 8, 15, 16, 30, 52, ANSWER - 32, ANSWER - 30, ANSWER - 29, ANSWER - 1])
def test_a_cut_answer_is_a_doubt(
    agents: SocketAgents, me: Owner, root: Path, rest: FakeSlurmrestd, commands: Commands, cut: int
) -> None:
    rest.decide(f"cut:{cut}")
    [outcome] = submit(agents, me, door_job(root))
    assert outcome.verdict is Verdict.UNKNOWN
    assert (len(rest.jobs()), by_sbatch(commands)) == (1, 0)


@pytest.mark.parametrize("read", [1, 100, 1000, 60_000, 150_000])
def test_a_request_that_was_not_taken_whole_goes_to_the_next_process(
    agents: SocketAgents, me: Owner, root: Path, rest: FakeSlurmrestd, commands: Commands, read: int
) -> None:
    rest.decide(f"deaf:{read}")
    [outcome] = submit(agents, me, door_job(root, script=BIG))
    assert (outcome.verdict, outcome.slurm_id) == (Verdict.ACCEPTED, 5001)
    assert (len(rest.jobs()), by_sbatch(commands)) == (1, 0)


def test_a_request_that_may_have_been_read_whole_is_a_doubt(
    agents: SocketAgents, me: Owner, root: Path, rest: FakeSlurmrestd, commands: Commands
) -> None:
    rest.decide("deaf:100")
    [outcome] = submit(agents, me, door_job(root))
    assert outcome.verdict is Verdict.UNKNOWN
    assert (len(rest.jobs()), by_sbatch(commands)) == (0, 0)


def test_one_that_ended_between_two_jobs_is_followed_by_another(
    agents: SocketAgents, me: Owner, root: Path, rest: FakeSlurmrestd, commands: Commands
) -> None:
    assert submit(agents, me, door_job(root))[0].slurm_id == 5001
    [pid] = children(agent_pid(agents, me))
    kill(pid)
    assert submit(agents, me, door_job(root))[0].slurm_id == 5002
    assert (len(rest.starts()), by_sbatch(commands)) == (2, 0)


def test_what_it_cannot_read_goes_by_sbatch(
    agents: SocketAgents, me: Owner, root: Path, rest: FakeSlurmrestd
) -> None:
    rest.decide("unread")
    assert [outcome.slurm_id for outcome in submit(agents, me, door_job(root), door_job(root))] == [
        1001,
        5001,
    ]


def test_one_that_hangs_costs_one_timeout_and_is_ended(
    place: Path, options: AgentOptions, me: Owner, root: Path, rest: FakeSlurmrestd, commands: Commands
) -> None:
    agents = SocketAgents(place / "run", SelfTransport(), options.model_copy(update={"timeout_s": 1.0}))
    rest.decide("hang")
    outcomes = submit(agents, me, *[door_job(root) for _ in range(5)])
    assert [outcome.verdict for outcome in outcomes] == [Verdict.UNKNOWN] + [Verdict.NOT_TRIED] * 4
    assert children(agent_pid(agents, me)) == []
    agents.close()
    assert (len(rest.jobs()), by_sbatch(commands)) == (1, 0)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("dead", "Unable to find plugin: rest_auth/local"),
        ("old", "does not speak v0.0.38"),
        ("stranger", "does not speak v0.0.38"),
        ("hang", "gave no answer"),
    ],
)
def test_one_that_cannot_be_used_is_told_and_jobs_go_by_sbatch(
    place: Path, options: AgentOptions, me: Owner, root: Path, rest: FakeSlurmrestd, start: str, words: str
) -> None:
    agents = SocketAgents(place / "run", SelfTransport(), options.model_copy(update={"timeout_s": 2.0}))
    rest.start(start)
    assert words in agents.of(me).door()
    assert [outcome.slurm_id for outcome in submit(agents, me, door_job(root), door_job(root))] == [
        1001,
        1002,
    ]
    assert len(rest.starts()) == 1, "it is not tried for each job again"
    agents.close()


def test_where_none_is_installed_jobs_go_by_sbatch(agents: SocketAgents, me: Owner, root: Path) -> None:
    assert submit(agents, me, door_job(root))[0].slurm_id == 1001
    assert "could not be started" in agents.of(me).door()


def test_where_sbatch_is_set_none_is_started(
    place: Path, options: AgentOptions, me: Owner, root: Path, rest: FakeSlurmrestd
) -> None:
    plain = options.model_copy(update={"submit_through": "sbatch"})
    agents = SocketAgents(place / "run", SelfTransport(), plain)
    assert submit(agents, me, door_job(root))[0].slurm_id == 1001
    assert (agents.of(me).door(), rest.starts()) == ("", [])
    agents.close()


def test_an_agent_that_ends_takes_it_along(agents: SocketAgents, me: Owner, rest: FakeSlurmrestd) -> None:
    assert agents.of(me).door() == ""
    [pid] = children(agent_pid(agents, me))
    with gone(pid):
        agents.close()


def test_an_agent_that_is_killed_takes_it_along(
    agents: SocketAgents, me: Owner, rest: FakeSlurmrestd
) -> None:
    assert agents.of(me).door() == ""
    agent = agent_pid(agents, me)
    [pid] = children(agent)
    with gone(pid):
        os.kill(agent, signal.SIGKILL)


def test_an_agent_that_is_killed_in_the_middle_of_a_request_takes_it_along(
    agents: SocketAgents, me: Owner, rest: FakeSlurmrestd, root: Path
) -> None:
    """The real one does not heed the end of its input then: it turns round and round for ever."""
    rest.decide("hang")
    assert agents.of(me).door() == ""
    agent = agent_pid(agents, me)
    [pid] = children(agent)
    asking = threading.Thread(target=submit, args=(agents, me, door_job(root)))
    asking.start()
    assert wait(lambda: len(rest.jobs()) == 1, 20)
    with gone(pid):
        os.kill(agent, signal.SIGKILL)
    asking.join()


SLURMRESTD = "/usr/sbin/slurmrestd"
needs_slurmrestd = pytest.mark.skipif(not os.path.exists(SLURMRESTD), reason=f"no {SLURMRESTD} here")  # noqa: PTH110

CONF = """\
ClusterName=test
SlurmctldHost=nobody(127.0.0.1)
SlurmctldPort={port}
MessageTimeout=2
SlurmUser=nobody
NodeName=n1 CPUs=1
PartitionName=batch Nodes=n1 Default=YES
"""


@pytest.fixture
def real(place: Path, options: AgentOptions, commands: Commands) -> Iterator[SocketAgents]:
    """Agents with the slurmrestd of this machine, whose controller is down."""
    program = commands.directory / "slurmrestd"
    program.write_text(f'#!/bin/sh\nSLURMRESTD_SECURITY=disable_user_check exec {SLURMRESTD} "$@"\n')
    program.chmod(0o755)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        (place / "slurm.conf").write_text(CONF.format(port=reserved.getsockname()[1]))
        own = options.model_copy(update={"slurm_conf": str(place / "slurm.conf"), "timeout_s": 30.0})
        agents = SocketAgents(place / "run", SelfTransport(), own)
        yield agents
        agents.close()


@needs_slurmrestd
def test_the_real_one_without_a_controller_leaves_the_job_for_later(
    real: SocketAgents, me: Owner, root: Path, commands: Commands
) -> None:
    assert real.of(me).door() == ""
    [outcome] = submit(real, me, door_job(root))
    assert outcome.verdict is Verdict.NOT_TRIED, outcome
    assert (
        "Batch job submission failed: Unable to contact slurm controller (connect failure)" in outcome.message
    )
    assert by_sbatch(commands) == 0


@needs_slurmrestd
def test_the_real_one_ends_with_an_agent_that_is_killed(real: SocketAgents, me: Owner) -> None:
    assert real.of(me).door() == ""
    agent = agent_pid(real, me)
    [pid] = children(agent)
    with gone(pid):
        os.kill(agent, signal.SIGKILL)


@needs_slurmrestd
def test_the_real_one_without_a_plugin_says_so(
    real: SocketAgents, me: Owner, commands: Commands, place: Path
) -> None:
    empty = place / "plugins"
    empty.mkdir()
    with (place / "slurm.conf").open("a") as conf:
        conf.write(f"PluginDir={empty}\n")
    said = real.of(me).door()
    assert said, "a slurmrestd without plugins serves nobody"
    shutil.rmtree(empty)


WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Type: application/json\r\n\r\n{"job_id":7}'


@given(st.integers(0, len(WHOLE) - 1))
def test_no_part_of_an_answer_is_one(size: int) -> None:
    assert parsed(WHOLE[:size]) is None
    assert parsed(WHOLE) == (200, b'{"job_id":7}')


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=30))
def test_an_answer_with_other_bytes_in_it_is_none_or_another(at: int, other: bytes) -> None:
    mangled = WHOLE[:at] + other + WHOLE[at:]
    try:
        found = parsed(mangled)
    except NoAnswer:
        return
    assert found is None or judged(*found, "") is not None


@given(st.binary(max_size=200))
def test_garbage_is_never_an_acceptance(data: bytes) -> None:
    try:
        assert parsed(data) is None or data.startswith(b"HTTP/1.1 ")
    except NoAnswer:
        return


KEYS = ["job_id", "errors", "error", "error_code", "x"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)


@given(st.sampled_from([200, 400, 401, 404, 500]), json_values)
def test_only_an_id_is_an_acceptance_and_only_a_number_of_the_controllers_a_refusal(
    status: int, answer: object
) -> None:
    found = judged(status, json.dumps(answer).encode(), "")
    if found is None:
        assert status == 400
        return
    verdict, slurm_id, _ = found
    assert (verdict == "accepted") == (slurm_id is not None)
    if verdict == "accepted":
        assert isinstance(answer, dict)
        assert status == 200
        assert type(answer["job_id"]) is int
    if verdict == "rejected":
        assert isinstance(answer, dict)
        assert 2000 <= answer["errors"][-1]["error_code"] < 9000


def test_a_job_that_waits_for_a_reason_is_accepted_all_the_same() -> None:
    held = {"errors": [{"error_code": 2042, "error": "Job is in held state"}], "job_id": 17}
    assert judged(200, json.dumps(held).encode(), "") == ("accepted", 17, "")


def agent_pid(agents: SocketAgents, me: Owner) -> int:
    found = re.search(r"pid (\d+)", agents.ping(me))
    assert found
    return int(found[1])


def children(pid: int) -> list[int]:
    """Of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


class gone:  # noqa: N801 - used as a word
    """Demands that process `pid` ends because of what is done in the block."""

    def __init__(self, pid: int) -> None:
        self._pidfd = os.pidfd_open(pid)

    def __enter__(self) -> None:
        assert not select.select([self._pidfd], [], [], 0)[0], "it had ended before"

    def __exit__(self, *_: object) -> None:
        ended = select.select([self._pidfd], [], [], 30)[0]
        os.close(self._pidfd)
        assert ended, "it still runs"


def kill(pid: int) -> None:
    with gone(pid):
        os.kill(pid, signal.SIGKILL)
