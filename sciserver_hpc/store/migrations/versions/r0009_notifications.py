"""Notifications: what people chose, and the outbox.

Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Id, Instant, Words

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision. Nobody has chosen anything."""
    op.create_table(
        "notification_choices",
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("username", name="pk_notification_choices"),
    )
    op.create_table(
        "notifications",
        sa.Column("id", Id, nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("due_at", Instant),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("problem", Words, nullable=False),
        sa.Column("sent_at", Instant),
        sa.Column("given_up_at", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.UniqueConstraint("key", "username", "channel", name="uq_notifications_key_username_channel"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notifications_due_at", "notifications", ["due_at"])
    op.create_index("ix_notifications_username", "notifications", ["username", "id"])
    op.create_index("ix_notifications_created_at", "notifications", ["created_at"])


def downgrade() -> None:
    """Back. What was not sent yet is forgotten."""
    op.drop_table("notifications")
    op.drop_table("notification_choices")
