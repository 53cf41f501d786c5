"""Groups of the portal as Unix groups.

Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision. No group is one before its owner asks."""
    op.create_table(
        "unix_groups",
        sa.Column("group_name", sa.String(64), nullable=False),
        sa.Column("gid", sa.BigInteger),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("marks", sa.Integer, nullable=False),
        sa.Column("due_at", Instant),
        sa.Column("look_at", Instant),
        sa.Column("busy_until", Instant),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("group_name", name="pk_unix_groups"),
        sa.UniqueConstraint("gid", name="uq_unix_groups_gid"),
    )
    op.create_index("ix_unix_groups_due_at", "unix_groups", ["due_at"])
    op.create_index("ix_unix_groups_look_at", "unix_groups", ["look_at"])


def downgrade() -> None:
    """Back. Numbers that files may carry are forgotten: take the groups out of the directory first."""
    op.drop_table("unix_groups")
