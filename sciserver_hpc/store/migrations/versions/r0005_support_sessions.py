"""Support sessions: an administrator looks as somebody else.

Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Id, Instant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "support_sessions",
        sa.Column("id", Id, nullable=False),
        sa.Column("actor", sa.String(32), nullable=False),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("login", Id, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
        sa.Column("seen", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_support_sessions"),
        sa.UniqueConstraint("digest", name="uq_support_sessions_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_support_sessions_ended_at", "support_sessions", ["ended_at"])


def downgrade() -> None:
    """Back."""
    op.drop_table("support_sessions")
