"""One connection to an agent: a request, its answer, the next request."""

from __future__ import annotations

import socket
import time

from ..agent import protocol
from ..domain.errors import AgentError, Refused, SciServerError, Unavailable

_AGENT_REASONS = {"not_found", "denied", "no_space", "too_large", "invalid", "unsupported", "failed"}
_MESSAGE_MAX = 2000


class NotSent(Exception):
    """The agent certainly did not get the whole request: it may be sent again."""


class Unreachable(NotSent):
    """No connection can be had; an attempt to start the agent has just failed."""


class Lost(Exception):
    """The request was sent, and no answer can be read: the agent may have done it."""

    def __init__(self, message: str, timed_out: bool = False) -> None:
        self.timed_out = timed_out
        super().__init__(message)


class Connection:
    """Not for several threads at once."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self.used_at = time.monotonic()

    def close(self) -> None:
        """Hang up."""
        self._peer.close()

    def is_quiet(self) -> bool:
        """Is the other side there, with nothing unasked to say?"""
        self._peer.setblocking(False)
        try:
            self._peer.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def call(self, request: dict[str, object], timeout_s: float) -> tuple[object, bytes]:
        """The answer's value and body.

        Raises NotSent, Lost, and what `error_of` makes of a refusal.
        """
        answer, body = self._exchange(request, time.monotonic() + timeout_s)
        self.used_at = time.monotonic()
        if "error" in answer:
            raise error_of(str(answer["error"]), str(answer.get("message", "")))
        if "ok" not in answer:
            raise Lost("the answer is none")
        return answer["ok"], body

    def _exchange(self, request: dict[str, object], deadline: float) -> tuple[dict[str, object], bytes]:
        try:
            self._peer.settimeout(max(0.001, deadline - time.monotonic()))
            self._peer.sendall(protocol.encode(request))
        except (OSError, protocol.Broken) as error:
            raise NotSent(str(error)) from error
        try:
            frame = protocol.receive(self._peer, deadline)
        except TimeoutError as error:
            raise Lost("no answer in time", timed_out=True) from error
        except (OSError, protocol.Broken) as error:
            raise Lost(str(error)) from error
        if frame is None:
            raise Lost("the agent ended")
        return frame


def error_of(reason: str, message: str) -> SciServerError:
    """The house's error for an agent's refusal."""
    text = "".join(c if c.isprintable() or c == "\n" else "?" for c in message[:_MESSAGE_MAX])
    if reason == "refused":
        return Refused({"job": text})
    if reason == "unavailable":
        return Unavailable("slurm", text)
    return AgentError(reason if reason in _AGENT_REASONS else "failed", text)
