"""What somebody's jobs used in a month is found by an index; a group may be offered to an heir.

Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_index("ix_jobs_owner_ended_at", "jobs", ["owner", "ended_at"])
    op.add_column("groups", sa.Column("heir", sa.String(32)))
    op.create_index("ix_groups_heir", "groups", ["heir"])


def downgrade() -> None:
    """Back; what is offered is no more."""
    op.drop_index("ix_groups_heir", "groups")
    with op.batch_alter_table("groups") as groups:
        groups.drop_column("heir")
    op.drop_index("ix_jobs_owner_ended_at", "jobs")
