"""Migrations lead to the schema the program was written for."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from sciserver_hpc.domain.errors import Unavailable
from sciserver_hpc.store import migrate
from sciserver_hpc.store.engine import make_engine
from sciserver_hpc.store.schema import metadata
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.jobs import next_job_id


def test_migrations_make_the_tables_of_the_schema(url: str) -> None:
    engine = make_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_constraints_are_those_of_the_schema(url: str) -> None:
    engine = make_engine(url)
    inspector = inspect(engine)
    for table in metadata.sorted_tables:
        # SQLite does not keep the name of a key that numbers rows by itself.
        assert inspector.get_pk_constraint(table.name)["name"] in {table.primary_key.name, None}
        foreign = {key["name"] for key in inspector.get_foreign_keys(table.name)}
        assert foreign == {constraint.name for constraint in table.foreign_key_constraints}
    engine.dispose()


def test_upgrade_twice_changes_nothing(empty_url: str) -> None:
    assert migrate.current(empty_url) is None
    assert migrate.upgrade(empty_url) == migrate.upgrade(empty_url) == migrate.current(empty_url)


def test_missing_tables_are_told_with_their_remedy(empty_url: str) -> None:
    store = SqlStore(empty_url)
    with pytest.raises(Unavailable, match="sciserver-hpc db upgrade"):
        store.ping()
    with pytest.raises(Unavailable, match="sciserver-hpc db upgrade"):
        store.job(1)
    store.close()


def test_ping_names_engine_and_schema(store: SqlStore) -> None:
    assert store.ping().endswith(f"schema {migrate.head()}")
    assert store.ping().startswith(("SQLite 3.", "PostgreSQL "))


def test_the_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "sciserver.db"
    path.touch(0o644)
    migrate.upgrade(f"sqlite:///{path}")
    store = SqlStore(f"sqlite:///{path}")
    next_job_id(store)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    store.close()
    assert modes == dict.fromkeys(modes, 0o600)
    assert "sciserver.db-wal" in modes


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "nonsense"])
def test_other_databases_are_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"(database|SQLite) URL"):
        SqlStore(url)


def test_a_missing_directory_is_unavailable(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/nowhere/sciserver.db")
    with pytest.raises(Unavailable, match="No such file"):
        store.ping()
