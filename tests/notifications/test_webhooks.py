"""Signed posts to a real receiver, and what is not posted to."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from sciserver_hpc.domain.errors import Refused, Unavailable
from sciserver_hpc.domain.notifications import Notification, Occasion, key_of, made
from sciserver_hpc.webhooks import Reach, Webhooks, signature
from tests.docs.pages import ROOT, fences

from .authority import context
from .receiver import Receiver, receiving

SECRET = "shw_secret"
LOCAL = (ip_network("127.0.0.0/8"),)
WALL = 1_768_478_400.9


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return context(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def receiver(tls: tuple[ssl.SSLContext, Path]) -> Iterator[Receiver]:
    with receiving(tls[0]) as one:
        yield one


@pytest.fixture
def plain() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def told() -> Notification:
    at = datetime(2026, 1, 15, 12, tzinfo=UTC)
    key = key_of("a" * 32, Occasion.ENDED)
    return made("alice", Occasion.ENDED, key, ("sky é ended", "In 3 min."), "https://portal/jobs/1", at)


def leads_to(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda host, port: list(addresses)


def hooks(tls: tuple[ssl.SSLContext, Path], *addresses: str, timeout_s: float = 5) -> Webhooks:
    reach = Reach(networks=LOCAL, ca_file=tls[1], timeout_s=timeout_s)
    return Webhooks(reach, leads_to(*(addresses or ("127.0.0.1",))), lambda: WALL)


def in_clear(timeout_s: float = 5) -> Webhooks:
    reach = Reach(allow_http=True, networks=LOCAL, timeout_s=timeout_s)
    return Webhooks(reach, leads_to("127.0.0.1"), lambda: WALL)


def test_a_post_is_json_signed_and_numbered(receiver: Receiver, tls: tuple[ssl.SSLContext, Path]) -> None:
    hooks(tls).post(f"https://hooks.test:{receiver.port}/in/x?a=b", SECRET, told())
    [(headers, body)] = receiver.posts
    assert receiver.lines == ["POST /in/x?a=b HTTP/1.1"]
    assert headers["host"] == f"hooks.test:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert headers["x-sciserver-timestamp"] == "1768478400"
    assert headers["x-sciserver-signature"] == signature(SECRET, "1768478400", body)
    assert headers["x-sciserver-id"] == told().ident
    assert json.loads(body) == {
        "id": told().ident,
        "occasion": "ended",
        "user": "alice",
        "subject": "sky é ended",
        "text": "In 3 min.",
        "url": "https://portal/jobs/1",
        "at": "2026-01-15T12:00:00+00:00",
    }


def test_the_snippet_of_the_docs_knows_ours_from_others(
    receiver: Receiver, tls: tuple[ssl.SSLContext, Path]
) -> None:
    [snippet] = [
        one.text for one in fences(ROOT / "docs/how-to/notifications.md") if one.language == "python"
    ]
    names: dict[str, Callable[..., bool]] = {}
    exec(compile(snippet, "snippet", "exec"), names)  # type: ignore[arg-type]
    is_ours = names["is_ours"]
    hooks(tls).post(f"https://hooks.test:{receiver.port}/", SECRET, told())
    [(headers, body)] = receiver.posts
    stamp, mac = headers["x-sciserver-timestamp"], headers["x-sciserver-signature"]
    assert is_ours(SECRET, stamp, body, mac, now=WALL)
    assert not is_ours("shw_other", stamp, body, mac, now=WALL)
    assert not is_ours(SECRET, stamp, body + b" ", mac, now=WALL)
    assert not is_ours(SECRET, str(int(stamp) + 1), body, mac, now=WALL)
    assert not is_ours(SECRET, stamp, body, mac, now=WALL + 301)
    assert not is_ours(SECRET, "x", body, mac, now=WALL)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(plain: Receiver, status: int) -> None:
    plain.answer = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{plain.port}/b\r\n\r\n".encode()
    with pytest.raises(Unavailable, match=f"answers {status}; redirects are not followed"):
        in_clear().post(f"http://hooks.test:{plain.port}/a", SECRET, told())
    assert plain.lines == ["POST /a HTTP/1.1"]


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_what_is_not_taken_is_tried_again(plain: Receiver, status: int) -> None:
    plain.answer = f"HTTP/1.1 {status} No\r\n\r\n".encode()
    with pytest.raises(Unavailable, match=f"answers {status}"):
        in_clear().post(f"http://hooks.test:{plain.port}/", SECRET, told())


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 100 Go on\r\n\r\n"])
def test_an_answer_that_is_none(plain: Receiver, answer: bytes) -> None:
    plain.answer = answer
    with pytest.raises(Unavailable):
        in_clear().post(f"http://hooks.test:{plain.port}/", SECRET, told())


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["169.254.169.254"], ["::1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:10.0.0.1"]]
)
def test_a_name_that_leads_inside_is_refused_whatever_else_it_leads_to(addresses: list[str]) -> None:
    with pytest.raises(Refused, match="no public address"):
        Webhooks(Reach(), leads_to(*addresses)).post("https://hooks.test/", SECRET, told())


def test_this_machine_is_refused_where_no_setting_allows_it(plain: Receiver) -> None:
    for url in (f"http://hooks.test:{plain.port}/", f"http://127.0.0.1:{plain.port}/", "http://localhost/"):
        with pytest.raises(Refused):
            Webhooks(Reach(allow_http=True), leads_to("127.0.0.1")).post(url, SECRET, told())
    assert plain.connections == 0


def test_a_second_answer_of_dns_is_not_asked_for(
    receiver: Receiver, tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: allowed when it is judged, inside when it is connected to."""
    answers = [["127.0.0.1"], ["127.66.6.6"]]
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers.pop(0)

    def never(*_: object, **__: object) -> list[object]:
        raise AssertionError("the library asked DNS for the name itself")

    real = __import__("socket").getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo",
        lambda host, *rest, **more: never() if host == "hooks.test" else real(host, *rest, **more),
    )
    reach = Reach(networks=LOCAL, ca_file=tls[1])
    Webhooks(reach, resolve).post(f"https://hooks.test:{receiver.port}/", SECRET, told())
    assert (asked, len(receiver.posts)) == (["hooks.test"], 1)


def test_tls_checks_the_name_and_not_the_address(
    receiver: Receiver, tls: tuple[ssl.SSLContext, Path]
) -> None:
    with pytest.raises(Unavailable, match="certificate is not good"):
        hooks(tls).post(f"https://other.test:{receiver.port}/", SECRET, told())
    with pytest.raises(Unavailable, match="certificate is not good"):
        Webhooks(Reach(networks=LOCAL), leads_to("127.0.0.1")).post(
            f"https://hooks.test:{receiver.port}/", SECRET, told()
        )
    assert receiver.posts == []


def test_http_takes_a_setting(plain: Receiver) -> None:
    with pytest.raises(Refused, match="https://"):
        Webhooks(Reach(networks=LOCAL), leads_to("127.0.0.1")).post(
            f"http://hooks.test:{plain.port}/", SECRET, told()
        )
    in_clear().post(f"http://hooks.test:{plain.port}/", SECRET, told())
    assert len(plain.posts) == 1


def test_another_address_of_the_name_is_tried(receiver: Receiver, tls: tuple[ssl.SSLContext, Path]) -> None:
    hooks(tls, "127.66.6.6", "127.0.0.1").post(f"https://hooks.test:{receiver.port}/", SECRET, told())
    assert len(receiver.posts) == 1
    with pytest.raises(Unavailable, match="no connection"):
        hooks(tls, "127.66.6.6").post(f"https://hooks.test:{receiver.port}/", SECRET, told())


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99])
def test_headers_that_drip_are_cut_off(plain: Receiver, answer: bytes) -> None:
    plain.answer, plain.drip_s = answer, 0.1
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="no whole answer in time"):
        in_clear(timeout_s=0.6).post(f"http://hooks.test:{plain.port}/", SECRET, told())
    assert time.monotonic() - begun < 2


def test_a_body_that_drips_is_left_and_the_status_counts(plain: Receiver) -> None:
    plain.answer, plain.drip_s = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000, 0.01
    begun = time.monotonic()
    in_clear(timeout_s=1).post(f"http://hooks.test:{plain.port}/", SECRET, told())
    assert time.monotonic() - begun < 3


def test_of_an_endless_body_only_a_piece_is_read(plain: Receiver) -> None:
    plain.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000_000
    begun = time.monotonic()
    in_clear(timeout_s=5).post(f"http://hooks.test:{plain.port}/", SECRET, told())
    assert time.monotonic() - begun < 3


def test_a_tls_greeting_that_never_comes_is_cut_off(
    plain: Receiver, tls: tuple[ssl.SSLContext, Path]
) -> None:
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        hooks(tls, timeout_s=0.5).post(f"https://hooks.test:{plain.port}/", SECRET, told())
    assert time.monotonic() - begun < 2


def test_a_name_that_leads_nowhere() -> None:
    with pytest.raises(Unavailable, match="leads nowhere"):
        Webhooks(Reach()).post("https://hooks.invalid/", SECRET, told())
    with pytest.raises(Unavailable, match="no address"):
        Webhooks(Reach(), leads_to()).post("https://hooks.test/", SECRET, told())
