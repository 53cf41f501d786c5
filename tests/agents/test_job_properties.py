"""sbatch's options as slurmrestd's job properties: all of it exactly, or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.agent import job_properties
from sciserver_hpc.domain.jobs import Dependency, DependencyType, Kind
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.scheduling import Submission
from sciserver_hpc.render.submission import Surroundings, render
from tests.render import samples

AROUND = {"SLURM_SUBMIT_DIR": "/", "SLURM_UMASK": "0077"}


def rendered(ids: dict[int, int] | None = None, **changes: object) -> Submission:
    spec = samples.spec(**changes)
    return render(
        spec,
        7,
        files={spec.filename: "#!/bin/sh\n"},
        claim_secret="secret",
        surroundings=Surroundings(),
        slurm_ids=ids,
    )


def asked(
    job: Submission, *, options: tuple[str, ...] | None = None, script: str | None = None
) -> dict[str, Any] | None:
    files = {f"{job.root}/{job.folder}/{file.path}": file.text for file in job.files}
    body = job_properties.request(
        "v0.0.38",
        list(job.options if options is None else options),
        job.script if script is None else script,
        files,
        AROUND,
    )
    return None if body is None else json.loads(body)


def test_a_job_with_everything() -> None:
    wanted = Resources(cpus=2, tasks=4, nodes=2, memory_mb=512, gpus=1, time_limit_s=90)
    job = rendered(
        {3: 300, 4: 400},
        resources=wanted,
        array="0-9%2",
        dependencies=(Dependency(job=3), Dependency(job=4, type=DependencyType.AFTERANY)),
        results_root="/srv/100%/é",
    )
    folder = "/srv/100%/é/2026-11-23/20261123-220000-7"
    assert asked(job) == {
        "script": job.script,
        "job": {
            "name": f"sun_s_spots____id_.{samples.UUID}",
            "current_working_directory": folder,
            "standard_output": "/srv/100%%/é/2026-11-23/20261123-220000-7/.sciserver/slurm-%j.out",
            "standard_input": "/dev/null",
            "partition": "batch",
            "account": "astro",
            "qos": "normal",
            "time_limit": 2,
            "nodes": "2",
            "tasks": 4,
            "cpus_per_task": 2,
            "minimum_cpus_per_node": 2,
            "memory_per_node": 512,
            "gres": "gpu:1",
            "array": "0-9%2",
            "dependency": "afterok:300,afterany:400",
            "kill_on_invalid_dependency": True,
            "no_requeue": True,
            "open_mode": "append",
            "environment": {
                "LANG": "C.UTF-8",
                "SLURM_SUBMIT_DIR": "/",
                "SLURM_UMASK": "0077",
                "SLURM_CPUS_PER_TASK": "2",
                "SLURM_NTASKS": "4",
                "SLURM_NPROCS": "4",
            },
        },
    }


resources = st.builds(
    Resources,
    cpus=st.integers(1, 64),
    tasks=st.integers(1, 8),
    nodes=st.integers(1, 4),
    memory_mb=st.integers(1, 10**6),
    gpus=st.integers(0, 8),
    time_limit_s=st.integers(60, 10**6),
).filter(lambda asked: asked.tasks >= asked.nodes)


@given(
    resources=resources,
    account=st.sampled_from([None, "astro"]),
    qos=st.sampled_from([None, "high"]),
    array=st.sampled_from([None, "0-9", "1,3,5", "0-99%10", "0-9:3%2"]),
    kind=st.sampled_from(Kind),
    links=st.lists(st.sampled_from(DependencyType), max_size=3),
)
def test_whatever_we_render_is_taken_with_every_option(
    resources: Resources,
    account: str | None,
    qos: str | None,
    array: str | None,
    kind: Kind,
    links: list[DependencyType],
) -> None:
    dependencies = tuple(Dependency(job=n + 1, type=link) for n, link in enumerate(links))
    job = rendered(
        {n + 1: 10**6 + n for n in range(3)},
        resources=resources,
        account=account,
        qos=qos,
        array=array,
        kind=kind,
        dependencies=dependencies,
    )
    body = asked(job)
    assert body is not None
    rows = job_properties.V0_0_38
    given_ = {name[2:]: value for name, _, value in (option.partition("=") for option in job.options)}
    for name, value in given_.items():
        became = rows[name][1](value)
        assert became.items() <= body["job"].items(), "an option was dropped"


@pytest.mark.parametrize("name", job_properties.V0_0_38)
@given(value=st.text(max_size=12))
def test_a_value_is_known_exactly_or_the_job_is_for_sbatch(name: str, value: str) -> None:
    job = rendered()
    rest = tuple(option for option in job.options if option.partition("=")[0] != f"--{name}")
    body = asked(job, options=(*rest, f"--{name}={value}"))
    if body is not None and name not in ("export-file",):
        assert body["job"].items() >= job_properties.V0_0_38[name][1](value).items()
        assert not any(ord(c) < 32 or ord(c) == 127 for c in value)


@pytest.mark.parametrize(
    "option",
    [
        "--hold",
        "--exclusive",
        "--signal=B:USR1@60",
        "--mem=1G",
        "--mem=0M",
        "--mem=1\N{ARABIC-INDIC DIGIT THREE}M",
        "--time=1:00",
        "--time=0",
        "--nodes=1-2",
        "--output=relative.out",
        "--output=none",
        "--kill-on-invalid-dep=no",
        "--requeue",
        "--dependency=singleton",
        "--gres=gpu:tesla:1",
        "--export=NONE",
        "--no-requeue",
        "--uid=0",
        "--propagate=ALL",
    ],
)
def test_an_option_beyond_ours_or_one_said_twice_goes_by_sbatch(option: str) -> None:
    job = rendered()
    assert asked(job, options=(*job.options, option)) is None
    name = option.partition("=")[0]
    rest = tuple(known for known in job.options if known.partition("=")[0] != name)
    if option != "--no-requeue":
        assert asked(job, options=(*rest, option)) is None


@pytest.mark.parametrize("name", ["job-name", "chdir", "export-file", "nodes", "ntasks", "cpus-per-task"])
def test_what_sbatch_would_make_up_is_left_to_it(name: str) -> None:
    job = rendered()
    rest = tuple(option for option in job.options if not option.startswith(f"--{name}="))
    assert len(rest) == len(job.options) - 1
    assert asked(job, options=rest) is None


def test_fewer_tasks_than_nodes_are_left_to_sbatch_which_changes_the_nodes() -> None:
    assert asked(rendered(resources=Resources(nodes=2, tasks=1))) is None


@pytest.mark.parametrize(
    "script",
    [
        "",
        "true\n",
        "#!/bin/sh\n#SBATCH --hold\n",
        "#!/bin/sh\ntrue\n#SBATCH --hold\n",
        "#!/bin/sh\n#SLURM --hold\n",
        "#!/bin/sh\n#PBS -h\n",
        "#!/bin/sh\n#BSUB -h\n",
        "#!/bin/sh\r\n",
        "#!/bin/sh\n\0",
        "#!/bin/sh\n\udcff",
    ],
)
def test_a_script_that_sbatch_reads_or_refuses_is_left_to_it(script: str) -> None:
    assert asked(rendered(), script=script) is None


@pytest.mark.parametrize(
    "text",
    ["", "LANG=C", "LANG\0", "=x\0", "SLURM_JWT=x\0", "SBATCH_HOLD=1\0", "DISPLAY=:0\0", "A=1\0\0B=2\0"],
)
def test_an_environment_that_sbatch_reads_in_its_own_way_is_left_to_it(text: str) -> None:
    job = rendered()
    files = {f"{job.root}/{job.folder}/.sciserver/environment": text}
    assert job_properties.request("v0.0.38", list(job.options), job.script, files, AROUND) is None
    assert job_properties.request("v0.0.38", list(job.options), job.script, {}, AROUND) is None


def test_who_submits_is_told_as_sbatch_tells_it() -> None:
    told = job_properties.submitter()
    assert set(told) == {"SLURM_PRIO_PROCESS", "SLURM_SUBMIT_DIR", "SLURM_SUBMIT_HOST", "SLURM_UMASK"}
    assert len(told["SLURM_UMASK"]) == 4
