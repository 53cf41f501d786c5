"""A function's script, run as an image runs it."""

from __future__ import annotations

import pickle
import signal
import sys
import time
from operator import truediv
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import submitit
from hypothesis import given
from hypothesis import strategies as st
from submitit.core.utils import DelayedSubmission

from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.functions import payload
from sciserver_hpc.functions.payload import Header

from .image import left, run, start

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def call(function: Any, *args: Any, **kwargs: Any) -> bytes:
    return cloudpickle.dumps((function, args, kwargs))


def outcome(folder: Path, name: str) -> Any:
    return pickle.loads((folder / "functions" / name).read_bytes())


def ids() -> tuple[str, str | None, int, int]:
    here = submitit.JobEnvironment()
    return here.job_id, here.array_task_id, here.global_rank, here.num_tasks


class Slow(submitit.helpers.Checkpointable):
    """Says that it began, then waits for the signal; once it goes on, it ends."""

    def __init__(self) -> None:
        self.begun = 0

    def __call__(self, ready: str) -> tuple[int, str]:
        self.begun += 1
        if self.begun == 1:
            Path(ready).touch()
            time.sleep(30)
        return self.begun, submitit.JobEnvironment().job_id


class Stubborn(Slow):
    def checkpoint(self, *args: Any, **kwargs: Any) -> DelayedSubmission:
        return None  # type: ignore[return-value]


def interrupted(function: Any, folder: Path, header: Header, task: int | None = None) -> int:
    """The exit code of a job that got Slurm's signal in the middle of its function."""
    ready = folder.with_name("ready")
    with start(payload.script([call(function, str(ready))], header), folder, task=task) as process:
        while not ready.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        return process.wait(30)


def test_a_result_and_what_it_prints(tmp_path: Path) -> None:
    script = payload.script([call(lambda a, b: print("hello") or a + b, 5, b=7)], Header())
    assert run(script, tmp_path) == (0, "hello\n", "")
    assert left(tmp_path) == ["0.0.success.pkl"]
    assert outcome(tmp_path, "0.0.success.pkl") == ("success", 12)


def test_an_exception_leaves_its_traceback(tmp_path: Path) -> None:
    code, _, err = run(payload.script([call(truediv, 1, 0)], Header()), tmp_path)
    kind, told = outcome(tmp_path, "0.0.error.pkl")
    assert (code, kind) == (1, "error")
    assert "ZeroDivisionError" in told
    assert "ZeroDivisionError" in err


def test_a_result_that_cannot_be_pickled_is_an_error(tmp_path: Path) -> None:
    code, _, _ = run(payload.script([call(lambda: (n for n in ()))], Header()), tmp_path)
    assert code == 1
    assert "cannot pickle 'generator' object" in outcome(tmp_path, "0.0.error.pkl")[1]


@pytest.mark.parametrize("name", ["main", "Checkpoint", "run"])
def test_a_result_may_be_a_function_named_as_the_runners(tmp_path: Path, name: str) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(f"def {name}(): return 42\ndef make(): return {name}", space)
    assert run(payload.script([call(space["make"])], Header()), tmp_path)[0] == 0
    assert outcome(tmp_path, "0.0.success.pkl")[1]() == 42


def test_each_task_of_an_array_runs_its_own_call(tmp_path: Path) -> None:
    script = payload.script([call(ids), call(abs, -3)], Header(array=True))
    for task in (0, 1):
        assert run(script, tmp_path, task=task)[0] == 0
    assert outcome(tmp_path, "0.0.success.pkl")[1] == ("17_0", "0", 0, 1)
    assert outcome(tmp_path, "1.0.success.pkl")[1] == 3


def test_every_process_of_a_job_knows_its_rank(tmp_path: Path) -> None:
    script = payload.script([call(lambda: print(ids()) or ids())], Header(ranks=3))
    code, out, _ = run(script, tmp_path)
    assert code == 0
    assert out == "('17', None, 0, 3)\n"
    assert (tmp_path / "functions" / "0.2.stdout").read_text() == "('17', None, 2, 3)\n"
    assert [outcome(tmp_path, f"0.{rank}.success.pkl")[1][2] for rank in range(3)] == [0, 1, 2]


def test_stderr_goes_to_stdout_where_asked(tmp_path: Path) -> None:
    script = payload.script([call(truediv, 1, 0)], Header(stderr_to_stdout=True))
    _, out, err = run(script, tmp_path)
    assert "ZeroDivisionError" in out
    assert not err


def test_another_python_is_told_before_it_crashes(tmp_path: Path) -> None:
    run(payload.script([call(abs, 1)], Header(python=(3, 2))), tmp_path)
    assert "pickled by Python 3.2, and this image has Python 3." in outcome(tmp_path, "0.0.error.pkl")[1]


def test_a_module_that_the_image_lacks_is_named_with_what_to_do(tmp_path: Path) -> None:
    lacking = cloudpickle.dumps((abs, (1,), {})).replace(b"builtins", b"nowheres")
    assert run(payload.script([lacking], Header()), tmp_path)[0] == 1
    told = outcome(tmp_path, "0.0.error.pkl")[1]
    assert "no module nowheres" in told
    assert "register_pickle_by_value" in told


def test_a_checkpoint_is_the_script_of_the_job_that_goes_on(tmp_path: Path) -> None:
    header = Header(array=True, checkpointable=True, countdown=2, warn_s=30)
    assert interrupted(Slow(), tmp_path / "a", header, task=0) == 0
    assert left(tmp_path / "a") == ["0.0.checkpoint.py"]
    follows = (tmp_path / "a" / "functions" / "0.0.checkpoint.py").read_text()
    told = payload.header(follows)
    assert told == Header(checkpointable=True, countdown=1, warn_s=30, job="17_0")
    assert run(follows, tmp_path / "b", job=18)[0] == 0
    assert outcome(tmp_path / "b", "0.0.success.pkl")[1] == (2, "17_0")


def test_a_checkpoint_ends_every_process(tmp_path: Path) -> None:
    """The others would wait for the signal that only the first gets."""
    header = Header(ranks=2, checkpointable=True, countdown=1)
    assert interrupted(Slow(), tmp_path / "a", header) == 0
    assert "0.0.checkpoint.py" in left(tmp_path / "a")
    assert not [name for name in left(tmp_path / "a") if name.endswith(".pkl")]


@pytest.mark.parametrize(
    ("function", "countdown", "words"), [(Slow, 0, "too often"), (Stubborn, 3, "wants no further one")]
)
def test_a_checkpoint_that_is_not_made_is_the_outcome(
    tmp_path: Path, function: type[Slow], countdown: int, words: str
) -> None:
    header = Header(checkpointable=True, countdown=countdown)
    assert interrupted(function(), tmp_path / "a", header) == 1
    assert words in outcome(tmp_path / "a", "0.0.error.pkl")[1]


def test_a_function_without_checkpoint_ignores_the_signal(tmp_path: Path) -> None:
    def waits(ready: str) -> int:
        Path(ready).touch()
        time.sleep(0.2)
        return 3

    assert interrupted(waits, tmp_path / "a", Header()) == 0


@given(
    st.builds(
        Header,
        ranks=st.integers(1, 9),
        countdown=st.integers(0, 9),
        job=st.none() | st.text(max_size=9),
        warn_s=st.none() | st.integers(1, 90),
    ),
    st.lists(st.binary(max_size=50), min_size=1, max_size=5),
)
def test_a_script_tells_its_header_again(header: Header, calls: list[bytes]) -> None:
    assert payload.header(payload.script(calls, header)) == header


@pytest.mark.parametrize("text", ["", "\nmain(", "\nmain(1, 2)", "\nmain('{}', '', open('/etc/passwd'))"])
def test_what_is_no_script_of_ours_is_not_read(text: str) -> None:
    with pytest.raises(Invalid, match="not what a job of this plugin leaves"):
        payload.header(text)


def test_a_function_too_large_to_travel_is_told_before_it_is_sent() -> None:
    data = bytes(range(256)) * 2 + __import__("random").Random(1).randbytes(900_000)
    with pytest.raises(Invalid, match=r"the function and its arguments take 1\.2 MB packed.*volume"):
        payload.script([call(len, data)], Header())


def test_what_calls_share_travels_once() -> None:
    shared = __import__("random").Random(1).randbytes(100_000)
    script = payload.script([call(len, shared) for _ in range(50)], Header(array=True))
    assert len(script) < 300_000
