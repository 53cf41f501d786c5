"""The port `Gates` over TLS: one JSON line to a session's gate, and one back."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from .domain.errors import Unavailable
from .domain.gates import BROKER, GateStatus, gate_name
from .domain.model import Model

LIMIT_S = 5.0
"""For one question, from connecting to the last byte."""

ANSWER_MAX = 64 << 10
"""Bytes of an answer."""

M = TypeVar("M", bound=Model)


class _Closed(Model):
    closed: int = Field(ge=0, le=1_000_000)


class _Done(Model):
    pass


class TlsGates:
    """`directory`: that of the sessions' certificate authority. Raises OSError when its files cannot be
    read."""

    def __init__(self, directory: Path) -> None:
        self._context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(directory / f"{BROKER}.pem", directory / f"{BROKER}.key")

    def status(self, address: str, uuid: str) -> GateStatus:
        """As the port says; what calls itself another session is unavailable."""
        found = self._ask(address, uuid, {"do": "status"}, GateStatus)
        if found.uuid != uuid:
            raise Unavailable("gate", "it answers for another session")
        return found

    def close(self, address: str, uuid: str, passes: Sequence[int]) -> int:
        """As the port says."""
        return self._ask(address, uuid, {"do": "close", "passes": list(passes)}, _Closed).closed

    def stop(self, address: str, uuid: str, cause: str) -> None:
        """As the port says."""
        self._ask(address, uuid, {"do": "stop", "cause": cause}, _Done)

    def _ask(self, address: str, uuid: str, question: dict[str, object], kind: type[M]) -> M:
        try:
            line = self._exchange(address, uuid, json.dumps(question).encode() + b"\n")
            return kind.model_validate_json(line)
        except ValidationError as error:
            raise Unavailable("gate", "its answer cannot be read") from error
        except (OSError, ValueError) as error:
            raise Unavailable("gate", str(error)[:200] or type(error).__name__) from error

    def _exchange(self, address: str, uuid: str, line: bytes) -> bytes:
        """Raises OSError, ValueError."""
        until = time.monotonic() + LIMIT_S
        host, _, port = address.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), LIMIT_S) as plain:
            _left(plain, until)
            with self._context.wrap_socket(plain, server_hostname=gate_name(uuid)) as gate:
                return _talk(gate, line, until)


def _talk(gate: ssl.SSLSocket, line: bytes, until: float) -> bytes:
    answer = b""
    _left(gate, until).sendall(line)
    while not answer.endswith(b"\n"):
        data = _left(gate, until).recv(ANSWER_MAX)
        answer += data
        if not data or len(answer) > ANSWER_MAX:
            raise OSError("its answer has no end")
    return answer


def _left(peer: socket.socket, until: float) -> socket.socket:
    """The socket, which waits until then at most. Raises TimeoutError when that is over."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("it did not answer in time")
    peer.settimeout(seconds)
    return peer
