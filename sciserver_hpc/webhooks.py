"""Signed posts to addresses people name, which must lead nobody into the site's own networks.

A name is looked up once, every address it leads to is judged, and the connection goes to one of these very
addresses: an answer of DNS that changes in between changes nothing. TLS checks the name all the same. No
redirect is followed, no proxy asked, and one deadline holds for the whole exchange, which `requests` cannot
keep: its time-outs begin anew with every byte. Hence `http.client` over a socket of our own.

The look-up itself is the system resolver's, with its own limit (resolv.conf(5): `timeout`, `attempts`).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from .domain.errors import Refused, Unavailable
from .domain.notifications import IPAddress, IPNetwork, Notification, body, may_reach, port_of, url_problem

MOST_READ = 65_536
"""Bytes of an answer that are read at most; nothing is done with them."""

Resolve = Callable[[str, int], list[str]]
"""The addresses of a host, as text. Raises OSError."""


@dataclass(frozen=True)
class Reach:
    """Where posts may go; see settings.WebhooksSettings. timeout_s: for one post, all in all."""

    allow_http: bool = False
    networks: tuple[IPNetwork, ...] = ()
    ca_file: Path | None = None
    timeout_s: float = 10


def resolved(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """`sha256=` and the HMAC of timestamp, a dot and the body, hex."""
    mac = hmac.new(secret.encode(), timestamp.encode() + b"." + content, hashlib.sha256)
    return f"sha256={mac.hexdigest()}"


class Webhooks:
    """`ports.Poster`."""

    def __init__(
        self, reach: Reach, resolve: Resolve = resolved, wall: Callable[[], float] = time.time
    ) -> None:
        self._reach = reach
        self._resolve = resolve
        self._wall = wall

    def problem(self, url: str) -> str:
        """See `ports.Poster`."""
        return url_problem(url, allow_http=self._reach.allow_http, allowed=self._reach.networks)

    def post(self, url: str, secret: str, notification: Notification) -> None:
        """See `ports.Poster`."""
        if problem := self.problem(url):
            raise Refused({"webhook": problem})
        content, timestamp = body(notification), str(int(self._wall()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "sciserver-hpc",
            "X-Sciserver-Id": notification.ident,
            "X-Sciserver-Timestamp": timestamp,
            "X-Sciserver-Signature": signature(secret, timestamp, content),
        }
        deadline = time.monotonic() + self._reach.timeout_s
        try:
            status = self._exchange(urlsplit(url), content, headers, deadline)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise Unavailable("webhook", _words(error)) from error
        if not 200 <= status < 300:
            hint = "; redirects are not followed" if 300 <= status < 400 else ""
            raise Unavailable("webhook", f"it answers {status}{hint}")

    def _exchange(self, parts: SplitResult, content: bytes, headers: dict[str, str], deadline: float) -> int:
        """The answer's status. Raises Refused, OSError, HTTPException."""
        host, port = parts.hostname or "", port_of(parts)
        with closing(self._connect(host, port, deadline)) as plain:
            tls = parts.scheme == "https"
            plain.settimeout(_left(deadline))
            # The name is checked against the certificate, though the address was chosen by us.
            line = self._context().wrap_socket(plain, server_hostname=host) if tls else plain
            with closing(line):
                kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
                connection = kind(host, port)
                connection.sock = _Limited(line, deadline)
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("POST", target, content, headers)
                answer = connection.getresponse()
                # The status says whether it was taken; what follows is heard out, not waited for.
                with suppress(OSError, http.client.HTTPException):
                    answer.read(MOST_READ)
                return answer.status

    def _connect(self, host: str, port: int, deadline: float) -> socket.socket:
        problem: OSError = TimeoutError("timed out")
        for address in self._addresses(host, port):
            try:
                return socket.create_connection((str(address), port), _left(deadline))
            except OSError as error:
                problem = error
        raise problem

    def _addresses(self, host: str, port: int) -> list[IPAddress]:
        """All of them may be reached, or none is: a mixed answer is somebody's trick, or soon will be."""
        found = [ipaddress.ip_address(address) for address in self._resolve(host, port)]
        if not found:
            raise OSError(f"{host} has no address")
        for address in found:
            if not may_reach(address, self._reach.networks):
                # Not to which: the site's own names are not for everybody to look up.
                raise Refused({"webhook": f"{host} leads to no public address"})
        return found

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._reach.ca_file)


class _Limited:
    """A socket, as http.client needs one, on which nothing goes on after `deadline`."""

    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._line = line
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        """Send it all."""
        self._line.settimeout(_left(self._deadline))
        self._line.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What is read from."""
        return io.BufferedReader(_Incoming(self._line, self._deadline))

    def close(self) -> None:
        """Who opened the socket closes it: http.client does so before it reads."""


class _Incoming(io.RawIOBase):
    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._line = line
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._line.settimeout(_left(self._deadline))
        return self._line.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _words(error: Exception) -> str:
    """Few of them: they are shown to who named the address."""
    if isinstance(error, TimeoutError):
        return "no whole answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "TLS fails"
    if isinstance(error, socket.gaierror):
        return "its name leads nowhere"
    if isinstance(error, OSError):
        return f"no connection ({error.strerror or error})"
    return "its answer is no HTTP"
