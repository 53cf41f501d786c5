"""slurm_conf/ renders to what the golden files hold; delete one and run twice to renew it."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from sciserver_hpc.devcluster import cgroup, slurm
from sciserver_hpc.devcluster.state import State
from sciserver_hpc.devcluster.templates import SLURM, render

GOLDEN = Path(__file__).parent / "golden"
PORTS = {"slurmctld": 7001, "slurmdbd": 7002, **{f"slurmd-{n}": 7010 + i for i, n in enumerate(slurm.NODES)}}


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.make()
    state.remember(ports=PORTS)
    return state


def agrees(name: str, text: str) -> bool:
    golden = GOLDEN / name
    if not golden.exists():
        golden.write_text(text)
        pytest.fail(f"{golden} was missing and is written now; look at it and run again")
    return text == golden.read_text()


def neutral(text: str, state: State) -> str:
    first = f"FirstJobId={slurm.first_job_id(state)}"
    return text.replace(str(state.root), "/state").replace(first, "FirstJobId=1001")


def test_slurm_conf(state: State) -> None:
    text = render(
        SLURM,
        "slurm.conf.j2",
        options=slurm.slurm_options(state, "host", dict(cgroup.ENFORCED)),
        nodes=slurm.node_options(state, "host", 2048),
        partitions=slurm.PARTITIONS,
    )
    assert agrees("slurm.conf", neutral(text, state))


def test_slurmdbd_conf(state: State) -> None:
    text = render(SLURM, "slurmdbd.conf.j2", options=slurm.slurmdbd_options(state))
    assert agrees("slurmdbd.conf", neutral(text, state))


def test_cgroup_conf_where_version_1_controllers_are_mounted(tmp_path: Path) -> None:
    for controller in cgroup.NEEDED:
        (tmp_path / controller).mkdir()
        (tmp_path / controller / "release_agent").touch()
    found = cgroup.found(tmp_path)
    text = render(SLURM, "cgroup.conf.j2", options=found.cgroup).replace(str(tmp_path), "/sys/fs/cgroup")
    assert agrees("cgroup.conf", text)
    assert found.slurm["TaskPlugin"] == "task/cgroup"


def test_memory_is_watched_and_said_so_where_there_are_no_controllers(tmp_path: Path) -> None:
    found = cgroup.found(tmp_path)
    assert found.slurm["JobAcctGatherParams"] == "OverMemoryKill"
    assert "only watched" in found.sentence


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render(SLURM, "slurm.conf.j2", options={}, nodes=[])


def test_the_first_job_id_is_kept(state: State) -> None:
    first = slurm.first_job_id(state)
    assert first == slurm.first_job_id(State(state.root))
    assert 1000 < first < 67_043_328
