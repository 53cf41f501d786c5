"""What people want to be told of, and the outbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from ..domain.notifications import Channel, Kept, Notification, Outgoing
from .part import Part
from .schema import notification_choices, notifications


class Notifications(Part):
    """Queries on `notification_choices` and `notifications`."""

    def notification_choices(self, username: str) -> Kept | None:
        """See `ports.Store`."""
        columns = notification_choices.c
        wanted = select(columns.body).where(columns.username == username)
        with self._database.reading() as connection:
            body = connection.execute(wanted).scalar_one_or_none()
        return None if body is None else Kept.model_validate_json(body)

    def keep_notification_choices(self, username: str, kept: Kept) -> None:
        """See `ports.Store`."""
        body = kept.model_dump_json()
        added = self._database.insert(notification_choices).values(username=username, body=body)
        again = added.on_conflict_do_update(index_elements=["username"], set_={"body": body})
        with self._database.writing() as connection:
            connection.execute(again)

    def add_notifications(self, channels: Sequence[Channel], notification: Notification) -> None:
        """See `ports.Store`."""
        now, body = self._now(), notification.model_dump_json(exclude={"key", "username"})
        rows = [
            {
                "key": notification.key,
                "username": notification.username,
                "channel": channel,
                "body": body,
                "created_at": now,
                "due_at": now,
                "attempts": 0,
                "problem": "",
            }
            for channel in channels
        ]
        if rows:
            with self._database.writing() as connection:
                connection.execute(self._database.insert(notifications).on_conflict_do_nothing(), rows)

    def notifications_waiting(self, now: datetime, limit: int) -> list[tuple[Channel, str]]:
        """See `ports.Store`."""
        columns = notifications.c
        ways = select(columns.channel, columns.username).where(columns.due_at <= now)
        wanted = ways.group_by(columns.channel, columns.username).order_by(func.min(columns.due_at))
        with self._database.reading() as connection:
            return [(Channel(row.channel), row.username) for row in connection.execute(wanted.limit(limit))]

    def notifications_due(self, channel: Channel, username: str, now: datetime, limit: int) -> list[Outgoing]:
        """See `ports.Store`."""
        columns = notifications.c
        mine = (columns.channel == channel) & (columns.username == username)
        wanted = select(notifications).where(columns.due_at <= now, mine).order_by(columns.id).limit(limit)
        with self._database.reading() as connection:
            return [_outgoing(row) for row in connection.execute(wanted)]

    def notifications_of(self, username: str, limit: int) -> list[Outgoing]:
        """See `ports.Store`."""
        columns = notifications.c
        wanted = select(notifications).where(columns.username == username).order_by(columns.id.desc())
        with self._database.reading() as connection:
            return [_outgoing(row) for row in connection.execute(wanted.limit(limit))]

    def keep_notification(self, old: Outgoing, new: Outgoing) -> bool:
        """See `ports.Store`."""
        columns = notifications.c
        same = (columns.id == old.id) & (columns.attempts == old.attempts) & columns.due_at.is_not(None)
        values = {name: getattr(new, name) for name in _CHANGING}
        with self._database.writing() as connection:
            changed = connection.execute(update(notifications).where(same).values(**values))
        return changed.rowcount > 0

    def put_notifications_off(self, channel: Channel, username: str, until: datetime) -> None:
        """See `ports.Store`."""
        columns = notifications.c
        mine = (columns.channel == channel) & (columns.username == username)
        earlier = update(notifications).where(mine, columns.due_at < until)
        with self._database.writing() as connection:
            connection.execute(earlier.values(due_at=until))

    def forget_notifications(self, before: datetime) -> int:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(notifications).where(notifications.c.created_at < before))
        return gone.rowcount


_CHANGING = ("due_at", "attempts", "problem", "sent_at", "given_up_at")


def _outgoing(row: Any) -> Outgoing:
    fields = Outgoing.model_fields.keys() - {"notification"}
    told = Notification(**json.loads(row.body), key=row.key, username=row.username)
    return Outgoing(notification=told, **{name: row._mapping[name] for name in fields})
