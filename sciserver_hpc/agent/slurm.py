"""sbatch and scancel as the user, and what their answers mean.

A lost answer is no rejection: sbatch exits 1 with "Socket timed out" although the job was queued. So only
words known to come from before the message was sent, or from the controller itself, count as "not queued";
every doubt is `unknown`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from .environment import for_slurm
from .problems import Problem
from .settings import Settings

WORDS_MAX = 1000

_NEVER_SENT = re.compile(
    r"Unable to contact slurm controller \(connect failure\)"
    r"|auth_g_create: REQUEST_SUBMIT_BATCH_JOB|Unable to process configuration file",
    re.IGNORECASE,
)
_SAID_THEN = re.compile(
    r"^.*(?:connect failure\)|Munge encode failed|authentication error).*$", re.M | re.IGNORECASE
)
"""What sbatch also says in these cases; no doubt then."""

_DOUBT = re.compile(
    r"timed out|Zero Bytes|Unable to contact|send failure|receive failure|shutdown failure"
    r"|Connection (?:reset|refused|aborted|closed)|Broken pipe|No route to host|unreachable"
    r"|Message (?:send|receive) failure|Communication|Unexpected message|Header lengths|Insane message"
    r"|standby mode|Transport endpoint|temporarily unavailable|authentication|Unspecified error"
    r"|Interrupted system call|Bad file descriptor|Input/output error",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"Invalid job id|already completing or completed|already finished|not found", re.IGNORECASE
)
_DENIED = re.compile(r"Access/permission denied", re.IGNORECASE)
_JOB_ID = re.compile(r"(\d{1,18})(?:;\S+)?\Z")
_PREFIX = re.compile(r"^(?:sbatch|scancel): (?:error: |fatal: )?", re.MULTILINE)
_CANCEL_CHUNK = 500


class Ended:
    """How a program ended: `code` is None when it could not be started, negative for a signal or our
    timeout."""

    __slots__ = ("code", "err", "out")

    def __init__(self, code: int | None, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def words(self) -> str:
        """What it said, without the program's name before each line."""
        return _PREFIX.sub("", self.err.strip())[:WORDS_MAX]


def run(settings: Settings, program: str, arguments: Sequence[str], script: str = "") -> Ended:
    """Run a Slurm command with `script` on standard input.

    Raises Problem unavailable while the user has no account here.
    """
    environment = for_slurm(settings.slurm_conf)
    argv = [f"{settings.bin_dir}/{program}", *arguments]
    try:
        done = subprocess.run(
            argv,
            input=script.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env=environment,
            timeout=settings.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ended(-1, "", f"{program} timed out after {settings.timeout_s:.0f} s")
    except (OSError, ValueError) as error:
        return Ended(None, "", f"{program} could not be started: {error}")
    return Ended(done.returncode, _text(done.stdout), _text(done.stderr))


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()


def verdict(ended: Ended) -> tuple[str, int | None]:
    """What became of a job by the way sbatch ended: (verdict, Slurm's job id where accepted)."""
    if ended.code is None:
        return "not_tried", None
    match = _JOB_ID.match(ended.out)
    if ended.code == 0:
        return ("accepted", int(match[1])) if match else ("unknown", None)
    if ended.code < 0 or ended.out or not ended.err:
        return "unknown", None
    never_sent = _NEVER_SENT.search(ended.err) is not None
    if _DOUBT.search(_SAID_THEN.sub("", ended.err) if never_sent else ended.err):
        return "unknown", None
    return ("not_tried" if never_sent else "rejected"), None


_IN_FOLDER = "--export-file="
"""sbatch opens this file at once; a job that is only asked about has no folder to hold it."""


def check_options(options: Sequence[object]) -> list[str]:
    """The options as sbatch arguments.

    Raises Problem invalid for anything that is not `--name` or `--name=value`.
    """
    for option in options:
        if not isinstance(option, str) or not re.match(r"--[a-z]", option) or "\0" in option:
            raise Problem("invalid", f"not an sbatch option: {str(option)[:100]!r}")
    return [str(option) for option in options]


def sbatch(settings: Settings, options: Sequence[object], script: str) -> tuple[str, int | None, str]:
    """Submit: (verdict, Slurm's job id, Slurm's words).

    Raises Problem.
    """
    ended = run(settings, "sbatch", ["--parsable", *check_options(options)], script)
    said, slurm_id = verdict(ended)
    return said, slurm_id, "" if said == "accepted" else ended.words or "sbatch said nothing that can be read"


def test_only(settings: Settings, options: Sequence[object], script: str) -> str:
    """Slurm's words on when and where the job would start.

    Raises Problem refused with Slurm's words, unavailable.
    """
    asked = [option for option in check_options(options) if not option.startswith(_IN_FOLDER)]
    ended = run(settings, "sbatch", ["--test-only", *asked], script)
    if ended.code == 0:
        return ended.words or ended.out[:WORDS_MAX]
    said, _ = verdict(ended)
    raise Problem("refused" if said == "rejected" else "unavailable", ended.words or "sbatch gave no answer")


def cancel(settings: Settings, slurm_ids: Sequence[int]) -> None:
    """Scancel; ids that are over are no error.

    Raises Problem unavailable, denied, failed.
    """
    numbers = [str(int(slurm_id)) for slurm_id in slurm_ids]
    for start in range(0, len(numbers), _CANCEL_CHUNK):
        _judge_cancel(run(settings, "scancel", numbers[start : start + _CANCEL_CHUNK]))


def _judge_cancel(ended: Ended) -> None:
    if ended.code == 0:
        return
    words = "\n".join(line for line in ended.words.splitlines() if not _OVER.search(line))
    if ended.code is None or ended.code < 0 or _DOUBT.search(words):
        raise Problem("unavailable", words or "scancel gave no answer")
    if _DENIED.search(words):
        raise Problem("denied", words)
    if words:
        raise Problem("failed", words)
