"""History: indexes by which a page of a long history costs what a page of a short one does.

Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

_LOST = sa.text("state = 'LOST'")


def upgrade() -> None:
    """To this revision."""
    op.create_index("ix_jobs_search", "jobs", ["owner", "id", "state", "domain", "name", "accepted_at"])
    op.create_index("ix_jobs_owner_state_id", "jobs", ["owner", "state", "id"])
    op.create_index("ix_jobs_owner_accepted_at", "jobs", ["owner", "accepted_at", "id"])
    op.create_index("ix_jobs_lost", "jobs", ["changed_at"], postgresql_where=_LOST, sqlite_where=_LOST)
    op.drop_index("ix_jobs_owner_id", "jobs")
    op.drop_index("ix_jobs_owner_state", "jobs")


def downgrade() -> None:
    """Back."""
    op.create_index("ix_jobs_owner_id", "jobs", ["owner", "id"])
    op.create_index("ix_jobs_owner_state", "jobs", ["owner", "state"])
    for name in ("ix_jobs_search", "ix_jobs_owner_state_id", "ix_jobs_owner_accepted_at", "ix_jobs_lost"):
        op.drop_index(name, "jobs")
