"""How far filesystems follow the grants on user volumes; the directory's gids.

Revises: 0002
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision. Volumes that are granted to somebody are due at once."""
    op.add_column("groups", sa.Column("gid", sa.BigInteger))
    table = op.create_table(
        "upkeep",
        sa.Column("root", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("marks", sa.Integer, nullable=False),
        sa.Column("due_at", Instant),
        sa.Column("busy_until", Instant),
        sa.Column("guest", sa.BigInteger),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("root", "owner", "name", name="pk_upkeep"),
    )
    op.create_index("ix_upkeep_due_at", "upkeep", ["due_at"])
    op.create_index("ix_upkeep_owner", "upkeep", ["owner"])
    rows = _granted()
    if rows:
        op.bulk_insert(table, rows)


def downgrade() -> None:
    """Back; entries on disk stay as they are."""
    op.drop_table("upkeep")
    with op.batch_alter_table("groups") as groups:
        groups.drop_column("gid")


def _granted() -> list[dict[str, Any]]:
    grants = sa.table("grants", sa.column("resource_kind"), sa.column("resource_name"))
    names = sa.select(grants.c.resource_name).where(grants.c.resource_kind == "user_volume").distinct()
    found = [name.split("/") for name in op.get_bind().execute(names).scalars()]
    fields = {"version": 0, "marks": 1, "due_at": datetime.now(UTC), "body": "{}"}
    return [
        dict(zip(("root", "owner", "name"), parts, strict=True)) | fields for parts in found if _fits(parts)
    ]


def _fits(parts: list[str]) -> bool:
    lengths = (64, 32, 64)
    return len(parts) == 3 and all(0 < len(p) <= most for p, most in zip(parts, lengths, strict=True))
