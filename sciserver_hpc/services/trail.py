"""How a change of groups or grants is made: in turn, told in the audit trail, and a refusal told as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from ..domain.access import Resource, Subject
from ..domain.audit import Asker, Entry, Outcome
from ..domain.errors import Conflict, Invalid, Refused
from ..ports import Clock, Store

REPEATED = timedelta(hours=1)
"""A refusal that was recorded so lately is not recorded again: owners read the trail, and strangers may ask
for ever."""


@dataclass
class Act:
    """What is being done, as the trail will tell it.

    owner: whose the thing is; told: cleared when nothing changed after all.
    """

    act: str
    on: Resource
    whom: Subject | None = None
    detail: str = ""
    owner: str = ""
    told: bool = True


class Trail:
    """Changes with their lines in the audit trail, in one transaction each."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @contextmanager
    def acting(self, asker: Asker, act: Act) -> Iterator[Act]:
        """The block that changes something: it holds all other changes of groups and grants off.

        What it refuses by Refused, Conflict or Invalid is recorded, once in REPEATED, and raised when that is
        safe; it must decide before it writes. Any other error leaves no trace.
        """
        refusal: Refused | Conflict | Invalid | None = None
        with self._store.transaction():
            self._store.hold_access()
            try:
                yield act
            except (Refused, Conflict, Invalid) as error:
                refusal = error
            entry = self._entry(asker, act, refusal)
            if act.told if refusal is None else not self._store.refused_since(entry, entry.at - REPEATED):
                self._store.record([entry])
        if refusal is not None:
            raise refusal

    def _entry(self, asker: Asker, act: Act, refusal: Exception | None) -> Entry:
        return Entry(
            at=self._clock.now(),
            who=asker.person.username,
            act=act.act,
            on=act.on,
            whom=act.whom,
            outcome=Outcome.DONE if refusal is None else Outcome.REFUSED,
            detail=act.detail,
            reason="" if refusal is None else str(refusal),
            request_id=asker.request_id,
            owner=act.owner,
        )
