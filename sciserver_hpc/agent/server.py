"""Answering on the listening socket that is file descriptor 0, one thread per connection, until idle."""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import struct
import sys
import threading
import time
from contextlib import suppress

from . import protocol, verbs
from .problems import Problem
from .settings import Settings

CONNECTIONS_MAX = 64
HELLO_S = 60.0
"""Seconds to wait for the first client before the agent ends again."""

_CREDENTIALS = struct.Struct("3i")


def main() -> int:
    """Serve; the exit status says 2 when this process must not be an agent."""
    try:
        allowed = allowed_uid(os.environ, os.getuid())
        listener = _listener()
    except Problem as problem:
        print(f"sciserver agent: {problem}", file=sys.stderr)
        return 2
    _settle()
    server = Server(listener, allowed)
    signal.signal(signal.SIGTERM, lambda *_: server.quit())
    server.serve()
    return 0


def allowed_uid(environ: os._Environ[str] | dict[str, str], own_uid: int) -> int:
    """Which uid may talk to this agent: who ran sudo (sudo sets SUDO_UID), else its own.

    Raises Problem when sudo made it root: an agent acts for people.
    """
    caller = environ.get("SUDO_UID", "")
    if not caller:
        return own_uid
    if own_uid == 0 or not caller.isdecimal():
        raise Problem("refused", "an agent never runs as root")
    return int(caller)


def _listener() -> socket.socket:
    if not stat.S_ISSOCK(os.fstat(0).st_mode):
        raise Problem("invalid", "file descriptor 0 is no socket; the portal starts this program, not people")
    listener = socket.socket(fileno=os.dup(0))
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise Problem("invalid", "file descriptor 0 is not a listening socket")
    return listener


def _settle() -> None:
    """Let go of everything of the parent's: terminal, streams, directory, file mode mask."""
    os.umask(0o077)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


class Server:
    """Accepts connections of one uid and answers them until nobody asked for `idle_s`, or told to quit."""

    def __init__(self, listener: socket.socket, allowed: int) -> None:
        self._listener = listener
        self._allowed = allowed
        self._changed = threading.Condition()
        self._connections = 0
        self._busy = 0
        self._last = time.monotonic()
        self._idle_s = HELLO_S
        self._quitting = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._poll.register(listener, select.POLLIN)
        listener.setblocking(False)

    def serve(self) -> None:
        """Return when idle or told to quit, after the last answer under way."""
        while (wait := self._wait_s()) > 0:
            if not self._has_room(wait):
                continue
            if self._somebody_comes(wait):
                with suppress(OSError):  # they may have gone again
                    self._welcome(self._listener.accept()[0])
        self._listener.close()
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0)

    def quit(self) -> None:
        """End after the answers under way; new connections are refused from now on."""
        self._quitting = True
        os.eventfd_write(self._wake, 1)

    def _wait_s(self) -> float:
        """Seconds to wait for a connection before looking again whether it is time to end; 0: it is."""
        with self._changed:
            if self._quitting:
                return 0.0
            left = self._idle_s - (time.monotonic() - self._last)
            return 5.0 if self._busy else min(left, 5.0)

    def _somebody_comes(self, wait: float) -> bool:
        """Wait for a connection, at most `wait` seconds, or until told to quit."""
        ready = dict(self._poll.poll(wait * 1000))
        return self._listener.fileno() in ready and not self._quitting

    def _has_room(self, wait: float) -> bool:
        """Wait until fewer than CONNECTIONS_MAX are open; those who connect meanwhile wait in the backlog."""
        with self._changed:
            return self._changed.wait_for(lambda: self._connections < CONNECTIONS_MAX, wait)

    def _welcome(self, peer: socket.socket) -> None:
        if not self._may_talk(peer):
            peer.close()
            return
        with self._changed:
            self._connections += 1
        threading.Thread(target=self._attend, args=(peer,), daemon=True).start()

    def _may_talk(self, peer: socket.socket) -> bool:
        raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return bool(_CREDENTIALS.unpack(raw)[1] == self._allowed)

    def _attend(self, peer: socket.socket) -> None:
        try:
            with peer:
                self._converse(peer)
        except (OSError, protocol.Broken):
            return  # the other side is gone, or speaks something else: nobody to tell
        finally:
            with self._changed:
                self._connections -= 1
                self._changed.notify_all()

    def _converse(self, peer: socket.socket) -> None:
        settings: Settings | None = None
        while frame := protocol.receive(peer):
            request, _ = frame
            self._begin()
            try:
                settings, header, body = self._answer(settings, request)
                peer.sendall(protocol.encode(header, body))
            finally:
                self._end()

    def _answer(
        self, settings: Settings | None, request: dict[str, object]
    ) -> tuple[Settings | None, dict[str, object], bytes]:
        if request.get("verb") == "hello":
            return self._greet(request)
        if settings is None:
            return None, {"error": "invalid", "message": "the first request is hello"}, b""
        if request.get("verb") == "quit":
            self.quit()
            return settings, {"ok": None}, b""
        header, body = verbs.answer(settings, request)
        return settings, header, body

    def _greet(self, request: dict[str, object]) -> tuple[Settings | None, dict[str, object], bytes]:
        given = request.get("settings")
        try:
            settings = Settings(given if isinstance(given, dict) else {})
        except Problem as problem:
            return None, {"error": problem.reason, "message": str(problem)}, b""
        header, body = verbs.answer(settings, request)
        if "error" in header:
            self.quit()
            return None, header, body
        self._idle_s = settings.idle_s
        return settings, header, body

    def _begin(self) -> None:
        with self._changed:
            self._busy += 1

    def _end(self) -> None:
        with self._changed:
            self._busy -= 1
            self._last = time.monotonic()
            self._changed.notify_all()
