"""User volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from ..domain.volumes import UserVolume
from .marking import mark_known
from .part import Part
from .schema import upkeep, user_volumes

_CHUNK = 500
"""Addresses in one statement: engines bound its parameters."""


class Volumes(Part):
    """Queries on `user_volumes`."""

    def user_volumes(self, owner: str) -> list[UserVolume]:
        """See `ports.Store`.

        Sorted by root, then name.
        """
        theirs = select(user_volumes).where(user_volumes.c.owner == owner)
        ordered = theirs.order_by(user_volumes.c.root, user_volumes.c.name)
        with self._database.reading() as connection:
            return [UserVolume.model_validate(dict(row._mapping)) for row in connection.execute(ordered)]

    def user_volume(self, root: str, owner: str, name: str) -> UserVolume | None:
        """See `ports.Store`."""
        with self._database.reading() as connection:
            return _find(connection, root, owner, name)

    def user_volumes_at(self, addresses: Sequence[tuple[str, ...]]) -> list[UserVolume]:
        """See `ports.Store`."""
        key = tuple_(user_volumes.c.root, user_volumes.c.owner, user_volumes.c.name)
        found: dict[str, UserVolume] = {}
        with self._database.reading() as connection:
            for start in range(0, len(addresses), _CHUNK):
                wanted = select(user_volumes).where(key.in_(addresses[start : start + _CHUNK]))
                volumes = (
                    UserVolume.model_validate(dict(row._mapping)) for row in connection.execute(wanted)
                )
                found.update({volume.ref: volume for volume in volumes})
        refs = map("/".join, addresses)
        return [found[ref] for ref in refs if ref in found]

    def count_user_volumes(self, root: str) -> int:
        """See `ports.Store`."""
        wanted = select(func.count()).where(user_volumes.c.root == root)
        with self._database.reading() as connection:
            return int(connection.execute(wanted).scalar_one())

    def add_user_volume(self, root: str, owner: str, name: str, description: str) -> UserVolume:
        """See `ports.Store`."""
        row = {"root": root, "owner": owner, "name": name, "description": description}
        with self._database.writing() as connection:
            connection.execute(self._database.insert(user_volumes).values(row).on_conflict_do_nothing())
            columns = upkeep.c
            same = (columns.root == root) & (columns.owner == owner) & (columns.name == name)
            mark_known(connection, same, self._now())
            found = _find(connection, root, owner, name)
        if found is None:
            raise AssertionError("a row written in this transaction is there")
        return found


def _find(connection: Connection, root: str, owner: str, name: str) -> UserVolume | None:
    row = connection.execute(select(user_volumes).where(*_address(root, owner, name))).one_or_none()
    return None if row is None else UserVolume.model_validate(dict(row._mapping))


def _address(root: str, owner: str, name: str) -> tuple[ColumnElement[Any], ...]:
    columns = user_volumes.c
    return columns.root == root, columns.owner == owner, columns.name == name
