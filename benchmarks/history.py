"""Lists and filters over a long history: 1,000,000 jobs in PostgreSQL, 100,000 in SQLite, each beside 10,000.

Figures: the 99th percentile of the lists people make, through the API, over that at 10,000 jobs, and in
milliseconds. Each kind of list is asked for by busy people and others, at both lengths in turns. Every
question is put three times and the quickest counts, each time with nothing parsed before: what other programs
do to one try is not the portal's. The raw numbers tell each kind, with what the broker and the store ask.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from sciserver_hpc import logs
from sciserver_hpc.archive_files import ArchiveFolder
from sciserver_hpc.domain.listing import LONGEST_LOOK, Sought
from sciserver_hpc.domain.people import Person
from sciserver_hpc.domain.states import ACTIVE, JobState
from sciserver_hpc.services.archiving import BATCH, Archiving
from sciserver_hpc.store import parsing
from sciserver_hpc.store.migrate import upgrade
from sciserver_hpc.store.sql_store import SqlStore
from tests.portal.house import PASSWORD, House
from tests.store.postgresql import running

from .figure import Figure, tell
from .history_rows import BUSY, NOW, RARE, SPAN, fill, people

SHORT = 10_000
LONG = {"postgresql": 1_000_000, "sqlite": 100_000}
ROUNDS, TRIES = 120, 3
OTHERS = 40
"""People beside the busy ones who ask."""

Times = dict[str, list[float]]
"""Milliseconds by kind of question."""


@dataclass
class History:
    """A database of `total` jobs, its portal, and a caller with a token per person."""

    total: int
    house: House
    tokens: Mapping[str, str]

    def ask(self, owner: str, query: Mapping[str, Any]) -> Any:
        """A page of the API's list."""
        answer = self.house.app.test_client().get(
            f"/api/v1/jobs?{urlencode(query)}",
            base_url="https://localhost",
            headers={"Authorization": f"Bearer {self.tokens[owner]}"},
        )
        assert answer.status_code == 200, answer.text
        return answer.json


Lists = Mapping[str, Callable[[Random, History], Mapping[str, Any]]]


def _day(dice: Random) -> dict[str, str]:
    begin = NOW - SPAN * dice.random()
    return {"after": begin.isoformat(), "before": (begin + timedelta(days=7)).isoformat()}


FAR = "rare name, look far"
"""Asked for by who presses on: as far as one page can look, and so not part of the growth."""

LISTS: Lists = {
    "first page": lambda _, __: {},
    "deep page": lambda dice, history: {"before_id": dice.randrange(1, history.total)},
    "active": lambda _, __: {"state": ",".join(ACTIVE)},
    "ended": lambda _, __: {"state": ",".join(state for state in JobState if state.final)},
    "failed, deep": lambda dice, history: {"state": "FAILED", "before_id": dice.randrange(1, history.total)},
    "lost": lambda _, __: {"state": "LOST"},
    "domain": lambda _, __: {"domain": "gpu"},
    "rare domain": lambda _, __: {"domain": "interactive"},
    "frequent name": lambda _, __: {"name": "sweep"},
    "rare name": lambda _, __: {"name": RARE},
    "unknown name": lambda _, __: {"name": "no such name"},
    "a week": lambda dice, _: _day(dice),
    "a week's failures of a domain": lambda dice, _: _day(dice) | {"state": "FAILED", "domain": "gpu"},
    "a name in a week": lambda dice, _: _day(dice) | {"name": "galaxy"},
    FAR: lambda _, __: {"name": RARE, "look": LONGEST_LOOK},
    "rare name among failures": lambda _, __: {"state": "FAILED", "name": RARE},
}

STORE: Mapping[str, Callable[[SqlStore, str], object]] = {
    "everybody's": lambda store, _: store.jobs(limit=50),
    "everybody's lost": lambda store, _: store.jobs(Sought(states=[JobState.LOST]), limit=50),
    "everybody's active": lambda store, _: store.jobs(Sought(states=ACTIVE), limit=10_000),
    "active_jobs": lambda store, _: store.active_jobs(),
    "waiting_jobs": lambda store, _: store.waiting_jobs(),
    "count_jobs": lambda store, owner: store.count_jobs(owner, ACTIVE),
    "count_sessions": lambda store, owner: store.count_sessions(owner),
    "loads": lambda store, owner: store.loads(owner, ACTIVE),
    "gpu_jobs": lambda store, owner: store.gpu_jobs(owner, NOW - timedelta(days=15)),
    "sessions_to_tend": lambda store, _: store.sessions_to_tend(),
}


def make(folder: Path, url: str, total: int) -> History:
    """Fill the database at `url`, and open a portal over it."""
    upgrade(url)
    begun = time.monotonic()
    fill(url, total)
    print(f"{total} jobs written in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    folder.mkdir()
    house = House(folder, database=url)
    tokens = {}
    for owner in (*BUSY, *people(total)[:OTHERS]):
        house.people.add(Person(username=owner, uid=2001, gid=2001, groups=frozenset()), PASSWORD)
        tokens[owner] = house.token(owner)
    return History(total, house, tokens)


def measure(short: History, long: History) -> tuple[tuple[Times, Times], tuple[Times, Times]]:
    """Milliseconds at either length: of lists, and of what store and broker ask."""
    dice = Random(7)
    lists: tuple[Times, Times] = (defaultdict(list), defaultdict(list))
    store: tuple[Times, Times] = (defaultdict(list), defaultdict(list))
    for turn in range(-5, ROUNDS):
        for history, told, asked in ((short, lists[0], store[0]), (long, lists[1], store[1])):
            owners = list(history.tokens)
            owner = dice.choice(BUSY) if turn % 2 else dice.choice(owners[len(BUSY) :])
            for name, query in LISTS.items():
                _timed(told[name], partial(history.ask, owner, query(dice, history)))
            for name, question in STORE.items():
                _timed(asked[name], partial(question, history.house.store, owner))
        if turn < 0:  # the first rounds prepare statements and fill caches
            for times in (*lists, *store):
                times.clear()
    return lists, store


def figures(engine: str, short: History, long: History) -> list[Figure]:
    """What `engine` is worth."""
    lists, store = measure(short, long)
    worst = {}
    for few, many in (lists, store):
        for name in many:
            worst[name] = [
                round(one, 2) for side in (few, many) for one in (median(side[name]), _p99(side[name]))
            ]
            print(f"{engine}: {name}: median and p99 {worst[name]} ms", file=sys.stderr)
    few, many = ([one for name in LISTS if name != FAR for one in side[name]] for side in lists)
    batches = archived(long)
    print(f"{engine}: {BATCH} jobs to the archive: median, longest {batches} ms", file=sys.stderr)
    last = "" if engine == "postgresql" else f".{engine}"
    raw = {
        "median_p99_ms": worst,
        "archive_batch_ms": batches,
        "jobs": [short.total, long.total],
        "rounds": ROUNDS,
    }
    return [
        Figure(f"history.p99_growth{last}", round(_p99(many) / _p99(few), 2), "ratio", 1.2, "lower", raw),
        Figure(f"history.p99_ms{last}", round(_p99(many), 1), "ms", 50, "lower"),
    ]


def archived(history: History) -> list[float]:
    """Milliseconds that one batch takes into the archive: median and longest of twenty."""
    house, took = history.house, list[float]()
    archiving = Archiving(house.store, house.clock, ArchiveFolder(house.archive), timedelta(days=365))
    for _ in range(20):
        begun = time.perf_counter()
        archiving.step()
        took.append((time.perf_counter() - begun) * 1000)
    return [round(median(took)), round(max(took))]


def main() -> int:
    """Measure both engines; arguments: the engines to measure."""
    logs.configure("console", "error")
    told: list[Figure] = []
    with TemporaryDirectory() as name, running() as server:
        folder = Path(name)
        for engine in sys.argv[1:] or list(LONG):
            histories = []
            for total in (SHORT, LONG[engine]):
                place = folder / f"{engine}-{total}"
                url = server.new_database() if engine == "postgresql" else f"sqlite:///{place}.db"
                histories.append(make(place, url, total))
            gc.collect()
            gc.freeze()  # as the portal's workers do
            told += figures(engine, *histories)
            for history in histories:
                history.house.close()
    tell(*told)
    return 0


def _timed(told: list[float], does: Callable[[], object]) -> None:
    tries = []
    for _ in range(TRIES):
        parsing.forget()
        begun = time.perf_counter()
        does()
        tries.append((time.perf_counter() - begun) * 1000)
    told.append(min(tries))


def _p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]


if __name__ == "__main__":
    sys.exit(main())
