"""Mail and posts in memory, which a test can keep from being taken."""

from __future__ import annotations

from sciserver_hpc.domain.errors import SciServerError
from sciserver_hpc.domain.notifications import Notification, url_problem


class FakeMailer:
    """`ports.Mailer`: `sent` tells to whom what went; `trouble`: raised instead, as long as it is set."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Notification]] = []
        self.tries = 0
        self.trouble: SciServerError | None = None

    def send(self, address: str, notification: Notification, footer: str) -> None:
        assert footer
        self.tries += 1
        if self.trouble:
            raise self.trouble
        self.sent.append((address, notification))

    def ping(self) -> str:
        return "fake mail server"


class FakePoster:
    """`ports.Poster`, by the strictest rules: `sent` has address and secret; `trouble` by address."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Notification]] = []
        self.trouble: dict[str, SciServerError] = {}

    def problem(self, url: str) -> str:
        return url_problem(url, allow_http=False, allowed=())

    def post(self, url: str, secret: str, notification: Notification) -> None:
        if url in self.trouble:
            raise self.trouble[url]
        self.sent.append((url, secret, notification))
