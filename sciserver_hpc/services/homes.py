"""A person's own volumes: made at the first login, or later when something needs them."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from ..domain.errors import AgentError, Refused, SciServerError
from ..domain.people import Person
from ..domain.scheduling import Owner
from ..domain.volumes import RootKind, RootVolume
from ..ports import Agents, Store

log = structlog.get_logger(__name__)

RESULTS = "jobs"
"""The user volume that receives job folders when a request names none."""

DEFAULTS = {
    RootKind.STORAGE: {"persistent": "Kept: your code and data"},
    RootKind.TEMPORARY: {"scratch": "Purged: intermediate files", RESULTS: "Purged: folders of your jobs"},
}
"""Volumes everybody has in each root volume of a kind: name → description."""


class Homes:
    """Makes user volumes: the directory by the user's agent, then the row."""

    def __init__(self, store: Store, agents: Agents) -> None:
        self._store = store
        self._agents = agents

    @staticmethod
    def defaults(person: Person, roots: Iterable[RootVolume]) -> frozenset[str]:
        """Addresses of the volumes that `person` has by default."""
        return frozenset(
            f"{root.name}/{person.username}/{name}" for root in roots for name in DEFAULTS[root.kind]
        )

    def try_make(self, person: Person) -> None:
        """Make the default volumes that are missing. Never fails: a login needs none of them."""
        try:
            for root in self._store.root_volumes():
                for name in DEFAULTS[root.kind]:
                    self.make(person, root, name)
        except SciServerError as error:
            log.warning("default volumes not made", user=person.username, error=str(error))

    def make(self, person: Person, root: RootVolume, name: str) -> None:
        """Make the person's volume `name` in `root` where it is missing.

        Raises Unavailable; Refused for a system account, or when the agent may not make it.
        """
        if self._store.user_volume(root.name, person.username, name) is not None:
            return
        owner = Owner(username=person.username, uid=person.uid, gid=person.gid)
        try:
            self._agents.of(owner).make_volume(root.path, person.username, name)
        except AgentError as error:
            address = f"volume {root.name}/{person.username}/{name}"
            raise Refused({address: f"it cannot be made ({error}); tell an administrator"}) from error
        self._store.add_user_volume(root.name, person.username, name, DEFAULTS[root.kind].get(name, ""))
        log.info("volume made", user=person.username, root=root.name, volume=name)
