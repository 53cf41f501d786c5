"""Groups and who is in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)

from ..domain.access import Subject, SubjectKind
from ..domain.groups import Accessibility, Group, Membership, Role, Source, Status, likeness, portal_group
from .group_rows import group_of, group_row, member_columns, membership_of, membership_row
from .marking import mark_reached
from .part import Part
from .schema import grants, groups, memberships
from .service_accounts import managed_by

_HOLD = 0x5C15E13
"""Key of PostgreSQL's advisory lock that `hold_access` takes; SQLite's writers take turns anyway."""

_LIVE = groups.c.deleted_at.is_(None)
_PORTAL = groups.c.source == Source.PORTAL


class Groups(Part):
    """Queries on `groups` and `memberships`."""

    def hold_access(self) -> None:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _HOLD})

    def add_group(self, group: Group) -> None:
        """See `ports.Store`."""
        with self._database.writing() as connection:
            connection.execute(insert(groups).values(group_row(group)))

    def change_group(self, group: Group) -> None:
        """See `ports.Store`."""
        changed = update(groups).where(_PORTAL, groups.c.name == group.name).values(group_row(group))
        with self._database.writing() as connection:
            connection.execute(changed)

    def delete_group(self, name: str, now: datetime) -> None:
        """See `ports.Store`."""
        columns, kind = memberships.c, SubjectKind.PORTAL_GROUP
        nested = (columns.member_kind == kind) & (columns.member_name == name)
        theirs = delete(grants).where(grants.c.subject_kind == kind, grants.c.subject_name == name)
        with self._database.writing() as connection:
            mark_reached(self._database, connection, [Subject(kind=kind, name=name)], now)
            connection.execute(
                update(groups)
                .where(_PORTAL, groups.c.name == name)
                .values(deleted_at=now, owner="", heir=None)
            )
            connection.execute(delete(memberships).where(or_(columns.group_name == name, nested)))
            connection.execute(theirs)

    def count_owned(self, username: str) -> int:
        """See `ports.Store`."""
        mine = select(func.count()).where(_PORTAL, groups.c.owner == username, _LIVE)
        with self._database.reading() as connection:
            return connection.execute(mine).scalar_one()

    def group(self, name: str) -> Group | None:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            wanted = select(groups).where(_PORTAL, groups.c.name == name, _LIVE)
            row = connection.execute(wanted).one_or_none()
        return None if row is None else group_of(row)

    def directory_group(self, name: str) -> bool:
        """See `ports.Store`."""
        named = exists().where(groups.c.source == Source.DIRECTORY, groups.c.name == name)
        with self._database.reading() as connection:
            return bool(connection.execute(select(named)).scalar_one())

    def group_gid(self, name: str) -> int | None:
        """See `ports.Store`."""
        wanted = select(groups.c.gid).where(groups.c.source == Source.DIRECTORY, groups.c.name == name)
        with self._database.reading() as connection:
            return connection.execute(wanted).scalar_one_or_none()

    def note_group_gid(self, name: str, gid: int | None) -> None:
        """See `ports.Store`."""
        noted = update(groups).where(groups.c.source == Source.DIRECTORY, groups.c.name == name)
        with self._database.writing() as connection:
            connection.execute(noted.values(gid=gid))

    def groups_alike(self, name: str) -> list[Group]:
        """See `ports.Store`."""
        wanted = select(groups).where(groups.c.likeness == likeness(name), _LIVE)
        with self._database.reading() as connection:
            return [group_of(row) for row in connection.execute(wanted.order_by(groups.c.id))]

    def group_once(self, name: str) -> bool:
        """See `ports.Store`."""
        gone = exists().where(_PORTAL, groups.c.likeness == likeness(name), groups.c.deleted_at.is_not(None))
        with self._database.reading() as connection:
            return bool(connection.execute(select(gone)).scalar_one())

    def public_groups(self, after: str = "", limit: int = 100) -> list[Group]:
        """See `ports.Store`."""
        public = select(groups).where(
            _PORTAL, _LIVE, groups.c.accessibility == Accessibility.PUBLIC, groups.c.name > after
        )
        with self._database.reading() as connection:
            return [group_of(row) for row in connection.execute(public.order_by(groups.c.name).limit(limit))]

    def groups_like(self, prefix: str, limit: int, *, hidden: bool) -> list[Group]:
        """See `ports.Store`."""
        like = func.lower(groups.c.name).startswith(prefix.lower(), autoescape=True)
        wanted = select(groups).where(_LIVE, like).order_by(groups.c.name, groups.c.source).limit(limit)
        if not hidden:
            wanted = wanted.where(_PORTAL, groups.c.accessibility == Accessibility.PUBLIC)
        with self._database.reading() as connection:
            return [group_of(row) for row in connection.execute(wanted)]

    def membership(self, group: str, member: Subject) -> Membership | None:
        """See `ports.Store`."""
        columns, named = memberships.c, member_columns(member)
        wanted = select(memberships).where(
            columns.group_name == group, *(columns[name] == value for name, value in named.items())
        )
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else membership_of(row)

    def put_memberships(self, changed: Sequence[Membership]) -> None:
        """See `ports.Store`."""
        key = ["group_name", "member_kind", "member_name"]
        with self._database.writing() as connection:
            for membership in changed:
                added = self._database.insert(memberships).values(membership_row(membership))
                rest = {
                    name: added.excluded[name] for name in ("role", "status", "barred", "by", "changed_at")
                }
                connection.execute(added.on_conflict_do_update(index_elements=key, set_=rest))
            changed_groups = {portal_group(one.group) for one in changed}
            mark_reached(self._database, connection, changed_groups, self._now())

    def members(
        self, group: str, statuses: Sequence[Status], after: Subject | None = None, limit: int = 100
    ) -> list[Membership]:
        """See `ports.Store`."""
        columns = memberships.c
        key = tuple_(columns.member_kind, columns.member_name)
        wanted = select(memberships).where(columns.group_name == group, columns.status.in_(statuses))
        if after is not None:
            wanted = wanted.where(key > (str(after.kind), after.name))
        ordered = wanted.order_by(columns.member_kind, columns.member_name).limit(limit)
        with self._database.reading() as connection:
            return [membership_of(row) for row in connection.execute(ordered)]

    def memberships_of(self, members: Sequence[Subject], statuses: Sequence[Status]) -> list[Membership]:
        """See `ports.Store`."""
        columns = memberships.c
        theirs = or_(
            false(),
            *(
                (columns.member_kind == kind)
                & columns.member_name.in_([member.name for member in members if member.kind is kind])
                for kind in sorted({member.kind for member in members})
            ),
        )
        wanted = select(memberships).where(theirs, columns.status.in_(statuses))
        with self._database.reading() as connection:
            return [
                membership_of(row)
                for row in connection.execute(wanted.order_by(columns.group_name, columns.id))
            ]

    def administered(self, username: str) -> list[str]:
        """See `ports.Store`."""
        wanted = _administered(username).order_by(memberships.c.group_name)
        with self._database.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def offered(self, username: str) -> list[tuple[Group, Membership]]:
        """See `ports.Store`."""
        columns = memberships.c
        me = (columns.member_kind == SubjectKind.USER) & (columns.member_name == username)
        with self._database.reading() as connection:
            named = [group_of(row) for row in connection.execute(select(groups).where(_offered(username)))]
            wanted = select(memberships).where(me, columns.group_name.in_([group.name for group in named]))
            mine = {one.group: one for one in map(membership_of, connection.execute(wanted))} if named else {}
        found = [(group, mine[group.name]) for group in named if group.name in mine]
        return sorted(found, key=lambda one: one[0].name)

    def count_invitations(self, username: str) -> int:
        """See `ports.Store`."""
        columns, mine = memberships.alias().c, _administered(username)
        me = (columns.member_kind == SubjectKind.USER) & (columns.member_name == username)
        ours = (columns.member_kind == SubjectKind.PORTAL_GROUP) & columns.member_name.in_(mine)
        programs = managed_by(username, mine)
        managed = (columns.member_kind == SubjectKind.SERVICE) & columns.member_name.in_(programs)
        invited = select(func.count()).where(or_(me, ours, managed), columns.status == Status.INVITED)
        offered = select(func.count()).select_from(groups).where(_offered(username))
        wanted = select(invited.scalar_subquery() + offered.scalar_subquery())
        with self._database.reading() as connection:
            count: int = connection.execute(wanted).scalar_one()
        return count


def _offered(username: str) -> ColumnElement[bool]:
    return and_(groups.c.heir == username, _LIVE)


def _administered(username: str) -> Select[str]:
    columns = memberships.c
    return select(columns.group_name).where(
        columns.member_kind == SubjectKind.USER,
        columns.member_name == username,
        columns.status == Status.ACCEPTED,
        columns.role.in_([Role.ADMIN, Role.OWNER]),
    )
