"""A scheduler of each kind, with a person who submits to it and a way to see jobs to their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from uuid import uuid4

from sciserver_hpc.domain.jobs import Job
from sciserver_hpc.domain.scheduling import Owner, Payload, Sighting, Submission, mark
from sciserver_hpc.domain.states import JobState
from sciserver_hpc.ports import Scheduler
from tests.fakes.jobs import make_job
from tests.fakes.scheduler import FakeScheduler

PATIENCE_S = 60.0


@dataclass
class World:
    """`broken`: the same kind of scheduler, which does not answer; `root`: a volume of the owner's."""

    scheduler: Scheduler
    broken: Scheduler
    owner: Owner
    root: str
    options: tuple[str, ...] = ()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def submission(self, command: str = "exit 0") -> Submission:
        """A job that runs `command`."""
        uuid = uuid4().hex
        folder = f"contract/{uuid}"
        named = (f"--job-name={mark('job', uuid)}", f"--chdir={self.root}/{folder}", "--time=5")
        return Submission(
            uuid=uuid,
            mark=mark("job", uuid),
            root=self.root,
            folder=folder,
            files=(Payload(path="command.txt", text=command),),
            options=(*named, f"--output={self.root}/{folder}/out", "--mem=50M", *self.options),
            script=f"#!/bin/bash\n{command}\n",
        )

    def job(self, submission: Submission, slurm_id: int | None = None, uid: int | None = None) -> Job:
        """The row a broker would have of it."""
        job = make_job(
            uuid=submission.uuid, owner=self.owner.username, uid=self.owner.uid if uid is None else uid
        )
        changes = {"name": "job", "slurm_id": slurm_id, "submitted_at": self.now() - timedelta(minutes=1)}
        return job.model_copy(update=changes)

    def submit(self, command: str = "exit 0") -> tuple[Submission, int]:
        """Accepted: the submission and its id."""
        submission = self.submission(command)
        [outcome] = self.scheduler.submit(self.owner, [submission])
        assert outcome.slurm_id is not None, outcome.message
        return submission, outcome.slurm_id

    def seen(self, slurm_id: int) -> Sighting | None:
        """The job as one look shows it."""
        look = self.scheduler.observe(self.now() - timedelta(minutes=10))
        assert look.live_complete, look.problem
        return next((s for s in look.sightings if s.slurm_id == slurm_id), None)

    def wait(self, slurm_id: int, *states: JobState, code: int | None = None) -> Sighting:
        """Look until the job stands in one of `states`; a fake is told to go there."""
        if isinstance(self.scheduler, FakeScheduler):
            self.scheduler.advance(slurm_id, states[0], exit_code=code)
        deadline = monotonic() + PATIENCE_S
        while True:
            found = self.seen(slurm_id)
            if found is not None and found.state in states:
                return found
            assert monotonic() < deadline, f"job {slurm_id} is {found}"
            sleep(0.1)
