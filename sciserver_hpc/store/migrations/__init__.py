"""Alembic's environment and the revisions of the schema, each written by hand."""
