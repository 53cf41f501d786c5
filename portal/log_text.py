"""Bytes of a log as text, cut at whole characters so that pieces can be joined."""

from __future__ import annotations

import codecs


def text_of(data: bytes, *, last: bool) -> tuple[str, int]:
    """Return the text of `data` and how many bytes of it were used.

    Bytes that are no UTF-8 become U+FFFD. A character cut at the end waits for the next piece, unless this is
    the `last`.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final=last)
    waiting = len(decoder.getstate()[0])
    return text, len(data) - waiting
