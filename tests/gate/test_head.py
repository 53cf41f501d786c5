"""Whatever a client sends, the app reads what the gate read."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sciserver_hpc.gate.body import BrokenBody, ChunkedBody
from sciserver_hpc.gate.head import Head, Names, RefusedRequest

INJECT = [(b"Authorization", b"token s3cret"), (b"X-Auth", b"")]
NAMES = Names(INJECT, [b"__Host-pass"])
START = b"GET / HTTP/1.1\r\nX-Sciserver-Pass: 17\r\nX-Sciserver-Mode: use\r\n"
HARD = [
    b"authorization",
    b"X-Auth",
    b"x_auth",
    b"X-Sciserver-Pass",
    b"x.sciserver.mode",
    b"Connection",
    b"Upgrade",
]
HARD += [b"Cookie", b"Content-Length", b"Transfer-Encoding", b"Host", b"\xc3\xa9", b""]
VALUES = [
    b"websocket",
    b"upgrade",
    b"close",
    b"chunked",
    b"0",
    b"a=1; __Host-pass=x",
    b"__host-PASS = x",
    b"x\r\n y",
]

lines = st.builds(
    lambda name, gap, value: name + gap + value,
    st.sampled_from(HARD) | st.binary(max_size=20),
    st.sampled_from([b":", b": ", b" :", b"", b":\t", b"\r\n:"]),
    st.sampled_from(VALUES) | st.binary(max_size=40),
)


def fields(raw: bytes) -> list[tuple[str, bytes]]:
    """Read as leniently as any app does: lone LF and CR end lines, `_` and other characters are `-`."""
    found = []
    for line in raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[1:]:
        name, _, value = line.partition(b":")
        plain = "".join(c if c.isalnum() else "-" for c in name.decode("latin-1").strip().lower())
        found.append((plain, value.strip()))
    return found


@given(st.lists(lines, max_size=5))
@example([b"Cookie: __Host-pass=1", b"Cookie: a=2"])
def test_the_app_sees_each_injected_header_once_and_none_of_the_gates(extra: list[bytes]) -> None:
    raw = START + b"".join(line + b"\r\n" for line in extra) + b"\r\n"
    if raw.index(b"\r\n\r\n") + 4 != len(raw):
        return  # the head ended earlier: that is another one
    try:
        head = Head(raw)
    except RefusedRequest:
        return
    seen = fields(head.rewritten(NAMES))
    for name, value in INJECT:
        assert [found for found in seen if found[0] == name.decode().lower()] == [
            (name.decode().lower(), value)
        ]
    names = [name for name, _ in seen]
    assert not [name for name in names if name.startswith("x-sciserver-") and name[12:] in ("pass", "mode")]
    assert names.count("connection") == 1
    assert ("upgrade" in names) == head.upgrade
    assert names.count("content-length") + names.count("transfer-encoding") <= 1
    cookies = [cookie for name, value in seen if name == "cookie" for cookie in value.split(b";")]
    assert b"__host-pass" not in [cookie.partition(b"=")[0].strip().lower() for cookie in cookies]


@given(st.binary(max_size=300))
def test_no_bytes_make_it_stumble(data: bytes) -> None:
    for raw in (data + b"\r\n\r\n", START + data + b"\r\n\r\n"):
        try:
            Head(raw).rewritten(NAMES)
        except RefusedRequest:
            continue


@given(st.lists(st.binary(min_size=1, max_size=50)), st.binary(max_size=20), st.integers(1, 7))
def test_chunks_are_taken_to_their_end_and_no_further(parts: list[bytes], behind: bytes, step: int) -> None:
    whole = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    assert taken(whole + behind, step) == whole


@given(st.binary(max_size=60), st.integers(1, 7))
def test_chunks_read_in_pieces_are_the_same_chunks(data: bytes, step: int) -> None:
    assert taken(data, step) == taken(data, 1)


def taken(data: bytes, step: int) -> bytes:
    """What goes on of a body that comes so many bytes at a time; nothing where it cannot be read."""
    body, found = ChunkedBody(), b""
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        try:
            found += piece[: body.take(memoryview(piece))]
        except BrokenBody:
            return b""
    return found
