"""Rows are locked in one order, whoever comes: two logins at once must not wait for each other."""

from __future__ import annotations

from sciserver_hpc.domain.groups import user
from sciserver_hpc.store.reach import portal_groups_reached
from sciserver_hpc.store.sql_store import SqlStore

from .test_access import group, portal, put


def test_groups_above_somebody_come_in_order_however_they_are_reached(store: SqlStore) -> None:
    for name in ("a", "m", "z"):
        store.add_group(group(name))
    above = {"dan": "z", "carol": "a"}
    put(store, (portal("z"), "m"), (portal("m"), "a"), (user("carol"), "z"))
    put(store, *((user(who), name) for who, name in above.items()))
    for who in above:
        with store._database.reading() as connection:
            assert portal_groups_reached(connection, [user(who)]) == ["a", "m", "z"]
