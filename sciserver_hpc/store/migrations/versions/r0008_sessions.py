"""Interactive sessions: their rows, who is let in, kept forms.

Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Id, Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "sessions",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id"), nullable=False, autoincrement=False),
        sa.Column("uuid", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("app", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("forgotten", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_sessions"),
        sa.UniqueConstraint("uuid", name="uq_sessions_uuid"),
    )
    op.create_index("ix_sessions_owner_job_id", "sessions", ["owner", "job_id"])
    op.create_index("ix_sessions_closed", "sessions", ["closed"])
    op.create_table(
        "session_passes",
        sa.Column("id", Id, nullable=False),
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("login", Id, nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("used_at", Instant),
        sa.Column("closed_at", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_session_passes"),
        sa.UniqueConstraint("digest", name="uq_session_passes_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_session_passes_job_id", "session_passes", ["job_id"])
    op.create_index("ix_session_passes_closed_at_used_at", "session_passes", ["closed_at", "used_at"])
    op.create_table(
        "session_presets",
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("app", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("owner", "app", "name", name="pk_session_presets"),
    )


def downgrade() -> None:
    """Back."""
    for table in ("session_presets", "session_passes", "sessions"):
        op.drop_table(table)
