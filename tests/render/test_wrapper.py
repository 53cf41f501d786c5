"""The wrapper as it runs: really executed, with an apptainer that takes notes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sciserver_hpc.domain.jobs import Kind, Mount
from sciserver_hpc.render import parameters_text

from . import samples
from .nodes import Node, end_of, folder_of


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node")


def wait_for(path: Path) -> None:
    """Until `path` has something in it."""
    deadline = monotonic() + 30
    while not (path.exists() and path.stat().st_size):
        assert monotonic() < deadline, f"{path} stayed empty"
        sleep(0.01)


# what the payload gets ---------------------------------------------------------------------------
HOSTILE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
WORDS = HOSTILE | st.sampled_from(
    ["-rf", "--", "$(id)", "`id`", "'", '"', "a\nb", "\\", "*", "~", "${x}", "é☀"]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arguments=st.lists(WORDS, max_size=4), source=WORDS)
def test_hostile_values_reach_apptainer_unchanged(
    tmp_path_factory: pytest.TempPathFactory, arguments: list[str], source: str
) -> None:
    node = Node(tmp_path_factory.mktemp("hostile") / "node")
    mount = Mount(volume="v", source=f"/srv/{source}", target="/home/idies/workspace/v", writable=False)
    spec = node.spec(kind=Kind.SCRIPT, filename="run", arguments=tuple(arguments), mounts=(mount,))
    job = node.rendered(spec, {"run": "#!/bin/sh\n"})
    syntax = subprocess.run(
        ["/bin/bash", "-n"], input=job.script, text=True, capture_output=True, check=False
    )
    assert (syntax.returncode, syntax.stderr) == (0, "")
    code, words = node.run(job)
    assert (code, words) == (0, "")
    argv = node.argv()
    assert argv[argv.index(str(node.image)) + 1 :] == [f"{spec.target}/run", *arguments]


def test_options_of_the_container(node: Node) -> None:
    job = node.rendered(node.spec(mounts=samples.SHELL.mounts), {"command.txt": "true"})
    node.run(job)
    argv = node.argv()
    assert argv[:4] == ["--quiet", "exec", "--containall", "--no-eval"]
    home = argv[argv.index("--home") + 1]
    assert home.startswith(str(node.tmp)) and home.endswith(":/home/idies")
    assert argv[argv.index("--pwd") + 1] == f"{samples.SHELL.results_target}/{job.folder}"
    assert "type=bind,source=/srv/data/sdss,destination=/home/idies/workspace/sdss,ro" in argv


def test_a_comma_in_a_path_stays_part_of_it(node: Node) -> None:
    mount = Mount(volume="v", source='/srv/a,"b:c', target="/home/idies/workspace/v", writable=True)
    node.run(node.rendered(node.spec(mounts=(mount,))))
    assert 'type=bind,"source=/srv/a,""b:c",destination=/home/idies/workspace/v' in node.argv()


def test_the_home_is_private_node_local_and_gone_afterwards(node: Node) -> None:
    listing = (
        'for a; do case $a in *:/home/idies) h=${a%%:*};; esac; done; stat -c %a "$h"; find "$h" -type d'
    )
    node.apptainer(listing + "; cat $h/job.path")
    job = node.rendered(node.spec(mounts=samples.SHELL.mounts))
    node.run(job)
    mode, *lines = (folder_of(job) / "stdout.txt").read_text().splitlines()
    assert mode == "700"
    assert [line for line in lines if line.endswith("/home/workspace/Storage/alice/persistent")]
    assert lines[-1] == f"{samples.SHELL.results_target}/{job.folder}/"
    assert list(node.tmp.iterdir()) == []


def test_only_named_variables_reach_the_image(node: Node) -> None:
    outside = {
        "APPTAINER_BIND": "/etc:/x",
        "APPTAINERENV_LD_PRELOAD": "/evil.so",
        "SINGULARITY_BIND": "/:/y",
        "SLURM_CPUS_PER_TASK": "2",
    }
    node.run(node.rendered(node.spec()), 42, **outside)
    seen = node.environment()
    assert not {"APPTAINER_BIND", "APPTAINERENV_LD_PRELOAD", "SINGULARITY_BIND"} & set(seen)
    inside = {name for name in seen if name.startswith("APPTAINERENV_")}
    ours = {f"SCISERVER_{name}" for name in ("JOB_ID", "JOB_FOLDER", "USER_ID", "USER_NAME", "RESULT")}
    slurms = {"SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"}
    assert inside == {f"APPTAINERENV_{name}" for name in ours | slurms}
    assert "s3cret" not in " ".join([*seen.values(), *node.argv()])


def test_gpus_bring_the_hosts_driver(node: Node) -> None:
    node.run(node.rendered(node.spec(resources=samples.GPU.resources)))
    assert "--nv" in node.argv()


# notebooks ------------------------------------------------------------------------------------------
def test_a_notebook_runs_from_an_untouched_copy_and_its_result_stays_when_a_cell_fails(node: Node) -> None:
    spec = node.spec(kind=Kind.NOTEBOOK, filename="sun spots.ipynb", kernel="python3")
    files = {"sun spots.ipynb": "{}", "parameters.txt": parameters_text({"a": 1})}
    job = node.rendered(spec, files)
    node.apptainer(f"echo half done > '{folder_of(job)}/sun spots.ipynb'; exit 1")
    assert node.run(job)[0] == 1
    argv = node.argv()
    command = argv[argv.index("papermill") :]
    assert command[:4] == ["papermill", "--no-progress-bar", "-k", "python3"]
    assert command[4:6] == ["-f", f"{spec.target}/parameters.txt"]
    assert command[6:] == [f"{spec.target}/.sciserver/source.ipynb", f"{spec.target}/sun spots.ipynb"]
    assert (folder_of(job) / "sun spots.ipynb").read_text() == "half done\n"
    assert (folder_of(job) / ".sciserver/source.ipynb").read_text() == "{}"
    assert end_of(job).exit_code == 1


def test_array_tasks_have_notebooks_logs_and_ends_of_their_own(node: Node) -> None:
    spec = node.spec(kind=Kind.NOTEBOOK, filename="n.ipynb", array="0-1")
    node.apptainer("echo out")
    job = node.rendered(spec, {"n.ipynb": "{}"})
    for task, slurm_id in (("0", 43), ("1", 42)):
        assert node.run(job, slurm_id, SLURM_ARRAY_JOB_ID="42", SLURM_ARRAY_TASK_ID=task)[0] == 0
        assert node.argv()[-2:] == [f"{spec.target}/n.ipynb", f"{spec.target}/n.{task}.ipynb"]
        assert (folder_of(job) / f"stdout.{task}.txt").read_text() == "out\n"
        assert end_of(job, f"end.{task}.json").slurm_id == 42
        assert json.loads((folder_of(job) / f"provenance.{task}.json").read_text())["run"][
            "array_task"
        ] == int(task)


# the start fence ------------------------------------------------------------------------------------
def test_a_second_copy_ends_without_doing_anything(node: Node) -> None:
    job = node.rendered(node.spec())
    node.run(job, 42)
    (node.notes / "argv").unlink()
    code, words = node.run(job, 43)
    assert code == 0 and "Job 42 is already running this" in words
    assert not (node.notes / "argv").exists()
    assert end_of(job).slurm_id == 42


def test_a_restart_of_the_same_job_runs_again_and_appends(node: Node) -> None:
    node.apptainer("echo again")
    job = node.rendered(node.spec())
    node.run(job, 42)
    assert node.run(job, 42, SLURM_RESTART_COUNT="1")[0] == 0
    assert (folder_of(job) / "stdout.txt").read_text() == "again\nagain\n"
    assert end_of(job).restarts == 1
    assert json.loads((folder_of(job) / "provenance.json").read_text())["run"]["restarts"] == 1


def test_a_missing_job_folder_is_an_error_and_never_tmp(node: Node) -> None:
    job = node.rendered(node.spec())
    folder_of(job).rename(node.base / "elsewhere")
    code, words = node.run(job)
    assert code == 97 and "cannot be entered" in words


# asking the portal ----------------------------------------------------------------------------------
def curl_that(node: Node, answer: str) -> dict[str, str]:
    """A curl that notes its arguments and answers."""
    programs = node.base / "bin"
    programs.mkdir()
    curl = programs / "curl"
    curl.write_text(f"#!/bin/bash\nprintf '%s\\0' \"$@\" >{node.notes}/curl\nprintf '{answer}'\n")
    curl.chmod(0o700)
    return {"PATH": f"{programs}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("answer", "code", "ran"),
    [
        ("run\\n\\n", 0, True),
        ("", 0, True),
        ("<html>502</html>", 0, True),
        ("unknown\\nno such job\\n", 0, True),
        ("duplicate\\nanother copy\\n", 0, False),
        ('refused\\nthe grant has "expired"\\n', 96, False),
    ],
)
def test_the_portals_word(node: Node, answer: str, code: int, ran: bool) -> None:
    job = node.rendered(node.spec(), claim_url="https://portal", ca_file="/ca.pem")
    assert node.run(job, 42, **curl_that(node, answer))[0] == code
    assert (node.notes / "argv").exists() is ran
    asked = (node.notes / "curl").read_text().split("\0")
    assert f"uuid={samples.UUID}&slurm_id=42&restarts=0&task=&node=" in asked
    assert not any("s3cret" in word for word in asked)


def test_a_refusal_says_why(node: Node) -> None:
    job = node.rendered(node.spec(), claim_url="https://portal")
    node.run(job, 42, **curl_that(node, 'refused\\nthe "grant" has expired\\n'))
    end = end_of(job)
    assert (end.exit_code, end.cause) == (96, "refused")
    assert 'the "grant" has expired' in end.message


# the image ------------------------------------------------------------------------------------------
def test_an_image_that_changed_does_not_run(node: Node) -> None:
    job = node.rendered(node.spec())
    node.image.write_bytes(b"another image")
    assert node.run(job)[0] == 95
    assert end_of(job).cause == "image_changed"
    assert not (node.notes / "argv").exists()


def test_a_touched_image_of_the_same_digest_runs(node: Node) -> None:
    job = node.rendered(node.spec())
    os.utime(node.image, ns=(1, 1))
    assert node.run(job)[0] == 0


def test_verify_always_finds_a_change_that_kept_size_and_time(node: Node) -> None:
    spec = node.spec()
    times = (spec.image_mtime_ns, spec.image_mtime_ns)
    node.image.write_bytes(b"A SIF file")
    os.utime(node.image, ns=times)
    assert node.run(node.rendered(spec, verify="always"))[0] == 95


def test_a_missing_image_is_told_the_same_way(node: Node) -> None:
    job = node.rendered(node.spec())
    node.image.unlink()
    assert node.run(job)[0] == 95


# ends -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", [0, 1, 127, 137, 255])
def test_finding_5_the_end_record_keeps_the_whole_exit_code(node: Node, code: int) -> None:
    node.apptainer(f"exit {code}")
    job = node.rendered(node.spec())
    assert node.run(job)[0] == code
    assert (end_of(job).exit_code, end_of(job).cause) == (code, "")


def test_a_container_that_cannot_start_is_told_from_a_payload_that_exits_255(node: Node) -> None:
    node.apptainer("echo 'FATAL:   no squashfuse' >&2; exit 255")
    job = node.rendered(node.spec())
    assert node.run(job)[0] == 255
    assert end_of(job).cause == "container"


def test_term_reaches_the_payload_whose_own_code_counts(node: Node) -> None:
    node.apptainer("trap 'echo got TERM; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    job = node.rendered(node.spec())
    with node.start(job) as process:
        wait_for(folder_of(job) / "stdout.txt")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 7
    assert (folder_of(job) / "stdout.txt").read_text() == "ready\ngot TERM\n"
    assert end_of(job).exit_code == 7


def test_usr1_reaches_the_payload_which_goes_on(node: Node) -> None:
    node.apptainer("trap 'echo got USR1; exit 0' USR1; echo ready; while :; do sleep 0.05; done")
    job = node.rendered(node.spec())
    with node.start(job) as process:
        wait_for(folder_of(job) / "stdout.txt")
        process.send_signal(signal.SIGUSR1)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert "got USR1" in (folder_of(job) / "stdout.txt").read_text()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    asked = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0777", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("a full disk needs the right to mount one (root)")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_never_looks_like_success(node: Node, small_disk: Path) -> None:
    node.apptainer("head -c 1000000 /dev/zero; exit 0")
    job = node.rendered(node.spec(results_root=str(small_disk)))
    code, words = node.run(job)
    assert code == 98
    assert "filesystem full" in words


def test_records_are_private_and_results_are_not_executable(node: Node) -> None:
    job = node.rendered(node.spec())
    node.run(job)
    end = folder_of(job) / ".sciserver/end.json"
    assert stat.S_IMODE(end.stat().st_mode) == 0o600
    assert stat.S_IMODE((folder_of(job) / "stdout.txt").stat().st_mode) == 0o644


def test_provenance_tells_what_ran_and_how_it_went(node: Node) -> None:
    job = node.rendered(node.spec(), {"command.txt": 'echo "run": \n'})
    node.run(job, SLURMD_NODENAME="n1")
    record = json.loads((folder_of(job) / "provenance.json").read_text())
    assert record["image"]["sha256"] == node.spec().image_sha256
    assert record["run"]["node"] == "n1"
    assert record["run"]["exit_code"] == 0
    assert record["run"]["cpu_s"] >= 0


def peak_by(node: Node, machine: Path, lines: str, files: dict[str, str]) -> int | None:
    """What the record says where /proc/self/cgroup holds `lines` and /sys/fs/cgroup the `files`."""
    job = node.rendered(node.spec())
    machine.mkdir()
    (machine / "own").write_text(lines)
    for path, text in files.items():
        (machine / path).parent.mkdir(parents=True, exist_ok=True)
        (machine / path).write_text(text)
    script = job.script.replace("/proc/self/cgroup", str(machine / "own"))
    here = job.model_copy(update={"script": script.replace("/sys/fs/cgroup", str(machine))})
    assert node.run(here)[0] == 0
    record = json.loads((folder_of(job) / "provenance.json").read_text())
    return record["run"]["memory_peak_bytes"]  # type: ignore[no-any-return]


V1 = "7:cpuset:/slurm/uid_7/job_42/step_batch\n4:memory:/slurm/uid_7/job_42/step_batch/task_0\n0::/\n"
V2 = "0::/system.slice/slurmstepd.scope/job_42/step_batch/user/task_0\n"
V1_FILE = "memory/slurm/uid_7/job_42/memory.max_usage_in_bytes"
V2_FILE = "system.slice/slurmstepd.scope/job_42/memory.peak"


@pytest.mark.parametrize(
    ("lines", "files", "peak"),
    [
        (
            V1,
            {V1_FILE: "123456\n", "memory/slurm/uid_7/job_42/step_batch/memory.max_usage_in_bytes": "1"},
            123456,
        ),
        (V2, {V2_FILE: "5000000000\n"}, 5_000_000_000),
        (
            V2.replace("/system", "/job_42/system"),
            {f"job_42/{V2_FILE}": "9\n", "job_42/memory.peak": "1\n"},
            9,
        ),
        (V1, {}, None),
        (V1, {V1_FILE: ""}, None),
        (V1, {V1_FILE: "0\n"}, None),
        (V1, {V1_FILE: "7; rm\n"}, None),
        (V2.replace("42", "421"), {V2_FILE.replace("42", "421"): "7\n", V2_FILE: "8\n"}, None),
        ("0::/user.slice\n", {"user.slice/memory.peak": "7\n", "memory.peak": "7\n"}, None),
        ("", {}, None),
    ],
    ids=["v1", "v2", "nested", "no-file", "empty", "zero", "nonsense", "another-job", "no-job", "none"],
)
def test_peak_memory_is_the_jobs_own_or_unknown(
    node: Node, tmp_path: Path, lines: str, files: dict[str, str], peak: int | None
) -> None:
    assert peak_by(node, tmp_path / "machine", lines, files) == peak


@pytest.fixture
def job_cgroup() -> Iterator[Path]:
    """A memory cgroup of this machine named as Slurm names job 42's."""
    rows = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = {controllers: path for _, controllers, path in rows}
    base = f"/sys/fs/cgroup/memory{own['memory']}" if "memory" in own else f"/sys/fs/cgroup{own.get('', '')}"
    cgroup = Path(base) / "job_42"
    try:
        cgroup.mkdir()
    except OSError:
        pytest.skip("a cgroup needs the right to make one (root)")
    yield cgroup
    cgroup.rmdir()


def test_peak_memory_as_this_machines_kernel_counts_it(node: Node, job_cgroup: Path) -> None:
    files = ("memory.max_usage_in_bytes", "memory.peak")
    if not any((job_cgroup / name).exists() for name in files):
        pytest.skip("this kernel does not tell a cgroup's peak")
    node.apptainer("/usr/bin/python3 -I -S -c 'bytearray(50_000_000)'")
    job = node.rendered(node.spec())
    inside = f"echo $$ >{job_cgroup}/cgroup.procs\n{job.script}"
    assert node.run(job.model_copy(update={"script": inside}))[0] == 0
    record = json.loads((folder_of(job) / "provenance.json").read_text())
    assert 50_000_000 < record["run"]["memory_peak_bytes"] < 1_000_000_000


# without a container --------------------------------------------------------------------------------
def test_without_apptainer_the_payload_runs_on_the_host_and_the_log_says_so(node: Node) -> None:
    job = node.rendered(node.spec(), {"command.txt": "pwd; echo $SCISERVER_JOB_ID; exit 5"}, contained=False)
    code, words = node.run(job)
    assert code == 5
    assert "Without a container" in words
    assert (folder_of(job) / "stdout.txt").read_text() == f"{folder_of(job)}\n7\n"
    assert end_of(job).exit_code == 5


def test_a_script_runs_by_its_own_interpreter_with_its_arguments(node: Node) -> None:
    spec = node.spec(kind=Kind.SCRIPT, filename="a.sh", arguments=("it's", "-x"))
    job = node.rendered(spec, {"a.sh": "#!/bin/bash\nprintf '<%s>' \"$@\"\n"}, contained=False)
    assert node.run(job)[0] == 0
    assert (folder_of(job) / "stdout.txt").read_text() == "<it's><-x>"


def test_the_body_is_clean_by_shellcheck() -> None:
    body = Path(__file__).parents[2] / "sciserver_hpc/render/templates/wrapper.sh"
    checked = subprocess.run(["shellcheck", str(body)], capture_output=True, text=True, check=False)
    assert checked.stdout == ""
