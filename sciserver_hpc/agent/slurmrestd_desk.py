"""One slurmrestd at the end of two pipes: a request, its answer, the next request."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from contextlib import suppress

from .environment import for_slurm
from .settings import Settings
from .tether import command

ANSWER_MAX = 4 << 20
_WORDS_MAX = 4000
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
_LENGTH = re.compile(rb"^Content-Length: *(\d{1,9})\r$", re.IGNORECASE | re.MULTILINE)
_ERROR = re.compile(r"^slurmrestd: (?:error|fatal): (?!_op_handler)(.*)$", re.MULTILINE)


class NotTaken(Exception):
    """It did not get the whole request, so it did nothing."""


class NoAnswer(Exception):
    """It got the request, and no answer can be read: it may have done it."""


class Desk:
    """A running slurmrestd of `bin_dir`, or of `sbin` beside it. Not for several threads at once.

    It ends with the thread that made it.

    Raises OSError when it cannot be started, Problem unavailable while the user has no account here.
    """

    def __init__(self, settings: Settings, version: str) -> None:
        self._process = subprocess.Popen(
            command([_program(settings.bin_dir), "-s", f"openapi/{version}", "-a", "rest_auth/local"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=for_slurm(settings.slurm_conf),
        )
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._in, self._out, self._err = (stream.fileno() for stream in streams if stream)
        os.set_blocking(self._in, False)
        os.set_blocking(self._err, False)
        self._words = ""
        self._closing = False

    def ask(self, method: str, path: str, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises NotTaken, NoAnswer; then it is no longer good for anything.
        """
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        deadline = time.monotonic() + timeout_s
        self._send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, deadline)
        return self._receive(deadline, f"slurmrestd gave no answer in {timeout_s:.0f} s")

    def is_free(self) -> bool:
        """Is it there, not about to end, with nothing unasked to say?"""
        if self._closing or self._process.poll() is not None:
            return False
        return not _ready(self._out, select.POLLIN, time.monotonic())

    def errors(self) -> str:
        """What it said of errors since this was asked last."""
        self._listen()
        words, self._words = self._words, ""
        return "\n".join(_ERROR.findall(words))[:_WORDS_MAX]

    def last_words(self) -> str:
        """End it, and return why it does not serve; "" when it said nothing of that."""
        self.end()
        return self._words

    def end(self) -> None:
        """Kill it, and wait: whoever waits for its answer knows that there will be none."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        self._process.kill()
        self._process.wait()
        self._words = self.errors()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _send(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            if not _ready(self._in, select.POLLOUT, deadline):
                raise NotTaken("slurmrestd does not take the job")
            try:
                left = left[os.write(self._in, left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise NotTaken("slurmrestd is gone") from error

    def _receive(self, deadline: float, late: str) -> tuple[int, bytes]:
        data = bytearray()
        while (answer := parsed(data)) is None:
            if not _ready(self._out, select.POLLIN, deadline):
                raise NoAnswer(late)
            chunk = os.read(self._out, 1 << 16)
            if not chunk or len(data) > ANSWER_MAX:
                raise NoAnswer("slurmrestd ended without an answer that can be read")
            data += chunk
        self._closing = answer[0] != 200  # slurmrestd ends after anything else
        self._listen()
        return answer

    def _listen(self) -> None:
        """Empty the pipe of its standard error, before it is full and it waits for that."""
        with suppress(BlockingIOError):
            while chunk := os.read(self._err, 1 << 16):
                self._words = (self._words + chunk.decode("utf-8", "replace"))[-_WORDS_MAX:]


def parsed(data: bytes | bytearray) -> tuple[int, bytes] | None:
    """Status and body of an HTTP answer; None while it may not be whole.

    Raises NoAnswer for what can be none.
    """
    head = _HEAD.match(data)
    if head is None:
        if b"\r\n\r\n" in data:
            raise NoAnswer("slurmrestd's answer cannot be read")
        return None
    length = _LENGTH.search(head[2])
    if length is None or len(data) - head.end() > int(length[1]):
        raise NoAnswer("slurmrestd's answer cannot be read")
    body = bytes(data[head.end() :])
    return (int(head[1]), body) if len(body) == int(length[1]) else None


def _ready(descriptor: int, event: int, deadline: float) -> bool:
    """Wait until something can be read or written, or the other end is gone; False when that takes too
    long."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _program(bin_dir: str) -> str:
    """Packages put it among the daemons."""
    beside = f"{os.path.dirname(bin_dir)}/sbin/slurmrestd"
    own = f"{bin_dir}/slurmrestd"
    return beside if not os.path.exists(own) and os.path.exists(beside) else own
