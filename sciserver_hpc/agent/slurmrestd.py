"""Handing jobs over through a slurmrestd of the user's own, which stays, in place of an sbatch for each.

It runs in its inetd mode (slurmrestd(8)): requests go in by a pipe and answers come out by another. So there
is no address that anybody else could connect to; it ends when the agent does, however that ends (`tether`).
One such process (`slurmrestd_desk`) answers one request after the other; up to DESKS of them are kept.

What sbatch's words mean, slurmrestd's mean too (see `slurm`): only that counts as not queued which was never
sent, or which the controller refused with a number of its own.
"""

from __future__ import annotations

import atexit
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from . import job_properties, slurm
from .settings import Settings
from .slurmrestd_desk import Desk, NoAnswer, NotTaken

DESKS = 4
"""Processes at once; each has about 7 MB."""

SHUT_S = 60.0
"""After a slurmrestd could not be started, jobs go by sbatch for so long."""

VERSION = "v0.0.38"
_SUBMIT = f"/slurm/{VERSION}/job/submit"
_PAGES = "/openapi/v3"
"""Lists what can be asked for; answering it needs no controller."""

_UNREAD = frozenset({9000, 9001, 9002})
"""ESLURM_REST_*: it made no job of our request, and sent nothing."""

_PASSING = frozenset({2007, 2016})
"""ESLURM_ERROR_ON_DESC_TO_RECORD_COPY, ESLURM_NODES_BUSY: what sbatch waits and tries again for."""

_OF_CONTROLLER = (range(2000, 5000), range(7000, 9000))
"""Numbers (slurm_errno.h) of refusals; those around them tell of messages that were lost."""

Verdict = tuple[str, int | None, str]
"""(verdict, Slurm's job id, Slurm's words)."""


class Shut(Exception):
    """No slurmrestd can be started; the message says why."""


class Busy(Exception):
    """No process had time for the job."""


def submit(settings: Settings, options: list[str], script: str, files: dict[str, str]) -> Verdict | None:
    """Submit a job; None when nothing was sent and sbatch has to do it.

    `files`: texts by absolute path. Raises Problem unavailable.
    """
    body = job_properties.request(VERSION, options, script, files, job_properties.submitter())
    return None if body is None else _door(settings).submit(body)


def problem(settings: Settings) -> str:
    """Why jobs go by sbatch although they should not; "" when they do not.

    Raises Problem unavailable.
    """
    try:
        with _door(settings).desk(time.monotonic() + settings.timeout_s):
            return ""
    except Busy:
        return ""
    except Shut as error:
        return str(error)


class Door:
    """Up to DESKS processes, shared by all threads of this agent."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._changed = threading.Condition()
        self._starter = ThreadPoolExecutor(1)  # its thread stays, and desks end with it
        self._idle: list[Desk] = []
        self._taken = 0
        self._shut = ""
        self._shut_until = 0.0

    def submit(self, body: bytes) -> Verdict | None:
        """As `submit` above; a process that is gone before it got the job is followed by another."""
        for _ in range(2):
            try:
                with self.desk(time.monotonic() + self._settings.timeout_s) as desk:
                    status, answer = desk.ask("POST", _SUBMIT, body, self._settings.timeout_s)
                    return judged(status, answer, desk.errors())
            except NotTaken:
                continue
            except NoAnswer as error:
                return "unknown", None, str(error)
            except Busy as error:
                return "not_tried", None, str(error)
            except Shut:
                return None
        return None

    def close(self) -> None:
        """End those that are idle, and wait for them: nobody else may."""
        with self._changed:
            idle, self._idle = self._idle, []
        for desk in idle:
            desk.end()

    @contextmanager
    def desk(self, deadline: float) -> Iterator[Desk]:
        """A process for one request; ended when the block is left by an exception, or it said it ends.

        Raises Shut, Busy.
        """
        desk, kept = self._take(deadline), False
        try:
            yield desk
            kept = desk.is_free()
        finally:
            if not kept:
                desk.end()
            with self._changed:
                self._taken -= 1
                self._idle += [desk] if kept else []
                self._changed.notify()

    def _take(self, deadline: float) -> Desk:
        with self._changed:
            if not self._changed.wait_for(lambda: self._taken < DESKS, deadline - time.monotonic()):
                raise Busy("slurmrestd is busy with other jobs")
            self._taken += 1
            gone = [desk for desk in self._idle if not desk.is_free()]
            self._idle = [desk for desk in self._idle if desk not in gone]
            found = self._idle.pop() if self._idle else None
        for desk in gone:
            desk.end()
        try:
            return found or self._started(deadline)
        except BaseException:
            with self._changed:
                self._taken -= 1
                self._changed.notify()
            raise

    def _started(self, deadline: float) -> Desk:
        if time.monotonic() < self._shut_until:
            raise Shut(self._shut)
        desk: Desk | None = None
        try:
            desk = self._starter.submit(Desk, self._settings, VERSION).result()
            status, pages = desk.ask("GET", _PAGES, b"", max(0.001, deadline - time.monotonic()))
            if status != 200 or _SUBMIT not in json.loads(pages)["paths"]:
                raise NoAnswer(f"slurmrestd does not speak {VERSION}")
            desk.errors()
            return desk
        except (OSError, NotTaken, NoAnswer, ValueError, LookupError, TypeError) as error:
            self._shut = desk.last_words() if desk else f"slurmrestd could not be started: {error}"
            self._shut = self._shut or str(error)
            self._shut_until = time.monotonic() + SHUT_S
            raise Shut(self._shut) from error


_doors: dict[tuple[str, str], Door] = {}
_lock = threading.Lock()


def _door(settings: Settings) -> Door:
    """The door for these settings: agents of one user serve several connections."""
    key = settings.bin_dir, settings.slurm_conf
    with _lock:
        if key not in _doors:
            _doors[key] = Door(settings)
            atexit.register(_doors[key].close)
        return _doors[key]


def judged(status: int, body: bytes, said: str) -> Verdict | None:
    """What an answer to a job means; None: nothing was sent, sbatch will find the words for it.

    `said`: what slurmrestd said of errors meanwhile, a line each.
    """
    try:
        answer = json.loads(body)
        slurm_id, errors = answer.get("job_id"), answer["errors"]
        if status == 200 and type(slurm_id) is int and slurm_id > 0:
            return "accepted", slurm_id, ""  # errors beside it tell why it waits
        code, words = errors[-1]["error_code"], errors[-1]["error"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "unknown", None, "slurmrestd said nothing that can be read"
    if type(code) is not int or not isinstance(words, str) or slurm_id is not None:
        return "unknown", None, "slurmrestd said nothing that can be read"
    if status == 400 and code in _UNREAD:
        return None
    ended = slurm.Ended(1, "", f"{said}\nBatch job submission failed: {words}".strip())
    verdict, _ = slurm.verdict(ended)
    if code in _PASSING:
        verdict = "not_tried"
    elif verdict == "rejected" and not any(code in numbers for numbers in _OF_CONTROLLER):
        verdict = "unknown"
    return verdict, None, ended.words
