"""Frames between the agent and those it works for; both ends use this module.

A frame is 4 bytes magic (its last byte is the version), 4 bytes header length, 4 bytes body length
(big-endian), the header (a JSON object, UTF-8, lone surrogates allowed) and the body (raw bytes of a file;
mostly empty).

A conversation is strictly request, answer, request, answer. The first request is `hello`: `{"verb":
"hello", "settings": {…}}` (see `settings`), answered by `{"uid", "username", "pid"}`. Every other request
is `{"verb": …, …arguments}` (see `verbs`). An answer is `{"ok": …}`, or `{"error": reason, "message":
sentence}`.
"""

from __future__ import annotations

import json
import socket
import struct
import time

MAGIC = b"SHA\x01"
HEADER_MAX = 64 << 20
BODY_MAX = 4 << 20
JOBS_MAX = 64
"""Most jobs in one `submit`."""

SUBMIT_MAX = 32 << 20
"""Bytes of JSON after which a client starts another `submit` frame."""

_PREFIX = struct.Struct("!4sII")
_CHUNK = 1 << 20


class Broken(Exception):
    """The other side went away in the middle, or does not speak this protocol."""


def encode(header: dict[str, object], body: bytes = b"") -> bytes:
    """One frame.

    Raises Broken when it is larger than the other side would take.
    """
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if len(text) > HEADER_MAX or len(body) > BODY_MAX:
        raise Broken("the message is too large")
    return _PREFIX.pack(MAGIC, len(text), len(body)) + text + body


def receive(peer: socket.socket, deadline: float | None = None) -> tuple[dict[str, object], bytes] | None:
    """The next frame; None when the other side closed between frames.

    `deadline`: of `time.monotonic()`. Raises Broken, TimeoutError, OSError.
    """
    prefix = _exactly(peer, _PREFIX.size, deadline, may_end=True)
    if not prefix:
        return None
    magic, header_size, body_size = _PREFIX.unpack(prefix)
    if magic != MAGIC or header_size > HEADER_MAX or body_size > BODY_MAX:
        raise Broken("not a frame of this protocol version")
    header = _decode(_exactly(peer, header_size, deadline))
    return header, bytes(_exactly(peer, body_size, deadline))


def _decode(text: bytearray) -> dict[str, object]:
    try:
        header = json.loads(text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise Broken("the header is not JSON") from error
    if not isinstance(header, dict):
        raise Broken("the header is not a JSON object")
    return header


def _exactly(peer: socket.socket, size: int, deadline: float | None, may_end: bool = False) -> bytearray:
    data = bytearray()
    while len(data) < size:
        if deadline is not None:
            peer.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = peer.recv(min(size - len(data), _CHUNK))
        if not chunk and may_end and not data:
            return data
        if not chunk:
            raise Broken("the connection ended in the middle of a frame")
        data += chunk
    return data
