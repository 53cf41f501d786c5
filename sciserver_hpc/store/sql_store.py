"""`ports.Store` on a SQL database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from sqlalchemy import text

from ..domain.errors import Unavailable
from . import migrate
from .archive import Archive
from .audit import Audit
from .catalogue import Catalogue
from .database import Database
from .engine import TIMEOUT_S, make_engine
from .grants import Grants
from .groups import Groups
from .job_changes import JobChanges
from .jobs import Jobs
from .leadership import Leadership
from .listing import Listing
from .notifications import Notifications
from .passes import Passes
from .people import People
from .reach import Reach
from .service_accounts import ServiceAccounts
from .sessions import Sessions
from .supports import Supports
from .tasks import Tasks
from .tokens import Tokens
from .unix_groups import UnixGroups
from .upkeeps import Upkeeps
from .volumes import Volumes


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlStore(
    People,
    Tokens,
    Supports,
    Catalogue,
    Grants,
    Groups,
    Reach,
    ServiceAccounts,
    Upkeeps,
    UnixGroups,
    Audit,
    Volumes,
    Jobs,
    Listing,
    Archive,
    JobChanges,
    Tasks,
    Sessions,
    Passes,
    Notifications,
    Leadership,
):
    """The whole store: one part per noun, all over one `Database`.

    `url`: see `engine.make_engine`. Connects at first use; close it when done. `now` serves `active_jobs`.
    """

    def __init__(
        self,
        url: str,
        password: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        engine = make_engine(url, password, timeout_s=timeout_s)
        super().__init__(Database(engine, timeout_s), now)

    def transaction(self) -> AbstractContextManager[None]:
        """See `ports.Store`."""
        return self._database.transaction()

    def ping(self) -> str:
        """See `ports.Store`.

        A schema of another version than this program's counts as no answer.
        """
        with self._database.reading() as connection:
            name = connection.dialect.name
            function = "sqlite_version()" if name == "sqlite" else "current_setting('server_version')"
            version = connection.execute(text(f"SELECT {function}")).scalar_one()
            schema, wanted = migrate.revision(connection), migrate.head()
        if schema != wanted:
            found = f"its schema is {schema or 'missing'}, this program needs {wanted}"
            raise Unavailable("database", f"{found}; an administrator runs `sciserver-hpc db upgrade`")
        return f"{'SQLite' if name == 'sqlite' else 'PostgreSQL'} {version}, schema {schema}"

    def close(self) -> None:
        """Close the connections."""
        self._database.close()
