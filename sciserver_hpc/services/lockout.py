"""Guessing passwords made slow, without handing out a way to lock somebody else out.

Three counters of failures within the last hour, each with a wait that doubles from failure to failure:

| counted by | free failures | waits | whom it stops |
|---|---|---|---|
| user and address | 5 | 1 … 15 min | somebody guessing one person's password from one place |
| address | 50 | 1 … 15 min | one place trying many names; a class of thirty behind one address stays below |
| user | 20 | 30 s … 2 min | many places guessing one person's password |

The last one asks for patience only from addresses that have themselves failed for this user within the hour.
So whoever fails on purpose from elsewhere cannot keep the owner out: the right password from a clean address
is always looked at. While a wait lasts nothing is asked of the directory and nothing is counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..domain.errors import LockedOut
from ..ports import Store

WINDOW = timedelta(hours=1)


@dataclass(frozen=True)
class Rule:
    """After `free` failures wait `first`, then twice as long each time, at most `longest`."""

    free: int
    first: timedelta
    longest: timedelta

    def wait(self, failures: int) -> timedelta:
        """How long after the last of `failures` the next try is looked at."""
        if failures < self.free:
            return timedelta(0)
        factor: int = 2 ** min(failures - self.free, 16)
        return min(self.first * factor, self.longest)


PAIR = Rule(free=5, first=timedelta(minutes=1), longest=timedelta(minutes=15))
ADDRESS = Rule(free=50, first=timedelta(minutes=1), longest=timedelta(minutes=15))
USER = Rule(free=20, first=timedelta(seconds=30), longest=timedelta(minutes=2))


class Lockout:
    """Counts failures in the store, so that every portal process knows of them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check(self, username: str, address: str, now: datetime) -> None:
        """Raise LockedOut when this try must wait."""
        pair, pair_wait = self._state(_pair(username, address), PAIR, now)
        waits = [pair_wait, self._state(_address(address), ADDRESS, now)[1]]
        if pair:
            waits.append(self._state(_user(username), USER, now)[1])
        longest = max(waits)
        if longest > timedelta(0):
            raise LockedOut(math.ceil(longest.total_seconds()))

    def failed(self, username: str, address: str, now: datetime) -> None:
        """Count a failure. Unknown users count like known ones, so that nothing shows which they are."""
        for key in (_pair(username, address), _address(address), _user(username)):
            self._store.count_failure(key, now)

    def succeeded(self, username: str, address: str) -> None:
        """Forget this user's failures from this address. The other counters stand: an attacker may own an
        account too."""
        self._store.clear_failures(_pair(username, address))

    def _state(self, key: str, rule: Rule, now: datetime) -> tuple[int, timedelta]:
        count, last = self._store.failures(key, now - WINDOW)
        return count, (last + rule.wait(count) - now) if last else timedelta(0)


def _pair(username: str, address: str) -> str:
    return f"pair:{username}@{address}"


def _address(address: str) -> str:
    return f"addr:{address}"


def _user(username: str) -> str:
    return f"user:{username}"
