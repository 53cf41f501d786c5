"""History: indexes by which a page of a long history costs what a page of a short one does, and the archive.

Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Id, Instant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_LOST = sa.text("state = 'LOST'")
_GPUS = sa.text("CAST(CAST(spec AS json)->'resources'->>'gpus' AS integer) > 0")
_GPUS_LITE = sa.text("json_extract(spec, '$.resources.gpus') > 0")


def upgrade() -> None:
    """To this revision."""
    op.create_index("ix_jobs_search", "jobs", ["owner", "id", "state", "domain", "name", "accepted_at"])
    op.create_index("ix_jobs_owner_state_id", "jobs", ["owner", "state", "id"])
    op.create_index("ix_jobs_owner_accepted_at", "jobs", ["owner", "accepted_at", "id"])
    op.create_index(
        "ix_jobs_lost", "jobs", ["state", "changed_at"], postgresql_where=_LOST, sqlite_where=_LOST
    )
    op.create_index(
        "ix_jobs_gpus", "jobs", ["owner", "ended_at"], postgresql_where=_GPUS, sqlite_where=_GPUS_LITE
    )
    op.drop_index("ix_jobs_owner_id", "jobs")
    op.drop_index("ix_jobs_owner_state", "jobs")
    op.create_table(
        "archive_files",
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("jobs", sa.Integer, nullable=False),
        sa.Column("begun_at", Instant, nullable=False),
        sa.Column("done_at", Instant),
        sa.Column("barred", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_archive_files"),
    )
    op.create_table(
        "archived_jobs",
        sa.Column("job_id", Id, nullable=False, autoincrement=False),
        sa.Column("uuid", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ended_at", Instant, nullable=False),
        sa.Column("results", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("file", sa.String(128), nullable=False),
        sa.Column("archived_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_archived_jobs"),
        sa.UniqueConstraint("uuid", name="uq_archived_jobs_uuid"),
        sa.UniqueConstraint("owner", "idempotency_key", name="uq_archived_jobs_owner_idempotency_key"),
    )
    op.create_index("ix_archived_jobs_owner_job_id", "archived_jobs", ["owner", "job_id"])


def downgrade() -> None:
    """Back. What was archived stays in its files; the database forgets that it is there."""
    op.drop_table("archived_jobs")
    op.drop_table("archive_files")
    op.create_index("ix_jobs_owner_id", "jobs", ["owner", "id"])
    op.create_index("ix_jobs_owner_state", "jobs", ["owner", "state"])
    for name in ("search", "owner_state_id", "owner_accepted_at", "lost", "gpus"):
        op.drop_index(f"ix_jobs_{name}", "jobs")
