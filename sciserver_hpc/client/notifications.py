"""What one is told of when the browser is closed, over the portal. All of it takes the token of a login."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from ..domain.errors import Invalid
from ..domain.notifications import Channel, Choices, Occasion
from ..domain.problems import problems
from .models import NotificationsInfo, read
from .transport import Transport

_PATH = "/me/notifications"


class Notifications:
    """Verbs about notifications."""

    _http: Transport

    def notifications(self) -> NotificationsInfo:
        """What is chosen, what there is to choose, and what became of the latest."""
        return read(NotificationsInfo, self._http.json("GET", _PATH))

    def choose_notifications(
        self,
        *,
        mail: Iterable[Occasion | str] | None = None,
        webhook: Iterable[Occasion | str] | None = None,
        webhook_url: str | None = None,
        renew_secret: bool = False,
    ) -> NotificationsInfo:
        """Choose; None leaves as it is. `secret` of the answer: the webhook's, where one was made, told only
        now. Raises Invalid."""
        kept = self.notifications()
        wanted = {
            "mail": kept.mail if mail is None else tuple(mail),
            "webhook": kept.webhook if webhook is None else tuple(webhook),
            "webhook_url": kept.webhook_url if webhook_url is None else webhook_url,
        }
        try:
            body = Choices.model_validate(wanted).model_dump(mode="json")
        except ValidationError as error:
            raise Invalid(problems(error)) from error
        answer = self._http.json("PUT", _PATH, json=body | {"renew_secret": renew_secret})
        return read(NotificationsInfo, answer)

    def test_notification(self, channel: Channel | str) -> None:
        """Have one sent to oneself, to try `mail` or `webhook`. Raises Conflict where it leads nowhere."""
        if channel not in set(Channel):
            raise Invalid({"channel": f"is {' or '.join(Channel)}"})
        self._http.json("POST", f"{_PATH}/test", json={"channel": str(channel)})
