"""Bringing a database to this program's schema, by Alembic without an alembic.ini."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from .database import Database
from .engine import make_engine

_ONE_AT_A_TIME = 0x5C15E12
"""Key of the advisory lock that lets one upgrade run at a time on PostgreSQL; SQLite's write lock does so."""


def upgrade(url: str, password: str | None = None, *, to: str | None = None) -> str:
    """Create or upgrade the tables in one transaction, to this program's schema or an earlier one; return the
    revision reached.

    Raises Unavailable.
    """
    database = Database(make_engine(url, password, timeout_s=30))
    try:
        with database.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
            command.upgrade(_config(connection), to or head())
    finally:
        database.close()
    return to or head()


def current(url: str, password: str | None = None) -> str | None:
    """The database's revision; None when it has no tables.

    Raises Unavailable.
    """
    database = Database(make_engine(url, password))
    try:
        with database.reading() as connection:
            return revision(connection)
    finally:
        database.close()


def revision(connection: Connection) -> str | None:
    """The revision of the database behind `connection`."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str:
    """The revision this program needs."""
    found = ScriptDirectory.from_config(_config(None)).get_current_head()
    if found is None:
        raise AssertionError("the package carries its migrations")
    return found


def _config(connection: Connection | None) -> Config:
    config = Config(attributes={"connection": connection})
    # ConfigParser would read a % in the path as the start of a variable.
    here = str(Path(__file__).with_name("migrations")).replace("%", "%%")
    config.set_main_option("script_location", here)
    config.set_main_option("path_separator", "os")
    return config
