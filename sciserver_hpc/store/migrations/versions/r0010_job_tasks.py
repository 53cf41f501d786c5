"""Tasks of arrays, one by one.

Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Id, Instant, Words

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision. Of arrays that are over only the counts are known."""
    op.create_table(
        "job_tasks",
        sa.Column("job_id", Id, nullable=False, autoincrement=False),
        sa.Column("task", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("restarts", sa.Integer, nullable=False),
        sa.Column("node", Words, nullable=False),
        sa.Column("started_at", Instant),
        sa.Column("ended_at", Instant),
        sa.Column("exit_code", sa.Integer),
        sa.Column("signal", sa.Integer),
        sa.Column("elapsed_s", sa.BigInteger),
        sa.Column("cpu_s", sa.Float),
        sa.Column("max_rss", sa.BigInteger),
        sa.PrimaryKeyConstraint("job_id", "task", name="pk_job_tasks"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_tasks_job_id"),
    )


def downgrade() -> None:
    """Back. What became of single tasks is forgotten."""
    op.drop_table("job_tasks")
