"""Service accounts.

Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Id, Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "service_accounts",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("likeness", sa.String(32), nullable=False),
        sa.Column("owner_kind", sa.String(16), nullable=False),
        sa.Column("owner_name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_by", sa.String(32), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("disabled_at", Instant),
        sa.Column("disabled_by", sa.String(32), nullable=False),
        sa.Column("locked", sa.Boolean, nullable=False),
        sa.Column("deleted_at", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_service_accounts"),
        sa.UniqueConstraint("name", name="uq_service_accounts_name"),
        sa.UniqueConstraint("likeness", name="uq_service_accounts_likeness"),
    )
    op.create_index("ix_service_accounts_owner", "service_accounts", ["owner_kind", "owner_name"])


def downgrade() -> None:
    """Back; what was granted to service accounts, and their tokens, go with them."""
    for table, column in (("grants", "subject_kind"), ("memberships", "member_kind")):
        op.execute(sa.text(f"DELETE FROM {table} WHERE {column} = 'service_account'"))  # noqa: S608
    op.execute(sa.text("DELETE FROM tokens WHERE kind = 'service'"))
    op.drop_table("service_accounts")
