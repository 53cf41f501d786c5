"""Runs one pickled function in an image and leaves its outcome in the job folder.

This text is the head of every job's script (`payload.script`), so it stands alone: the standard library of
the image's Python, and what the function itself needs. Below `functions/` it leaves
`<task>.<rank>.success.pkl` or `….error.pkl`, each the pickle that submitit expects, or `….checkpoint.py`, the
script of the job that goes on. Exits with 0 for a result or a checkpoint, else with 1.
"""

from __future__ import annotations

import binascii
import os
import pickle
import signal
import sys
import zlib
from types import FrameType
from typing import Any

FOLDER = "functions"
MODULE = "sciserver_functions_environment"
CALL = "\nmain("
"""Where a script's own values begin, at its end."""


class Unfit(Exception):
    """The function cannot run here; the words say why."""


class Announcer:
    """Tells submitit of the job environment, should the function ask for it: by an entry point
    (importlib.metadata) of a distribution that is nowhere on disk."""

    def __init__(self, source: str) -> None:
        self._source = source

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """The import system asks for a module."""
        if name != MODULE:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: object) -> None:
        """An ordinary one."""

    def exec_module(self, module: Any) -> None:
        """Fill it."""
        exec(self._source, module.__dict__)

    def find_distributions(self, context: Any) -> list[Any]:
        """Entry points are asked for."""
        from importlib.metadata import Distribution

        texts = {
            "METADATA": "Metadata-Version: 2.1\nName: sciserver-functions\nVersion: 1\n",
            "entry_points.txt": f"[submitit]\njob_environment = {MODULE}:SciServerJobEnvironment\n",
        }

        class Announced(Distribution):
            def read_text(self, filename: str) -> str | None:
                return texts.get(filename)

            def locate_file(self, path: Any) -> Any:
                raise FileNotFoundError(path)

        return [Announced()] if context.name in (None, "sciserver-functions") else []


def main(job: dict[str, Any], environment: str, calls: str) -> None:
    """Run this task's call of `calls` (see `packed`), as `job` says (a payload.Header)."""
    task = os.environ.get("SLURM_ARRAY_TASK_ID") if job["array"] else None
    sys.meta_path.append(Announcer(environment))
    os.environ |= surroundings(job, task)
    os.makedirs(FOLDER, exist_ok=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # until somebody heeds it
    blob = unpacked(calls)[int(task or 0)]
    if job["ranks"] == 1:
        sys.exit(run(job, blob, f"{task or 0}.0"))
    sys.exit(several(job, blob, task or "0"))


def packed(calls: list[bytes]) -> str:
    """Every task's pickle, as text. What calls share is packed once: by lzma (xz) where it may lie further
    apart than zlib sees, which costs less to import."""
    data = pickle.dumps(calls)
    if len(data) < 1 << zlib.MAX_WBITS:
        return binascii.b2a_base64(zlib.compress(data), newline=False).decode()
    import lzma

    return binascii.b2a_base64(lzma.compress(data, preset=1), newline=False).decode()


def unpacked(text: str) -> list[bytes]:
    """What `packed` made text of."""
    data = binascii.a2b_base64(text)
    if data.startswith(b"\xfd7zXZ"):
        import lzma

        data = lzma.decompress(data)
    else:
        data = zlib.decompress(data)
    calls: list[bytes] = pickle.loads(data)
    return calls


def surroundings(job: dict[str, Any], task: str | None) -> dict[str, str]:
    """The variables that the job environment reads."""
    first = job["job"] or os.environ["SCISERVER_JOB_ID"] + ("" if task is None else f"_{task}")
    array, _, index = first.partition("_")
    of_array = {"SUBMITIT_ARRAY_JOB_ID": array, "SUBMITIT_ARRAY_TASK_ID": index} if index else {}
    return of_array | {
        "SUBMITIT_EXECUTOR": "sciserver",
        "SUBMITIT_FOLDER": os.getcwd(),
        "SUBMITIT_JOB_ID": first,
        "SUBMITIT_NUM_TASKS": str(job["ranks"]),
        "SUBMITIT_NUM_NODES": "1",
        "SUBMITIT_NODE": "0",
        "SUBMITIT_RANK": "0",
    }


def several(job: dict[str, Any], blob: bytes, task: str) -> int:
    """Run the call once for each rank, each with logs of its own; 0 when all end so. Where the first keeps a
    checkpoint, the others end too: all of them begin again from it."""
    pids = [forked(job, blob, task, rank) for rank in range(job["ranks"])]
    heed(lambda *_: os.kill(pids[0], signal.SIGUSR1))
    codes = [os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1])]
    if os.path.exists(f"{FOLDER}/{task}.0.checkpoint.py"):
        for pid in pids[1:]:
            os.kill(pid, signal.SIGKILL)  # none is waited for yet, so none is another's
        return codes[0]
    codes += [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids[1:]]
    return int(any(codes))


def forked(job: dict[str, Any], blob: bytes, task: str, rank: int) -> int:
    """The pid of the process that runs it."""
    pid = os.fork()
    if pid:
        return pid
    stem = f"{task}.{rank}"
    if rank:  # the first one's are the job's own
        for stream, name in ((1, "stdout"), (2, "stderr")):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            os.dup2(os.open(f"{FOLDER}/{stem}.{name}", flags, 0o644), stream)
    os.environ["SUBMITIT_RANK"] = str(rank)
    code = run(job, blob, stem)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(job: dict[str, Any], blob: bytes, stem: str) -> int:
    """Call the function and keep what came of it; the exit code."""
    if job["stderr_to_stdout"]:
        os.dup2(1, 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        call = loaded(job, blob)
        first = job["checkpointable"] and stem.endswith(".0")
        heed(Checkpoint(job, call, stem) if first else signal.SIG_IGN)
        function, args, kwargs = call
        data = pickled(("success", function(*args, **kwargs)))
        outcome = "success"
    except Exception as error:
        told = f"{error}" if isinstance(error, Unfit) else trace()
        print(told, file=sys.stderr)
        outcome, data = "error", pickle.dumps(("error", told))
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    write(f"{FOLDER}/{stem}.{outcome}.pkl", data)
    return 0 if outcome == "success" else 1


def heed(handler: Any) -> None:
    """What becomes of the signal before the time limit, also of one that came already."""
    signal.signal(signal.SIGUSR1, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})


def trace() -> str:
    """Of the exception at hand."""
    import traceback

    return traceback.format_exc()


def loaded(job: dict[str, Any], blob: bytes) -> tuple[Any, Any, Any]:
    """The function and its arguments. Raises Unfit; and whatever loading it may raise."""
    here, there = ("{}.{}".format(*version) for version in (sys.version_info, job["python"]))
    if here != there:
        raise Unfit(
            f"The function was pickled by Python {there}, and this image has Python {here}: such a pickle is "
            "good for its own Python only. "
            f"Choose another image (sciserver_image), or submit with Python {here}."
        )
    try:
        call: tuple[Any, Any, Any] = pickle.loads(blob)
    except ModuleNotFoundError as error:
        if error.name in ("cloudpickle", "submitit"):
            raise Unfit(
                f"This image has no {error.name}, which functions need; choose one that has it "
                "(sciserver_image), as the image python, or ask for it to be added."
            ) from error
        error.add_note(
            f"The image has no module {error.name}. Functions of modules travel by name only: define it in "
            "the script that submits it, or call cloudpickle.register_pickle_by_value(module) before."
        )
        raise
    return call


class Checkpoint:
    """The handler of the signal before the time limit: leave the script of the job that goes on, and end."""

    def __init__(self, job: dict[str, Any], call: tuple[Any, Any, Any], stem: str) -> None:
        self._job, self._call, self._stem = job, call, stem

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raises SystemExit; or RuntimeError, which then is the job's outcome."""
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        function, args, kwargs = self._call
        if self._job["countdown"] < 1:
            raise RuntimeError("The job met its time limit too often (max_num_timeout); it is not continued.")
        checkpoint = getattr(function, "__submitit_checkpoint__", None) or function.checkpoint
        follows = checkpoint(*args, **kwargs)
        if follows is None:
            raise RuntimeError("The job met its time limit, and its checkpoint() wants no further one.")
        call = pickled((follows.function, follows.args, follows.kwargs))
        write(f"{FOLDER}/{self._stem}.checkpoint.py", continued(self._job, call).encode())
        print("Checkpoint kept; the function goes on in another job.")
        sys.stdout.flush()
        sys.exit(0)


def continued(job: dict[str, Any], call: bytes) -> str:
    """This script with another call, for a job that goes by the id of the first one."""
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    place = text.rindex(CALL)
    _, environment, _ = values(text[place:])
    again = job | {"array": False, "job": os.environ["SUBMITIT_JOB_ID"], "countdown": job["countdown"] - 1}
    return text[:place] + tail(again, environment, [call])


def values(tail: str) -> tuple[dict[str, Any], str, str]:
    """The arguments of `main` at a script's end."""
    import ast

    first, second, third = ast.literal_eval(tail.strip().removeprefix("main"))
    return first, second, third


def tail(job: dict[str, Any], environment: str, calls: list[bytes]) -> str:
    """A script's end: the call of `main`, in literals that need one line."""
    return f"{CALL}{job!r}, {environment!r}, {packed(calls)!r})\n"


def pickled(value: object) -> bytes:
    """By cloudpickle where pickle alone cannot: it is slow to import."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:
        import cloudpickle

        data: bytes = cloudpickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        return data


def write(path: str, data: bytes) -> None:
    """Whole or not at all."""
    with open(f"{path}.new", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)
