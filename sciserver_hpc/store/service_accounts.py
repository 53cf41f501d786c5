"""Service accounts, and who answers for them. Their tokens are with all others, by the name they ask by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, delete, exists, false, insert, or_, select, update

from ..domain.access import Subject, SubjectKind
from ..domain.groups import Role, Status, likeness
from ..domain.service_accounts import ServiceAccount
from .grant_rows import subject_of
from .part import Part
from .schema import grants, memberships, service_accounts, tokens

_LIVE = service_accounts.c.deleted_at.is_(None)
_FIELDS = set(ServiceAccount.model_fields) - {"owner"}


class ServiceAccounts(Part):
    """Queries on `service_accounts`."""

    def add_service_account(self, account: ServiceAccount) -> None:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            connection.execute(insert(service_accounts).values(_row(account)))

    def change_service_account(self, account: ServiceAccount) -> None:
        """See `ports.Store`."""
        changed = update(service_accounts).where(service_accounts.c.name == account.name)
        with self._database.writing() as connection:
            connection.execute(changed.values(_row(account)))

    def delete_service_account(self, account: ServiceAccount, now: datetime) -> None:
        """See `ports.Store`. No filesystem names it, so that no volume is marked."""
        kind, name = SubjectKind.SERVICE, account.name
        gone = update(service_accounts).where(service_accounts.c.name == name).values(deleted_at=now)
        member = (memberships.c.member_kind == kind) & (memberships.c.member_name == name)
        granted = (grants.c.subject_kind == kind) & (grants.c.subject_name == name)
        with self._database.writing() as connection:
            connection.execute(gone)
            connection.execute(delete(tokens).where(tokens.c.username == account.caller))
            connection.execute(delete(memberships).where(member))
            connection.execute(delete(grants).where(granted))

    def service_account(self, name: str) -> ServiceAccount | None:
        """See `ports.Store`."""
        found = self._accounts(_accounts_where(service_accounts.c.name == name))
        return found[0] if found else None

    def service_account_once(self, name: str) -> bool:
        """See `ports.Store`."""
        used = exists().where(service_accounts.c.likeness == likeness(name))
        with self._database.reading() as connection:
            return bool(connection.execute(select(used)).scalar_one())

    def service_accounts_of(self, owners: Sequence[Subject]) -> list[ServiceAccount]:
        """See `ports.Store`."""
        columns = service_accounts.c
        theirs = (
            (columns.owner_kind == kind)
            & columns.owner_name.in_([one.name for one in owners if one.kind is kind])
            for kind in sorted({one.kind for one in owners})
        )
        return self._accounts(_accounts_where(or_(false(), *theirs)))

    def service_accounts(self, after: str, limit: int) -> list[ServiceAccount]:
        """See `ports.Store`."""
        return self._accounts(_accounts_where(service_accounts.c.name > after).limit(limit))

    def service_accounts_like(self, prefix: str, limit: int) -> list[ServiceAccount]:
        """See `ports.Store`."""
        like = service_accounts.c.name.startswith(prefix.lower(), autoescape=True)
        return self._accounts(_accounts_where(like).limit(limit))

    def answering(self, account: ServiceAccount) -> list[str]:
        """See `ports.Store`."""
        if account.owner.kind is SubjectKind.USER:
            return [account.owner.name]
        columns = memberships.c
        leading = select(columns.member_name).where(
            columns.group_name == account.owner.name,
            columns.member_kind == SubjectKind.USER,
            columns.status == Status.ACCEPTED,
            columns.role.in_([Role.OWNER, Role.ADMIN]),
        )
        owner_first = case((columns.role == Role.OWNER, 0), else_=1)
        with self._database.reading() as connection:
            return list(connection.execute(leading.order_by(owner_first, columns.member_name)).scalars())

    def _accounts(self, wanted: Select[Any]) -> list[ServiceAccount]:
        with self._database.reading() as connection:
            return [_account(row) for row in connection.execute(wanted)]


def _accounts_where(condition: ColumnElement[bool]) -> Select[Any]:
    return select(service_accounts).where(_LIVE, condition).order_by(service_accounts.c.name)


def managed_by(username: str, administered: Select[str]) -> Select[str]:
    """Names of the accounts of a person, and of the groups they administer."""
    columns = service_accounts.c
    mine = (columns.owner_kind == SubjectKind.USER) & (columns.owner_name == username)
    ours = (columns.owner_kind == SubjectKind.PORTAL_GROUP) & columns.owner_name.in_(administered)
    return select(columns.name).where(_LIVE, or_(mine, ours))


def _row(account: ServiceAccount) -> dict[str, Any]:
    """All columns but `id` and `deleted_at`."""
    owner = {"owner_kind": account.owner.kind, "owner_name": account.owner.name}
    return account.model_dump(include=_FIELDS) | owner | {"likeness": likeness(account.name)}


def _account(row: Any) -> ServiceAccount:
    columns = row._mapping
    owner = subject_of(row.owner_kind, row.owner_name)
    return ServiceAccount(owner=owner, **{name: columns[name] for name in _FIELDS})
