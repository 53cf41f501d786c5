"""Mail to a real SMTP server, with STARTTLS and a password."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sciserver_hpc.domain.errors import Refused, Unavailable
from sciserver_hpc.domain.notifications import Notification, Occasion, key_of, made
from sciserver_hpc.mailing import MailServer, SmtpMailer

from .authority import context

USER, PASSWORD = "portal", "correct horse"
FOOTER = "You chose this: https://portal/me/notifications"


class Sink:
    """Takes mail into `taken`, and says what a test wants said."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], EmailMessage]] = []
        self.secure: list[bool] = []
        self.to_rcpt, self.to_data = "250 OK", "250 OK"

    def auth(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _kind: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.to_rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_rcpt

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.to_data.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.taken.append((str(envelope.mail_from), list(envelope.rcpt_tos), message))
            self.secure.append(session.ssl is not None)
        return self.to_data


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return context(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def sink() -> Sink:
    return Sink()


@contextmanager
def listening(sink: Sink, **terms: Any) -> Iterator[int]:
    """`sink` behind aiosmtpd on a free port of 127.0.0.1. Its Controller knows no port the kernel chose."""
    loop, ready, ports = asyncio.new_event_loop(), threading.Event(), list[int]()

    def run() -> None:
        making = loop.create_server(lambda: SMTP(sink, loop=loop, **terms), "127.0.0.1", 0)
        server = loop.run_until_complete(making)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(20)
    yield ports[0]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@pytest.fixture
def server(sink: Sink, tls: tuple[ssl.SSLContext, Path]) -> Iterator[MailServer]:
    """A server that takes mail after STARTTLS and a login alone."""
    serving, trusted = tls
    terms = {"tls_context": serving, "require_starttls": True, "auth_required": True}
    with listening(sink, authenticator=sink.auth, **terms) as port:
        yield MailServer("localhost", port, "starttls", trusted, USER, PASSWORD, timeout_s=5)


def told(subject: str = "sky failed", text: str = "Out of memory.") -> Notification:
    at = datetime(2026, 1, 15, 12, tzinfo=UTC)
    key = key_of("a" * 32, Occasion.FAILED)
    return made("alice", Occasion.FAILED, key, (subject, text), "https://portal/jobs/1", at)


def mailer(server: MailServer) -> SmtpMailer:
    return SmtpMailer(server, "portal@example.org", "SciServer, HPC")


def test_mail_is_taken_over_tls_after_a_login(sink: Sink, server: MailServer) -> None:
    mailer(server).send("alice@example.org", told("Sternkarte ☆ failed"), FOOTER)
    [(sender, to, message)] = sink.taken
    assert (sender, to, sink.secure) == ("portal@example.org", ["alice@example.org"], [True])
    assert message["From"] == '"SciServer, HPC" <portal@example.org>'
    assert (message["Subject"], message["To"]) == ("Sternkarte ☆ failed", "alice@example.org")
    assert message["Message-ID"] == f"<{told().ident}@example.org>"
    assert message["Date"] == "Thu, 15 Jan 2026 12:00:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    text = message.get_content()
    assert "Out of memory." in text and "https://portal/jobs/1" in text and FOOTER in text


def test_what_is_sent_again_has_the_same_id(sink: Sink, server: MailServer) -> None:
    for _ in range(2):
        mailer(server).send("alice@example.org", told(), FOOTER)
    assert len({message["Message-ID"] for _, _, message in sink.taken}) == 1


def test_a_name_with_line_breaks_adds_no_header_and_no_recipient(sink: Sink, server: MailServer) -> None:
    evil = "sky\r\nBcc: eve@example.org\r\n\r\nClick here"
    mailer(server).send("alice@example.org", told(evil, "a\r\n.\r\nMAIL FROM:<eve@example.org>"), FOOTER)
    [(_, to, message)] = sink.taken
    assert (to, message["Bcc"]) == (["alice@example.org"], None)
    assert message["Subject"] == "sky Bcc: eve@example.org Click here"
    assert "\n.\n" in message.get_content().replace("\r", "")


def test_a_subject_the_domain_did_not_clean_is_refused_by_the_library(server: MailServer) -> None:
    broken = told().model_copy(update={"subject": "sky\nBcc: eve@example.org"})
    with pytest.raises(ValueError, match=r"[Hh]eader"):
        mailer(server).send("alice@example.org", broken, FOOTER)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "alice",
        "alice@",
        "a@x, b@y",
        "a@x\r\nRCPT TO:<b@y>",
        "a@x\nBcc: b@y",
        "<a@x>",
        "a b@x",
        "@x",
        "a@x>",
    ],
)
def test_a_broken_address_of_the_directory_gets_nothing(sink: Sink, server: MailServer, address: str) -> None:
    with pytest.raises(Refused, match="well-formed"):
        mailer(server).send(address, told(), FOOTER)
    assert sink.taken == []


def test_a_refusal_for_good_is_told_from_one_for_now(sink: Sink, server: MailServer) -> None:
    for sink.to_rcpt, sink.to_data, error in (
        ("550 no such user", "250 OK", Refused),
        ("450 come back", "250 OK", Unavailable),
        ("250 OK", "554 spam", Refused),
        ("250 OK", "451 later", Unavailable),
    ):
        with pytest.raises(error):
            mailer(server).send("alice@example.org", told(), FOOTER)


def test_a_server_we_do_not_trust_gets_no_password(sink: Sink, server: MailServer) -> None:
    with pytest.raises(Unavailable, match="certificate verify failed"):
        mailer(replace(server, ca_file=None)).send("alice@example.org", told(), FOOTER)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        mailer(replace(server, host="127.0.0.1")).send("alice@example.org", told(), FOOTER)
    assert sink.taken == []


def test_a_wrong_password_or_no_server_is_for_now(sink: Sink, server: MailServer) -> None:
    with pytest.raises(Unavailable, match="535"):
        mailer(replace(server, password="wrong")).send("alice@example.org", told(), FOOTER)
    with pytest.raises(Unavailable):
        mailer(replace(server, port=1)).send("alice@example.org", told(), FOOTER)
    assert sink.taken == []


def test_ping_tells_where_and_as_whom(sink: Sink, server: MailServer) -> None:
    assert mailer(server).ping() == f"localhost:{server.port} (starttls) takes mail as portal"
    with pytest.raises(Unavailable, match="535"):
        mailer(replace(server, password="wrong")).ping()
    assert sink.taken == []


def test_a_server_without_starttls_gets_nothing(sink: Sink) -> None:
    with listening(sink) as port:
        with pytest.raises(Unavailable, match="STARTTLS"):
            mailer(MailServer("localhost", port, "starttls")).send("alice@example.org", told(), FOOTER)
        assert sink.taken == []
        mailer(MailServer("localhost", port, "none")).send("alice@example.org", told(), FOOTER)
        assert len(sink.taken) == 1
