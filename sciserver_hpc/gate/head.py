"""The head of a request: read strictly, so that the app cannot read it in another way, and written anew.

RFC 9112 says what a head is. What it lets a recipient mend (a lone LF, folded lines, white space before the
colon) is refused here: two readers that mend differently are how requests are smuggled.
"""

from __future__ import annotations

HEAD_MAX = 64 << 10
"""Bytes of a head."""

PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
"""What a header's name may hold. To many apps `_` and other characters read as `-`: a header with such a
name is left out, as nginx does (underscores_in_headers, ignore_invalid_headers)."""

END_OF_HEAD = b"\r\n\r\n"
_PASS, _MODE = b"x-sciserver-pass", b"x-sciserver-mode"
_TOKEN = PLAIN + b"!#$%&'*+.^_`|~"
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte != 9)
_HOP = frozenset([b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"])
_DIGITS = b"0123456789"
_LENGTH_DIGITS = 15
_PASS_DIGITS = 18

Field = tuple[bytes, bytes, bytes]
"""A header: its name in small letters, its name, its value."""


class RefusedRequest(Exception):
    """The request goes no further; `status` is the answer's, the message a sentence."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


class Names:
    """What a head loses and gains. Raises ValueError when a header is to be put in twice."""

    __slots__ = ("_cookies", "_inject", "_lost")

    def __init__(self, inject: list[tuple[bytes, bytes]], drop_cookies: list[bytes]) -> None:
        lost = {name.lower() for name, _ in inject}
        if len(lost) != len(inject) or lost & {_PASS, _MODE, b"content-length", b"transfer-encoding", *_HOP}:
            raise ValueError("a header is to be put in twice, or is the gate's own")
        self._lost = lost | {_PASS, _MODE} | _HOP
        self._inject = inject
        self._cookies = {name.lower() for name in drop_cookies}

    def injected(self) -> list[bytes]:
        """The lines put in."""
        return [name + b": " + value for name, value in self._inject]

    def kept(self, fields: list[Field]) -> list[bytes]:
        """The lines of those headers that the app may see."""
        lines = []
        for name, shown, value in fields:
            if name in self._lost:
                continue
            rest = self._without_cookies(value) if name == b"cookie" else value
            if rest or not value:
                lines.append(shown + b": " + rest)
        return lines

    def _without_cookies(self, value: bytes) -> bytes:
        cookies = [cookie.strip() for cookie in value.split(b";")]
        kept = [
            cookie for cookie in cookies if cookie.partition(b"=")[0].strip().lower() not in self._cookies
        ]
        return b"; ".join(kept)


class Head:
    """A request's head. Raises RefusedRequest.

    pass_id, mode: whose it is and to which socket it goes; upgrade: it asks for a WebSocket; length: of its
    body, None where that comes in chunks.
    """

    __slots__ = ("_fields", "_request", "length", "mode", "pass_id", "upgrade")

    def __init__(self, raw: bytes) -> None:
        """`raw`: up to and with the empty line."""
        request, *lines = raw[: -len(END_OF_HEAD)].split(b"\r\n")
        self._request = request
        method, version = _request_line(request)
        self._fields = [field for field in map(_field, lines) if not field[0].translate(None, PLAIN)]
        self.pass_id = self._pass()
        self.mode = self._only(_MODE)
        self.length = self._length(version)
        self.upgrade = self._upgrades(method, version)

    def rewritten(self, names: Names) -> bytes:
        """As the app gets it: for one request, or one WebSocket, alone."""
        way = [b"Connection: Upgrade", b"Upgrade: websocket"] if self.upgrade else [b"Connection: close"]
        lines = [self._request, *names.kept(self._fields), *way, *names.injected()]
        return b"\r\n".join(lines) + END_OF_HEAD

    def _all(self, name: bytes) -> list[bytes]:
        return [value for found, _, value in self._fields if found == name]

    def _only(self, name: bytes) -> bytes:
        values = self._all(name)
        if len(values) != 1:
            raise RefusedRequest("400 Bad Request", f"{name.decode()} is there {len(values)} times.")
        return values[0]

    def _pass(self) -> int:
        text = self._only(_PASS)
        if not text or len(text) > _PASS_DIGITS or text.translate(None, _DIGITS):
            raise RefusedRequest("400 Bad Request", "The pass is no number.")
        return int(text)

    def _length(self, version: bytes) -> int | None:
        lengths, codings = self._all(b"content-length"), self._all(b"transfer-encoding")
        if not codings and not lengths:
            return 0
        if not codings and len(lengths) == 1:
            [text] = lengths
            if text and len(text) <= _LENGTH_DIGITS and not text.translate(None, _DIGITS):
                return int(text)
        elif (
            not lengths and version == b"HTTP/1.1" and [coding.lower() for coding in codings] == [b"chunked"]
        ):
            return None
        raise RefusedRequest("400 Bad Request", "The length of the body is not clear.")

    def _upgrades(self, method: bytes, version: bytes) -> bool:
        """WebSockets alone: other protocols could carry requests of their own past this head."""
        wishes = [wish.strip().lower() for line in self._all(b"connection") for wish in line.split(b",")]
        wanted = [value.lower() for value in self._all(b"upgrade")]
        asked = b"upgrade" in wishes and wanted == [b"websocket"]
        return asked and method == b"GET" and version == b"HTTP/1.1" and self.length == 0


def _request_line(line: bytes) -> tuple[bytes, bytes]:
    parts = line.split(b" ")
    if len(parts) == 3:
        method, target, version = parts
        good_method = method and not method.translate(None, _TOKEN)
        good_target = target.startswith(b"/") and len(target.translate(None, _CONTROLS + b"\t")) == len(
            target
        )
        if good_method and good_target and version in (b"HTTP/1.0", b"HTTP/1.1"):
            return method, version
    raise RefusedRequest("400 Bad Request", "The request line cannot be read.")


def _field(line: bytes) -> Field:
    name, colon, value = line.partition(b":")
    if not colon or not name or name.translate(None, _TOKEN) or value.translate(None, _CONTROLS) != value:
        raise RefusedRequest("400 Bad Request", "A header cannot be read.")
    return name.lower(), name, value.strip(b" \t")
