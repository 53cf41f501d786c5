"""What somebody's jobs used in a month is found by an index.

Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_index("ix_jobs_owner_ended_at", "jobs", ["owner", "ended_at"])


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_jobs_owner_ended_at", "jobs")
