"""Mail over SMTP (RFC 5321), as the site's mail server takes it.

The subject and the address come from outside. `email.message` refuses a header with a line break in it; the
domain made one line of the subject before.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

from .domain.errors import Refused, Unavailable
from .domain.notifications import Notification

PERMANENT = 500
"""Reply codes from here on are final (RFC 5321, section 4.2.1)."""


@dataclass(frozen=True)
class MailServer:
    """Where and how; see settings.MailSettings. timeout_s: for each of its answers."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: Path | None = None
    username: str = ""
    password: str = ""
    timeout_s: float = 10


class SmtpMailer:
    """`ports.Mailer`. sender: an address; name: what stands before it."""

    def __init__(self, server: MailServer, sender: str, name: str = "") -> None:
        self._server = server
        self._sender = Address(display_name=name, addr_spec=sender)

    def send(self, address: str, notification: Notification, footer: str) -> None:
        """See `ports.Mailer`."""
        message = self._message(address, notification, footer)
        with self._connected() as smtp:
            try:
                smtp.send_message(message)
            except smtplib.SMTPRecipientsRefused as error:
                code, words = next(iter(error.recipients.values()))
                raise _judged(code, words, address) from error
            except smtplib.SMTPSenderRefused as error:
                raise Unavailable("mail server", f"it refuses our sender: {_words(error)}") from error
            except smtplib.SMTPDataError as error:
                raise _judged(error.smtp_code, error.smtp_error, address) from error

    def ping(self) -> str:
        """See `ports.Mailer`."""
        with self._connected() as smtp:
            code, words = smtp.noop()
            if code >= PERMANENT:
                raise Unavailable("mail server", f"{code} {_text(words)}")
        own = self._server
        known = f" as {own.username}" if own.username else ""
        return f"{own.host}:{own.port} ({own.security}) takes mail{known}"

    def _message(self, address: str, notification: Notification, footer: str) -> EmailMessage:
        message = EmailMessage()
        try:
            message["To"] = Address(addr_spec=address)
        except (ValueError, HeaderParseError, IndexError) as error:
            # The parser of the standard library meets some broken addresses with IndexError.
            raise Refused({"mail": "the directory has no well-formed address for you"}) from error
        message["From"] = self._sender
        message["Subject"] = notification.subject
        message["Date"] = format_datetime(notification.at)
        message["Message-ID"] = f"<{notification.ident}@{self._sender.domain}>"
        # No machine shall answer (RFC 3834, section 5).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"{notification.text}\n\n{notification.url}\n\n-- \n{footer}\n")
        return message

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """Logged in. Raises Unavailable for all that goes wrong with the server as such."""
        try:
            smtp = self._open()
            try:
                self._begin(smtp)
                yield smtp
            finally:
                # What was taken is taken, whatever the server says to our leaving.
                with suppress(smtplib.SMTPException, OSError):
                    smtp.quit()
                smtp.close()
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("mail server", _words(error)) from error

    def _open(self) -> smtplib.SMTP:
        own = self._server
        if own.security == "tls":
            return smtplib.SMTP_SSL(own.host, own.port, timeout=own.timeout_s, context=self._context())
        return smtplib.SMTP(own.host, own.port, timeout=own.timeout_s)

    def _begin(self, smtp: smtplib.SMTP) -> None:
        own = self._server
        if own.security == "starttls":
            smtp.starttls(context=self._context())
        if own.username:
            smtp.login(own.username, own.password)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.ca_file)


def _judged(code: int, words: bytes | str, address: str) -> Refused | Unavailable:
    told = f"{code} {_text(words)}"
    if code >= PERMANENT:
        return Refused({"mail": f"the mail server does not take mail to {address}: {told}"})
    return Unavailable("mail server", told)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return str(error) or type(error).__name__


def _text(words: bytes | str) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else words
