"""One job's way into Slurm, small enough to be walked through in every order.

A `World` is all that can make a difference: the row, the broker's memory, calls and looks under way, the
controller, the copies in Slurm and the fence in the job folder. `successors` says what may happen next.
Whatever is decided about the row is decided by the rules of `domain/lifecycle.py` themselves; the rest of the
broker is told here in a line or two. Time goes in ticks, and only differences of time are kept, so that there
are finitely many worlds. docs/explanation/exactly-once.md has the argument in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.lifecycle import (
    Step,
    after_claim,
    after_end,
    after_forgetting,
    after_sighting,
    after_submission,
    begin_submission,
    in_doubt,
    is_over,
    may_submit_again,
    step,
    true_copy,
)
from sciserver_hpc.domain.scheduling import EndRecord, Sighting, SubmitOutcome, Verdict
from sciserver_hpc.domain.states import JobState
from tests.fakes.jobs import NOON, make_job

TICK = timedelta(seconds=30)
LOOK_AT_MOST = 1
"""Ticks that a look may be out: its commands have time-outs."""

_FIRST = make_job(1)
_SHOWN = {
    "pending": JobState.PENDING,
    "running": JobState.RUNNING,
    "done": JobState.SUCCEEDED,
    "left": JobState.SUCCEEDED,
}


@dataclass(frozen=True)
class Rules:
    """What the protocol promises; in ticks. Tests take one away at a time."""

    hand_over: int = 2
    """The longest call to an agent."""

    backlog: int = 1
    """The longest a controller that answers again takes for what it had not read yet."""

    stall: int = 1
    """The longest a controller may be deaf before a look fails."""

    fence: bool = True
    """Does a copy that starts second leave?"""

    marked: bool = True
    """Is the row marked before Slurm hears of it?"""

    rest: int = 4
    """How long a doubt rests, and the controller answers, before the next try: until nothing of the last one
    can still be on its way."""


class Row(NamedTuple):
    """The job's row: what the protocol reads of it. `rest`: ticks until `not_before`, None for none."""

    state: JobState = JobState.ACCEPTED
    slurm_id: int | None = None
    submitted: bool = False
    rest: int | None = None
    claimed_by: int | None = None


class Call(NamedTuple):
    """A hand-over. stage: marked (in the row alone), out (with the agent), held (in the controller's ear),
    queued (as `slurm_id`; the answer is on its way). `left`: ticks until the agent gives up."""

    stage: str
    left: int
    slurm_id: int = 0


class Look(NamedTuple):
    """A look at the cluster, begun `age` ticks ago. `seen`: what Slurm answered, `seen_ago` ticks ago."""

    age: int = 0
    fresh: bool = True
    """Has nobody written the row since?"""

    seen: tuple[Copy, ...] | None = None
    seen_ago: int = 0
    worth: bool = False
    """Would nobody's knowing of the job mean something?"""


class Copy(NamedTuple):
    """A job in Slurm. stage: pending, running, done, left (it found itself second)."""

    slurm_id: int
    stage: str = "pending"


class World(NamedTuple):
    """Everything. `answering`, `missing`: the broker's memory, ticks since; None for not."""

    row: Row = Row()
    leads: bool = True
    call: Call | None = None
    look: Look | None = None
    answering: int | None = None
    missing: int | None = None
    orphans: tuple[Call, ...] = ()
    """Calls of a broker that died: the agent works on."""

    deaf: bool = False
    unnoticed: int = 0
    """Ticks it was deaf without a look that failed."""

    held: int = 0
    """Requests the controller has not read; it may while it answers, and must within `backlog` ticks."""

    backlog: int = 0
    copies: tuple[Copy, ...] = ()
    fence: int | None = None
    runs: int = 0
    crashes: int = 1
    stalls: int = 1
    forgets: int = 1


def successors(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """Everything that may happen next, each with its name; nothing once the row says it is over."""
    if world.row.state.final:
        return
    yield from _broker(world, rules)
    yield from _agents(world, rules)
    yield from _slurm(world, rules)
    if _may_wait(world, rules):
        yield "time goes by", _later(world, rules)


# the broker -------------------------------------------------------------------------------------------------
def _broker(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    if not world.leads:
        yield "a broker takes over", world._replace(leads=True)
        return
    if world.crashes:
        yield "the broker is killed", _killed(world)
    if world.call is None:
        yield from _begin(world, rules)
    elif world.call.stage == "marked":
        yield "the agent is given the job", world._replace(call=Call("out", rules.hand_over))
    else:
        yield from _outcome(world, rules)
    if world.look is None:
        yield "a look begins", world._replace(look=Look())
    elif world.look.seen is None and world.deaf:
        yield "a look fails", world._replace(look=None, answering=None, missing=None, unnoticed=0)
    elif world.look.seen is None:
        yield "Slurm answers a look", world._replace(look=_answered(world, world.look))
    else:
        yield "a look is judged", _judged(world, world.look, world.look.seen, rules)


def _killed(world: World) -> World:
    orphans = world.orphans
    if world.call and world.call.stage == "out" and world.call.left:
        orphans = (*orphans, world.call)
    return world._replace(
        leads=False, call=None, look=None, answering=None, missing=None, orphans=orphans,
        crashes=world.crashes - 1,
    )  # fmt: skip


def _begin(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    job = _job(world.row)
    certain = job.state is JobState.ACCEPTED or (job.state is JobState.SUBMITTING and not in_doubt(job))
    if not certain or (job.not_before is not None and job.not_before > NOON):
        return
    after = begin_submission(job, NOON, rules.rest * TICK)
    if rules.marked:
        yield "the row is marked", _written(world, after)._replace(call=Call("marked", 0))
    else:
        yield "the agent is given the job unmarked", world._replace(call=Call("out", rules.hand_over))


def _outcome(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """What the agent says, or that it said nothing in time."""
    call, job = world.call, _job(world.row)
    assert call is not None
    outcomes = [SubmitOutcome(uuid=job.uuid, verdict=Verdict.UNKNOWN)]
    if call.stage == "queued":
        outcomes.append(SubmitOutcome(uuid=job.uuid, verdict=Verdict.ACCEPTED, slurm_id=call.slurm_id))
    for outcome in outcomes:
        after = None
        if job.state is JobState.SUBMITTING:
            after = after_submission(job, outcome, NOON, rules.rest * TICK)
        # Nothing keeps an agent that was given up on from handing the job over after all, for a while.
        late = (call,) if call.stage == "out" and call.left else ()
        done = world._replace(call=None, orphans=(*world.orphans, *late))
        yield f"the agent's answer: {outcome.verdict}", _written(done, after)


def _answered(world: World, look: Look) -> Look:
    job, begun = _job(world.row), NOON - look.age * TICK
    worth = world.call is None and job.slurm_id is not None
    if job.state is JobState.SUBMITTING:
        rested = job.not_before is None or begun >= job.not_before
        worth = world.call is None and in_doubt(job) and rested
    return look._replace(seen=world.copies, worth=worth)


def _judged(world: World, look: Look, seen: tuple[Copy, ...], rules: Rules) -> World:
    answering = look.seen_ago if world.answering is None else world.answering
    job, begun = _job(world.row), NOON - look.age * TICK
    copies = [_sighting(job, copy) for copy in seen]
    chosen = true_copy(job, copies)
    unknown = chosen is None and look.worth
    waits = unknown and job.state is JobState.PENDING  # else nothing asks for how long
    missing = (look.seen_ago if world.missing is None else world.missing) if waits else None
    if job.state.rank < JobState.RUNNING.rank:
        world = world._replace(answering=answering, missing=missing)
    world = world._replace(look=None)
    if not look.fresh:
        return world
    if chosen is not None:
        return _written(world, _of_copy(job, copies, chosen, seen))
    again = may_submit_again(job, begun, NOON - answering * TICK, rules.rest * TICK)
    if not (unknown and again and job.claimed_by is None):
        return world
    if job.state is JobState.SUBMITTING:
        return _written(world, step(job, NOON, submitted_at=None, not_before=None))
    gone = missing is not None and missing - look.age >= rules.rest
    started = any(copy.stage in ("running", "done") for copy in world.copies)
    if job.state is JobState.PENDING and gone and not started:
        return _written(world, after_forgetting(job, NOON))
    return world


def _of_copy(job: Job, copies: list[Sighting], chosen: Sighting, seen: tuple[Copy, ...]) -> Step | None:
    if not is_over(chosen):
        return after_sighting(job, chosen, NOON)
    records = [EndRecord(exit_code=0, slurm_id=copy.slurm_id) for copy in seen if copy.stage == "done"]
    writer = true_copy(job, copies, records) or chosen
    return after_end(job, writer, records, NOON, timedelta.max)


def _sighting(job: Job, copy: Copy) -> Sighting:
    return Sighting(slurm_id=copy.slurm_id, uuid=job.uuid, uid=job.uid, state=_SHOWN[copy.stage])


# agents and Slurm -------------------------------------------------------------------------------------------
def _agents(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """A call that is out reaches the controller, whoever waits for it."""
    if world.call and world.call.stage == "out":
        stage, reached = _reached(world, rules)
        slurm_id = reached.copies[-1].slurm_id if stage == "queued" else 0
        yield f"sbatch is {stage}", reached._replace(call=Call(stage, world.call.left, slurm_id))
    for number in range(len(world.orphans)):
        stage, reached = _reached(world, rules)
        orphans = world.orphans[:number] + world.orphans[number + 1 :]
        yield f"a late sbatch is {stage}", reached._replace(orphans=orphans)


def _reached(world: World, rules: Rules) -> tuple[str, World]:
    if world.deaf:
        return "held", world._replace(held=world.held + 1, backlog=rules.backlog)
    return "queued", _queued(world)


def _queued(world: World) -> World:
    """One more copy. Ids that were forgotten are given out again."""
    new = Copy(max((copy.slurm_id for copy in world.copies), default=0) + 1)
    return world._replace(copies=(*world.copies, new))


def _slurm(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    if world.deaf:
        yield "the controller answers again", world._replace(deaf=False, unnoticed=0, backlog=rules.backlog)
    elif world.held:
        yield "a held request is queued", _queued(world)._replace(held=world.held - 1)
    if world.stalls and not world.deaf:
        yield "the controller is deaf", world._replace(deaf=True, stalls=world.stalls - 1)
    for number, copy in enumerate(world.copies):
        if copy.stage == "running":
            yield f"copy {copy.slurm_id} ends", _moved(world, number, "done")
        if copy.stage == "pending":
            yield from _started(world, number, copy, rules)
            if world.forgets and not world.deaf:
                rest = world.copies[:number] + world.copies[number + 1 :]
                forgotten = world._replace(copies=rest, forgets=world.forgets - 1)
                yield f"the controller is killed and forgets copy {copy.slurm_id}", forgotten


def _started(world: World, number: int, copy: Copy, rules: Rules) -> Iterator[tuple[str, World]]:
    if world.fence is not None and rules.fence:
        yield f"copy {copy.slurm_id} is second", _moved(world, number, "left")
        return
    runs = _moved(world, number, "running")._replace(fence=copy.slurm_id, runs=world.runs + 1)
    yield f"copy {copy.slurm_id} starts, the portal is away", runs
    if world.row.claimed_by is None:
        told = after_claim(_job(world.row), copy.slurm_id, 0, "n1", NOON)
        claimed = _written(runs, told)
        row = claimed.row._replace(claimed_by=copy.slurm_id)
        look = claimed.look._replace(fresh=False) if claimed.look else None
        yield f"copy {copy.slurm_id} starts and claims", claimed._replace(row=row, look=look)


def _moved(world: World, number: int, stage: str) -> World:
    copies = list(world.copies)
    copies[number] = copies[number]._replace(stage=stage)
    return world._replace(copies=tuple(copies))


# time -------------------------------------------------------------------------------------------------------
def _may_wait(world: World, rules: Rules) -> bool:
    """Calls, looks, a controller's backlog and a stall that nobody notices are bounded."""
    calls = world.call is None or world.call.stage == "marked" or world.call.left > 0
    looks = world.look is None or world.look.age < LOOK_AT_MOST
    noticed = not (world.deaf and world.leads) or world.unnoticed < rules.stall
    return calls and looks and noticed and (world.deaf or not world.held or world.backlog > 0)


def _later(world: World, rules: Rules) -> World:
    most = rules.rest + LOOK_AT_MOST
    look, row = world.look, world.row
    if look:
        ago = look.seen_ago + 1 if look.seen is not None else 0
        look = look._replace(age=look.age + 1, seen_ago=ago)
    call = world.call
    return world._replace(
        row=row._replace(rest=None if row.rest is None else max(row.rest - 1, -LOOK_AT_MOST)),
        call=call._replace(left=max(call.left - 1, 0)) if call else None,
        look=look,
        answering=None if world.answering is None else min(world.answering + 1, most),
        missing=None if world.missing is None else min(world.missing + 1, most),
        orphans=tuple(one._replace(left=one.left - 1) for one in world.orphans if one.left > 1),
        unnoticed=min(world.unnoticed + 1, rules.stall) if world.deaf and world.leads else 0,
        backlog=world.backlog if world.deaf else max(world.backlog - 1, 0),
    )


# the row ----------------------------------------------------------------------------------------------------
def _job(row: Row) -> Job:
    return _FIRST.model_copy(
        update={
            "state": row.state,
            "slurm_id": row.slurm_id,
            "submitted_at": NOON if row.submitted else None,
            "not_before": None if row.rest is None else NOON + row.rest * TICK,
            "claimed_by": row.claimed_by,
            "attempts": 1,
        }
    )


def _written(world: World, after: Step | None) -> World:
    """The row as a rule left it: looks that are out speak of the row before.

    Of a job that ran the broker's memory decides nothing any more.
    """
    if after is None:
        return world
    job = after.new
    row = Row(
        job.state,
        job.slurm_id,
        job.submitted_at is not None,
        None if job.not_before is None else round((job.not_before - NOON) / TICK),
        job.claimed_by,
    )
    look = world.look._replace(fresh=False) if world.look else None
    if row.state.rank >= JobState.RUNNING.rank:
        world = world._replace(answering=None, missing=None)
    return world._replace(row=row, look=look)
