"""A history of jobs as a site has it after two years, written straight into the tables of either engine.

A few people own a seventh of everything each and the rest is spread thin; names are partly one of a kind;
what is active is as much in a short history as in a long one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from sqlalchemy import Connection, Table, insert, text

from sciserver_hpc.domain.jobs import Kind, Mount
from sciserver_hpc.domain.resources import Resources
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.store.engine import make_engine
from sciserver_hpc.store.schema import job_events, job_ids, job_requests, jobs
from tests.fakes.jobs import make_spec

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SPAN = timedelta(days=730)
BUSY = ("busy0", "busy1", "busy2")
DOMAINS = ("batch", "gpu", "long", "interactive")
ACTIVE_JOBS = 300
RARE = "zebrafish"
"""In a few names of each busy person, all from their oldest tenth."""

_ENDS = (
    (JobState.SUCCEEDED, 80),
    (JobState.FAILED, 9),
    (JobState.CANCELLED, 5),
    (JobState.TIMEOUT, 3),
    (JobState.OUT_OF_MEMORY, 1),
    (JobState.NODE_FAIL, 1),
    (JobState.LOST, 1),
)
_LIVE = (JobState.ACCEPTED, JobState.PENDING, JobState.RUNNING)
_CHUNK = 5000
_MARK = "0123456789abcdef" * 2
"""Stands for the uuid in the spec that all others are made from."""

Row = dict[str, Any]


def fill(url: str, total: int) -> None:
    """Write `total` jobs, each with its request and two events, to the empty tables at `url`."""
    engine = make_engine(url, timeout_s=60)
    made = _jobs(total)
    while rows := list(islice(made, _CHUNK)):
        with engine.begin() as connection:
            _write(connection, job_ids, [{"id": row["id"]} for row in rows])
            _write(connection, jobs, rows)
            _write(connection, job_requests, [_request(row) for row in rows])
            _write(connection, job_events, [event for row in rows for event in _events(row)])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE"))
    engine.dispose()


def people(total: int) -> list[str]:
    """Those who are not busy, about a hundred jobs each."""
    return [f"user{number}" for number in range(max(1, total // 200))]


def _jobs(total: int) -> Iterator[Row]:
    dice, others = Random(total), people(total)
    spec, names = _spec(), Random(5)
    for number in range(1, total + 1):
        owner = dice.choice(BUSY) if dice.random() < 3 / 7 else dice.choice(others)
        old = number < total // 10
        name = f"{RARE}-{number}" if old and dice.random() < 30 / total else _name(names, number)
        at = NOW - SPAN * ((total - number) / total) - timedelta(minutes=2)
        live = number > total - ACTIVE_JOBS
        yield _row(number, owner, name, at, live, dice, spec)


def _name(dice: Random, number: int) -> str:
    kind = dice.randrange(4)
    if kind == 0:
        return f"sweep-{number:07}"
    if kind == 1:
        return f"fit galaxy {dice.randrange(500)}"
    return dice.choice(("calibrate", "reduce night", "notebook", "Stack images", "train model"))


def _spec() -> str:
    """About as long as a real one of two volumes."""
    mounts = [
        Mount(volume=f"Storage/o/{name}", source=f"/shared/{name}", target=f"/idies/{name}", writable=True)
        for name in ("persistent", "scratch")
    ]
    return make_spec(
        _MARK, mounts=mounts, resources=Resources(cpus=4, memory_mb=8192), workdir="/home/idies/workspace"
    ).model_dump_json()


def _row(number: int, owner: str, name: str, at: datetime, live: bool, dice: Random, spec: str) -> Row:
    uuid = f"{number:032x}"
    state = dice.choice(_LIVE) if live else dice.choices([s for s, _ in _ENDS], [w for _, w in _ENDS])[0]
    domain = dice.choices(DOMAINS, (70, 20, 9, 1))[0]
    spent = timedelta(seconds=dice.randrange(30, 90_000))
    ended = None if live else min(at + spent, NOW - timedelta(minutes=1))
    return {
        "id": number,
        "uuid": uuid,
        "version": 6,
        "owner": owner,
        "uid": 2001,
        "name": name,
        "domain": domain,
        "image": "python",
        "kind": Kind.SHELL.value,
        "state": state.value,
        "restarts": 0,
        "slurm_id": None if state is JobState.ACCEPTED else number,
        "claimed_by": None if state is JobState.ACCEPTED else number,
        "cluster": "default",
        "spec": spec.replace(_MARK, uuid).replace('"alice"', f'"{owner}"').replace('"batch"', f'"{domain}"'),
        "reason": "",
        "expected_start": None,
        "node": "n1",
        "cancel_requested": False,
        "cancel_by": None,
        "tasks": "{}",
        "end": None if live else '{"exit_code":0,"signal":null,"summary":"It ended.","advice":"","by":null}',
        "usage": None if live else '{"elapsed_s":3600,"cpu_s":3500.5,"max_rss":1000000000}',
        "accepted_at": at,
        "submitted_at": at,
        "started_at": at,
        "ended_at": ended,
        "not_before": None,
        "attempts": 1,
        "changed_at": ended or NOW,
        "claim_digest": "d" * 64,
        "idempotency_key": f"key-{number}" if number % 2 else None,
        "fingerprint": "f" * 64,
    }


def _request(row: Row) -> Row:
    return {"job_id": row["id"], "request": f'{{"kind":"shell","command":"{"run it " * 60}"}}'}


def _events(row: Row) -> Iterator[Row]:
    for place, (state, words) in enumerate((("ACCEPTED", "Accepted."), (row["state"], "It went on."))):
        number = 2 * row["id"] + place
        common = {"id": number, "job_id": row["id"], "at": row["accepted_at"]}
        yield common | {"kind": "state", "state": state, "text": words}


def _write(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(insert(table), list(rows))
        return
    names = list(rows[0])
    columns = ", ".join(f'"{name}"' for name in names)
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])
