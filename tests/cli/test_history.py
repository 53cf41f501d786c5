"""`sciserver-hpc history` over a database and a folder of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sciserver_hpc.cli.admin import admin
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.store.sql_store import SqlStore
from tests.fakes.database import new_database
from tests.fakes.jobs import add_job, make_job, next_job_id

LONG_AGO = datetime.now(UTC) - timedelta(days=100)


class Site:
    """Settings, a database with one job that is long over, and the command."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.archive = folder / "archive"
        self.archive.mkdir()
        url = new_database(folder / "portal.db")
        self.store = SqlStore(url)
        number = next_job_id(self.store)
        job = make_job(number, state=JobState.FAILED, ended_at=LONG_AGO, changed_at=LONG_AGO)
        self.job = add_job(self.store, job, "d", "{}")
        self.url = url
        self.settings(40)
        monkeypatch.setenv("SCISERVER_CONFIG", str(folder / "sciserver.toml"))

    def settings(self, days: int) -> None:
        (self.folder / "users.toml").write_text("")
        (self.folder / "sciserver.toml").write_text(
            f"""
portal.url = "https://localhost"
database.url = "{self.url}"
directory.kind = "static"
directory.users_file = "{self.folder}/users.toml"
history.keep_days = {days}
history.archive_dir = "{self.archive}"
"""
        )

    def __call__(self, *argv: str) -> Result:
        return CliRunner().invoke(admin, ["history", *argv])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_what_would_go_is_told_then_goes_and_is_found(site: Site) -> None:
    assert site("archive", "--dry-run").output == "1 job to archive.\n"
    assert site.store.job(site.job.id) is not None
    assert site("archive").output == "1 job archived.\n"
    assert site.store.job(site.job.id) is None
    assert site("archive").output == "0 jobs archived.\n"
    assert str(site.job.id) in site("list").output
    [listed] = json.loads(site("list", "--user", "alice", "--json").output)
    assert listed["job_id"] == site.job.id
    assert json.loads(site("list", "--user", "bob", "--json").output) == []
    assert json.loads(site("show", str(site.job.id)).output)["job"]["state"] == "FAILED"
    missing = site("show", "99")
    assert missing.exit_code == 1 and "not in the archive" in missing.output


def test_where_all_is_kept_nothing_is_archived(site: Site) -> None:
    site.settings(0)
    refused = site("archive")
    assert refused.exit_code == 2 and "keep_days" in refused.output
    assert site.store.job(site.job.id) is not None


def test_too_short_a_time_is_refused(site: Site) -> None:
    site.settings(10)
    assert "need 35 days" in site("archive").output
