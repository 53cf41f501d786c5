"""All tables.

What is filtered, sorted or compared is a column; the rest of a model is JSON text in one. A change here needs
a migration in `migrations/versions`: a test compares the two on both engines.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from .columns import Id, Instant, Words

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

people = Table(
    "people",
    metadata,
    Column("username", String(32), primary_key=True),
    Column("uid", BigInteger, nullable=False),
    Column("gid", BigInteger, nullable=False),
    Column("full_name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("admin", Boolean, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("username", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    UniqueConstraint("digest"),
    Index("ix_tokens_username", "username"),
    sqlite_autoincrement=True,
)

support_sessions = Table(
    "support_sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("actor", String(32), nullable=False),
    Column("username", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("login", Id, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("seen", Text, nullable=False),
    UniqueConstraint("digest"),
    Index("ix_support_sessions_ended_at", "ended_at"),
    sqlite_autoincrement=True,
)
"""Who looks as whom. login: id of the token of whoever looks; ended_at: once its end is told."""

login_failures = Table(
    "login_failures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key_digest", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_login_failures_key_digest_at", "key_digest", "at"),
    Index("ix_login_failures_at", "at"),
)

offers = Table(
    "offers",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("body", Text, nullable=False),
)
"""The catalogue: domains, images, root and data volumes, limits, in the order the site wrote them."""

GRANT_KEY = ("subject_kind", "subject_name", "resource_kind", "resource_name", "action", "granted_by")
"""What makes a grant the same one given again."""

grants = Table(
    "grants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject_kind", String(16), nullable=False),
    Column("subject_name", String(255), nullable=False),
    Column("action", String(16), nullable=False),
    Column("resource_kind", String(16), nullable=False),
    Column("resource_name", String(255), nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires", Instant),
    # What reaches a person is found by its subject and thing, whatever others were granted.
    Index("ix_grants_one", *GRANT_KEY, unique=True),
    Index("ix_grants_resource", "resource_kind", "resource_name", "id"),
    Index("ix_grants_granted_by", "granted_by", "id"),
    sqlite_autoincrement=True,
)

groups = Table(
    "groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(16), nullable=False),
    Column("name", String(255), nullable=False),
    Column("likeness", String(255), nullable=False),
    Column("description", Text, nullable=False),
    Column("owner", String(32), nullable=False),
    Column("heir", String(32)),
    Column("accessibility", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    Column("gid", BigInteger),
    UniqueConstraint("source", "name"),
    Index("ix_groups_likeness", "likeness"),
    Index("ix_groups_heir", "heir"),
)
"""Those of the portal, deleted ones too, and those of the directory that somebody who logged in is in.

gid: of the directory's, as it was told last.
"""

service_accounts = Table(
    "service_accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(32), nullable=False),
    Column("likeness", String(32), nullable=False),
    Column("owner_kind", String(16), nullable=False),
    Column("owner_name", String(255), nullable=False),
    Column("description", Text, nullable=False),
    Column("created_by", String(32), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("disabled_by", String(32), nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("deleted_at", Instant),
    UniqueConstraint("name"),
    UniqueConstraint("likeness"),
    Index("ix_service_accounts_owner", "owner_kind", "owner_name"),
)
"""Programs with tokens of their own, deleted ones too: no name is given twice."""

memberships = Table(
    "memberships",
    metadata,
    Column("id", Id, primary_key=True),
    Column("group_name", String(64), nullable=False),
    Column("member_kind", String(16), nullable=False),
    Column("member_name", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("barred", Boolean, nullable=False),
    Column("by", String(32), nullable=False),
    Column("changed_at", Instant, nullable=False),
    UniqueConstraint("group_name", "member_kind", "member_name"),
    Index("ix_memberships_member", "member_kind", "member_name", "status", "group_name"),
)
"""Who is, or was, in which group of the portal."""

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("who", String(32), nullable=False),
    Column("act", String(32), nullable=False),
    Column("on_kind", String(16), nullable=False),
    Column("on_name", String(255), nullable=False),
    Column("whom_kind", String(16)),
    Column("whom_name", String(255)),
    Column("outcome", String(16), nullable=False),
    Column("detail", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("owner", String(32), nullable=False),
    Index("ix_audit_on", "on_kind", "on_name", "id"),
    Index("ix_audit_who", "who", "id"),
    Index("ix_audit_whom", "whom_kind", "whom_name", "id"),
    Index("ix_audit_owner", "owner", "id"),
    Index("ix_audit_at", "at", "id"),
    sqlite_autoincrement=True,
)
"""Append-only: triggers refuse to change or delete a row."""

user_volumes = Table(
    "user_volumes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("root", String(64), nullable=False),
    Column("owner", String(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("description", Text, nullable=False),
    UniqueConstraint("root", "owner", "name"),
    Index("ix_user_volumes_owner", "owner"),
    sqlite_autoincrement=True,
)

upkeep = Table(
    "upkeep",
    metadata,
    Column("root", String(64), primary_key=True),
    Column("owner", String(32), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("marks", Integer, nullable=False),
    Column("due_at", Instant),
    Column("busy_until", Instant),
    Column("guest", BigInteger),
    Column("body", Text, nullable=False),
    Index("ix_upkeep_due_at", "due_at"),
    Index("ix_upkeep_owner", "owner"),
)
"""User volumes on which something is or was granted: how far their filesystem follows (domain/upkeep.py)."""

unix_groups = Table(
    "unix_groups",
    metadata,
    Column("group_name", String(64), primary_key=True),
    Column("gid", BigInteger),
    Column("version", Integer, nullable=False),
    Column("marks", Integer, nullable=False),
    Column("due_at", Instant),
    Column("look_at", Instant),
    Column("busy_until", Instant),
    Column("body", Text, nullable=False),
    UniqueConstraint("gid"),
    Index("ix_unix_groups_due_at", "due_at"),
    Index("ix_unix_groups_look_at", "look_at"),
)
"""Groups of the portal that are, or were, Unix groups (domain/unix_groups.py). No row ever goes: files may
carry its number."""

LOST = text("state = 'LOST'")
ASKS_GPUS = {
    "sqlite": text("json_extract(spec, '$.resources.gpus') > 0"),
    "postgresql": text("CAST(CAST(spec AS json)->'resources'->>'gpus' AS integer) > 0"),
}
"""In words: an engine uses an index of some rows only where it reads the same words."""

job_ids = Table("job_ids", metadata, Column("id", Id, primary_key=True), sqlite_autoincrement=True)
"""One row per job id ever reserved: ids grow, and none comes twice."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("uuid", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("owner", String(32), nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("domain", String(64), nullable=False),
    Column("image", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("restarts", Integer, nullable=False),
    Column("slurm_id", BigInteger),
    Column("claimed_by", BigInteger),
    Column("cluster", String(64), nullable=False),
    Column("spec", Text, nullable=False),
    Column("reason", Words, nullable=False),
    Column("expected_start", Instant),
    Column("node", Words, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("cancel_by", Text),
    Column("tasks", Text, nullable=False),
    Column("end", Text),
    Column("usage", Text),
    Column("accepted_at", Instant, nullable=False),
    Column("submitted_at", Instant),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("not_before", Instant),
    Column("attempts", Integer, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("claim_digest", String(64), nullable=False),
    Column("idempotency_key", Text),
    Column("fingerprint", Text, nullable=False),
    UniqueConstraint("uuid"),
    UniqueConstraint("owner", "idempotency_key"),
    # All that lists are searched by, so that looking through a thousand jobs reads none of their rows.
    Index("ix_jobs_search", "owner", "id", "state", "domain", "name", "accepted_at"),
    Index("ix_jobs_owner_state_id", "owner", "state", "id"),
    Index("ix_jobs_owner_accepted_at", "owner", "accepted_at", "id"),
    Index("ix_jobs_state_id", "state", "id"),
    Index("ix_jobs_ended_at", "ended_at"),
    Index("ix_jobs_owner_ended_at", "owner", "ended_at"),
    Index("ix_jobs_lost", "state", "changed_at", postgresql_where=LOST, sqlite_where=LOST),
    Index(
        "ix_jobs_gpus",
        "owner",
        "ended_at",
        postgresql_where=ASKS_GPUS["postgresql"],
        sqlite_where=ASKS_GPUS["sqlite"],
    ),
)

job_requests = Table(
    "job_requests",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True, autoincrement=False),
    Column("request", Text, nullable=False),
)

job_events = Table(
    "job_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("text", Words, nullable=False),
    Index("ix_job_events_job_id_id", "job_id", "id"),
)

job_tasks = Table(
    "job_tasks",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True, autoincrement=False),
    Column("task", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("restarts", Integer, nullable=False),
    Column("node", Words, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("elapsed_s", BigInteger),
    Column("cpu_s", Float),
    Column("max_rss", BigInteger),
)
"""Tasks of arrays that began, or ended without (domain/tasks.py)."""

sessions = Table(
    "sessions",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True, autoincrement=False),
    Column("uuid", String(32), nullable=False),
    Column("owner", String(32), nullable=False),
    Column("app", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("forgotten", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("uuid"),
    Index("ix_sessions_owner_job_id", "owner", "job_id"),
    Index("ix_sessions_closed", "closed"),
)
"""What jobs of kind `session` have beyond a job (domain/sessions.py)."""

session_passes = Table(
    "session_passes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, ForeignKey("jobs.id"), nullable=False),
    Column("username", String(32), nullable=False),
    Column("login", Id, nullable=False),
    Column("mode", String(8), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("closed_at", Instant),
    UniqueConstraint("digest"),
    Index("ix_session_passes_job_id", "job_id"),
    Index("ix_session_passes_closed_at_used_at", "closed_at", "used_at"),
    sqlite_autoincrement=True,
)
"""digest: of the ticket until `used_at`, then of the cookie. login: id of a token."""

session_presets = Table(
    "session_presets",
    metadata,
    Column("owner", String(32), primary_key=True),
    Column("app", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("request", Text, nullable=False),
)
"""Forms that people keep under a name."""
notification_choices = Table(
    "notification_choices",
    metadata,
    Column("username", String(32), primary_key=True),
    Column("body", Text, nullable=False),
)
"""Of people who said what they want to be told of (domain/notifications.py)."""

notifications = Table(
    "notifications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(128), nullable=False),
    Column("username", String(32), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("problem", Words, nullable=False),
    Column("sent_at", Instant),
    Column("given_up_at", Instant),
    UniqueConstraint("key", "username", "channel"),
    Index("ix_notifications_due_at", "due_at"),
    Index("ix_notifications_username", "username", "id"),
    Index("ix_notifications_created_at", "created_at"),
    sqlite_autoincrement=True,
)
"""The outbox. due_at: of the next attempt, null once it is sent or given up."""

archive_files = Table(
    "archive_files",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("jobs", Integer, nullable=False),
    Column("begun_at", Instant, nullable=False),
    Column("done_at", Instant),
    Column("barred", Boolean, nullable=False),
)
"""Files of the archive (store/archive.py). done_at: since when it counts; barred: it never will."""

archived_jobs = Table(
    "archived_jobs",
    metadata,
    Column("job_id", Id, primary_key=True, autoincrement=False),
    Column("uuid", String(32), nullable=False),
    Column("owner", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("results", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("file", String(128), nullable=False),
    Column("archived_at", Instant, nullable=False),
    UniqueConstraint("uuid"),
    UniqueConstraint("owner", "idempotency_key"),
    Index("ix_archived_jobs_owner_job_id", "owner", "job_id"),
)
"""What stays known of jobs in the archive (domain/archive.py)."""

leases = Table(
    "leases",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("value", Text, nullable=False),
)
