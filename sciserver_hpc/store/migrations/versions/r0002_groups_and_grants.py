"""Groups of the portal, grants by people, the audit trail.

Revises: 0001
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Id, Instant, Words

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEY = ("subject_kind", "subject_name", "resource_kind", "resource_name", "action", "granted_by")
_OLD, _NEW = "site", "the site"
"""Who made the catalogue's grants: `site` could be somebody's username."""


def upgrade() -> None:
    """To this revision."""
    _regrant()
    _groups()
    _memberships()
    _audit()


def downgrade() -> None:
    """Back to the grants of the catalogue alone."""
    rows = [row for row in _rows() if row["granted_by"] == _NEW and len(row["subject_name"]) <= 64]
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_stays ON audit")
        op.execute("DROP FUNCTION audit_stays")
    for table in ("audit", "memberships", "groups", "grants"):
        op.drop_table(table)
    old = op.create_table("grants", *_grant_columns(64))
    op.create_index("ix_grants_subject", "grants", ["subject_kind", "subject_name"])
    kept = [{k: v for k, v in row.items() if k != "created_at"} | {"granted_by": _OLD} for row in rows]
    if kept:
        op.bulk_insert(old, kept)


def _grant_columns(name_length: int) -> tuple[Any, ...]:
    return (
        sa.Column("id", Id),
        sa.Column("subject_kind", sa.String(16), nullable=False),
        sa.Column("subject_name", sa.String(name_length), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("resource_kind", sa.String(16), nullable=False),
        sa.Column("resource_name", sa.String(255), nullable=False),
        sa.Column("granted_by", sa.Text, nullable=False),
        sa.Column("expires", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
    )


def _rows() -> list[dict[str, Any]]:
    table = sa.table("grants", *(sa.column(name) for name in _KEY), sa.column("expires", Instant))
    return [dict(row._mapping) for row in op.get_bind().execute(sa.select(table))]


def _regrant() -> None:
    """The table anew, since SQLite cannot make ids grow for ever later on.

    Only the catalogue made grants so far: of those given twice the one that lasts longest stays.
    """
    now = datetime.now(UTC)
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(_rows(), key=lambda row: (row["expires"] is None, row["expires"] or now)):
        kept[tuple(row[name] for name in _KEY)] = row | {"granted_by": _NEW, "created_at": now}
    op.drop_table("grants")
    new = op.create_table(
        "grants",
        *_grant_columns(255),
        sa.Column("created_at", Instant, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_grants_one", "grants", list(_KEY), unique=True)
    op.create_index("ix_grants_resource", "grants", ["resource_kind", "resource_name", "id"])
    op.create_index("ix_grants_granted_by", "grants", ["granted_by", "id"])
    if kept:
        op.bulk_insert(new, list(kept.values()))


def _groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", Id),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("likeness", sa.String(255), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("accessibility", sa.String(16), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("deleted_at", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
        sa.UniqueConstraint("source", "name", name="uq_groups_source_name"),
    )
    op.create_index("ix_groups_likeness", "groups", ["likeness"])


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("id", Id),
        sa.Column("group_name", sa.String(64), nullable=False),
        sa.Column("member_kind", sa.String(16), nullable=False),
        sa.Column("member_name", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("barred", sa.Boolean, nullable=False),
        sa.Column("by", sa.String(32), nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_memberships"),
        sa.UniqueConstraint(
            "group_name",
            "member_kind",
            "member_name",
            name="uq_memberships_group_name_member_kind_member_name",
        ),
    )
    op.create_index(
        "ix_memberships_member", "memberships", ["member_kind", "member_name", "status", "group_name"]
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", Id),
        sa.Column("at", Instant, nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("act", sa.String(32), nullable=False),
        sa.Column("on_kind", sa.String(16), nullable=False),
        sa.Column("on_name", sa.String(255), nullable=False),
        sa.Column("whom_kind", sa.String(16)),
        sa.Column("whom_name", sa.String(255)),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("detail", Words, nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_on", "audit", ["on_kind", "on_name", "id"])
    op.create_index("ix_audit_who", "audit", ["who", "id"])
    op.create_index("ix_audit_whom", "audit", ["whom_kind", "whom_name", "id"])
    op.create_index("ix_audit_owner", "audit", ["owner", "id"])
    op.create_index("ix_audit_at", "audit", ["at", "id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()"
        )
        return
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_stays_{event.lower()} BEFORE {event} ON audit"
            " BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
        )
