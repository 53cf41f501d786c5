"""Alembic runs this for every command: it works on the connection `migrate` hands over."""

from __future__ import annotations

from alembic import context

from sciserver_hpc.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite's ALTER TABLE knows little
)
context.run_migrations()
