"""The first schema.

Revises: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sciserver_hpc.store.columns import Id, Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    for create in _CREATE:
        create()


def downgrade() -> None:
    """Back to an empty database."""
    for table in (
        "notes",
        "leases",
        "job_events",
        "job_requests",
        "jobs",
        "job_ids",
        "user_volumes",
        "grants",
        "offers",
        "login_failures",
        "tokens",
        "people",
    ):
        op.drop_table(table)


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("username", sa.String(32)),
        sa.Column("uid", sa.BigInteger, nullable=False),
        sa.Column("gid", sa.BigInteger, nullable=False),
        sa.Column("full_name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("username", name="pk_people"),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", Id),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("last_used_at", Instant),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tokens_username", "tokens", ["username"])


def _login_failures() -> None:
    op.create_table(
        "login_failures",
        sa.Column("id", Id),
        sa.Column("key_digest", sa.String(64), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_login_failures"),
    )
    op.create_index("ix_login_failures_key_digest_at", "login_failures", ["key_digest", "at"])
    op.create_index("ix_login_failures_at", "login_failures", ["at"])


def _offers() -> None:
    op.create_table(
        "offers",
        sa.Column("kind", sa.String(16)),
        sa.Column("name", sa.String(64)),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_offers"),
    )


def _grants() -> None:
    op.create_table(
        "grants",
        sa.Column("id", Id),
        sa.Column("subject_kind", sa.String(16), nullable=False),
        sa.Column("subject_name", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("resource_kind", sa.String(16), nullable=False),
        sa.Column("resource_name", sa.String(255), nullable=False),
        sa.Column("granted_by", sa.Text, nullable=False),
        sa.Column("expires", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
    )
    op.create_index("ix_grants_subject", "grants", ["subject_kind", "subject_name"])


def _user_volumes() -> None:
    op.create_table(
        "user_volumes",
        sa.Column("id", Id),
        sa.Column("root", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.UniqueConstraint("root", "owner", "name", name="uq_user_volumes_root_owner_name"),
        sa.PrimaryKeyConstraint("id", name="pk_user_volumes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_user_volumes_owner", "user_volumes", ["owner"])


def _job_ids() -> None:
    op.create_table(
        "job_ids",
        sa.Column("id", Id),
        sa.PrimaryKeyConstraint("id", name="pk_job_ids"),
        sqlite_autoincrement=True,
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", Id, autoincrement=False),
        sa.Column("uuid", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("uid", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("domain", sa.String(64), nullable=False),
        sa.Column("image", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("restarts", sa.Integer, nullable=False),
        sa.Column("slurm_id", sa.BigInteger),
        sa.Column("claimed_by", sa.BigInteger),
        sa.Column("cluster", sa.String(64), nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("expected_start", Instant),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("cancel_by", sa.Text),
        sa.Column("tasks", sa.Text, nullable=False),
        sa.Column("end", sa.Text),
        sa.Column("usage", sa.Text),
        sa.Column("accepted_at", Instant, nullable=False),
        sa.Column("submitted_at", Instant),
        sa.Column("started_at", Instant),
        sa.Column("ended_at", Instant),
        sa.Column("not_before", Instant),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
        sa.Column("claim_digest", sa.String(64), nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("uuid", name="uq_jobs_uuid"),
        sa.UniqueConstraint("owner", "idempotency_key", name="uq_jobs_owner_idempotency_key"),
    )
    op.create_index("ix_jobs_owner_id", "jobs", ["owner", "id"])
    op.create_index("ix_jobs_owner_state", "jobs", ["owner", "state"])
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"])
    op.create_index("ix_jobs_ended_at", "jobs", ["ended_at"])


def _job_requests() -> None:
    op.create_table(
        "job_requests",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name="fk_job_requests_job_id"), autoincrement=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_requests"),
    )


def _job_events() -> None:
    op.create_table(
        "job_events",
        sa.Column("id", Id),
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name="fk_job_events_job_id"), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job_events"),
    )
    op.create_index("ix_job_events_job_id_id", "job_events", ["job_id", "id"])


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(16)),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def _notes() -> None:
    op.create_table(
        "notes",
        sa.Column("key", sa.String(255)),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_notes"),
    )


_CREATE = (
    _people,
    _tokens,
    _login_failures,
    _offers,
    _grants,
    _user_volumes,
    _job_ids,
    _jobs,
    _job_requests,
    _job_events,
    _leases,
    _notes,
)
