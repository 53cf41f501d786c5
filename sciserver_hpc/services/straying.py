"""Sessions that the database lost: offered to their owners, who take them back or end them."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from ..domain.errors import AgentError, Conflict, NotFound, SciServerError
from ..domain.jobs import Job
from ..domain.people import Person
from ..domain.scheduling import Owner
from ..domain.strays import NOTE, Stray, read
from ..ports import Agents, Scheduler, Store, Waker
from .accepting import Acceptor, Returning
from .homes import RESULTS

log = structlog.get_logger(__name__)

RECORD_MAX = 1_000_000
"""Bytes of a provenance record."""


class Straying:
    """What the broker kept in mind of them. A stray that is not the asker's is NotFound."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        schedulers: Mapping[str, Scheduler],
        acceptor: Acceptor,
        waker: Waker,
    ) -> None:
        self._store = store
        self._agents = agents
        self._schedulers = schedulers
        self._acceptor = acceptor
        self._waker = waker

    def list(self, person: Person) -> tuple[Stray, ...]:
        """The person's, as the last look showed them."""
        notes = self._store.notes()
        found = [
            Stray.model_validate(one)
            for key, note in notes.items()
            if key.startswith(NOTE)
            for one in note.get("found", ())
        ]
        mine = [one for one in found if one.uid == person.uid]
        known = self._store.uuids_known([one.uuid for one in mine]) if mine else frozenset()
        return tuple(one for one in mine if one.uuid not in known)

    def take_back(self, person: Person, uuid: str) -> Job:
        """Know it again, as what its folder says it is, by what the person may have today.

        Raises NotFound, Invalid and Refused (it is no session, or one they may not have), Conflict (it is
        known meanwhile), Unavailable.
        """
        stray = self._one(person, uuid)
        owner = Owner(username=person.username, uid=person.uid, gid=person.gid)
        volume, root, folder = self._place(person, stray)
        try:
            text, _ = self._agents.of(owner).read(root, f"{folder}/provenance.json", 0, RECORD_MAX)
        except AgentError as error:
            raise NotFound(f"Its job folder tells nothing ({error}).") from error
        record = read(text, uuid, person.username)
        returning = Returning(uuid, stray.slurm_id, root, folder, record.resources)
        job = self._acceptor.readmit(person, record.request({volume}).as_job(), returning)
        log.info("session taken back", session=job.id, user=person.username, slurm_id=stray.slurm_id)
        self._waker.wake()
        return job

    def stop(self, person: Person, uuid: str) -> None:
        """End it in Slurm. Raises NotFound, Conflict (Slurm would not)."""
        stray = self._one(person, uuid)
        owner = Owner(username=person.username, uid=person.uid, gid=person.gid)
        try:
            self._schedulers[stray.cluster].cancel(owner, [stray.slurm_id])
        except SciServerError as error:
            raise Conflict(f"Slurm did not end it: {error}") from error

    def _place(self, person: Person, stray: Stray) -> tuple[str, str, str]:
        """Volume, its host path, and the job folder in it. Raises NotFound, Unavailable."""
        path = self._schedulers[stray.cluster].folder(stray.slurm_id) or ""
        for root in self._store.root_volumes():
            source = f"{root.path}/{person.username}/{RESULTS}"
            if path.startswith(f"{source}/"):
                return f"{root.name}/{person.username}/{RESULTS}", source, path.removeprefix(f"{source}/")
        raise NotFound("It has no job folder where sessions have theirs.")

    def _one(self, person: Person, uuid: str) -> Stray:
        found = next((one for one in self.list(person) if one.uuid == uuid), None)
        if found is None or found.cluster not in self._schedulers:
            raise NotFound("There is no such session of yours.")
        return found
