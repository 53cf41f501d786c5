"""Choosing what one is told of, by the client."""

from __future__ import annotations

import pytest

from sciserver_hpc.client import Client
from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.domain.notifications import Occasion
from tests.fakes.portal import FakePortal


def test_what_is_not_named_stays(portal: FakePortal, client: Client) -> None:
    found = client.choose_notifications(webhook=["ended"], webhook_url="https://hooks.example.org/x")
    assert found.secret == "shw_s3cret"
    assert (found.mail, found.webhook) == ((Occasion.TIME_LEFT, Occasion.FAILED), (Occasion.ENDED,))
    assert client.choose_notifications(mail=[]).secret is None
    assert portal.chosen["mail"] == []
    assert client.notifications().webhook_url == "https://hooks.example.org/x"


def test_an_occasion_there_is_not_is_told_here(portal: FakePortal, client: Client) -> None:
    with pytest.raises(Invalid):
        client.choose_notifications(mail=["never"])
    with pytest.raises(Invalid, match="mail or webhook"):
        client.test_notification("pigeon")
    assert "PUT /api/v1/me/notifications" not in portal.calls
