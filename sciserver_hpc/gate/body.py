"""How much of what a client sends belongs to its one request; nothing after that reaches the app."""

from __future__ import annotations

_CR, _LF = 13, 10
_HEX = b"0123456789abcdefABCDEF"
_SIZE_DIGITS = 15
_SIZE, _GAP, _LAST = "size", "gap", "last"


class BrokenBody(Exception):
    """The chunks cannot be read."""


class Body:
    """A body of `length` bytes."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def done(self) -> bool:
        """Is all of it here?"""
        return not self._left

    def take(self, data: memoryview) -> int:
        """How many of these next bytes are the body's. Raises BrokenBody."""
        taken = min(self._left, len(data))
        self._left -= taken
        return taken


class ChunkedBody(Body):
    """One in chunks (RFC 9112, section 7.1), without extensions and trailers: nginx sends none."""

    def __init__(self) -> None:
        super().__init__(0)
        self._line = bytearray()
        self._expect = _SIZE
        self._done = False

    @property
    def done(self) -> bool:
        """Was the last chunk here?"""
        return self._done

    def take(self, data: memoryview) -> int:
        """As above. No byte of a line is given on before it is known to fit."""
        at = 0
        while at < len(data) and not self._done:
            if self._left:
                at += super().take(data[at:])
            else:
                self._add(data[at])
                at += 1
        return at

    def _add(self, byte: int) -> None:
        line = self._line
        ending = line[-1:] == b"\r"
        if byte == _LF and ending:
            self._end_line()
        elif not ending and (
            byte == _CR or (self._expect == _SIZE and byte in _HEX and len(line) < _SIZE_DIGITS)
        ):
            line.append(byte)
        else:
            raise BrokenBody

    def _end_line(self) -> None:
        text = bytes(self._line[:-1])
        self._line.clear()
        if self._expect == _LAST:
            self._done = True
        elif self._expect == _GAP:
            self._expect = _SIZE
        elif text:
            self._left = int(text, 16)
            self._expect = _GAP if self._left else _LAST
        else:
            raise BrokenBody


class EndlessBody(Body):
    """What a WebSocket sends: all of it goes on."""

    def __init__(self) -> None:
        super().__init__(0)

    @property
    def done(self) -> bool:
        """Never."""
        return False

    def take(self, data: memoryview) -> int:
        """Everything."""
        return len(data)
