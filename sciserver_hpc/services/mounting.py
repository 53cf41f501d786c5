"""Which volumes a job gets, where and with which rights: pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.access import Action
from ..domain.catalogue import ComputeDomain
from ..domain.jobs import JobRequest, Mount
from ..domain.volumes import WORKSPACE, Mode, RootKind, VolumeMount
from .facts import Facts
from .findings import Findings, names
from .homes import RESULTS


@dataclass(frozen=True)
class Mounting:
    """Judges the volumes of one request in one domain; what is wrong goes to `findings`."""

    domain: ComputeDomain
    facts: Facts
    findings: Findings

    def mounts(self, request: JobRequest) -> list[Mount]:
        """The volumes asked for, as far as they can be resolved."""
        mounts: list[Mount] = []
        seen: set[str] = set()
        for index, asked in enumerate(request.volumes):
            place = f"volumes.{index}"
            if asked.volume in seen:
                words = f"{asked.volume} is listed twice; name it once, with the mode you need"
                self.findings.invalid(place, words)
            elif mount := self._mount(asked, place):
                mounts.append(mount)
            seen.add(asked.volume)
        return mounts

    def results(self, request: JobRequest) -> Mount | None:
        """Where the job folder goes: a user volume, written to."""
        if request.results is None:
            return self._default_results()
        if "/" not in request.results.volume:
            self.findings.invalid("results", "results go to a user volume, as in `Temporary/<you>/jobs`")
            return None
        asked = VolumeMount(volume=request.results.volume, mode=Mode.READ_WRITE)
        return self._user_volume(asked, "results")

    def with_results(self, mounts: list[Mount], results: Mount) -> list[Mount]:
        """The results volume is mounted too, for writing."""
        for index, mount in enumerate(mounts):
            if mount.volume == results.volume:
                if not mount.writable:
                    words = (
                        "receives the results, so it is mounted for writing; ask for it as rw or leave it out"
                    )
                    self.findings.invalid(f"volumes.{index}", f"{mount.volume} {words}")
                return mounts
        return [*mounts, results]

    def _mount(self, asked: VolumeMount, place: str) -> Mount | None:
        return self._user_volume(asked, place) if "/" in asked.volume else self._data_volume(asked, place)

    def _data_volume(self, asked: VolumeMount, place: str) -> Mount | None:
        volume = self.facts.site.data.get(asked.volume)
        here = self.domain.data_volumes
        if volume is None:
            readable = (name for name in here if self.facts.may(Action.READ, "data_volume", name))
            self.findings.invalid(place, f"unknown data volume `{asked.volume}`; {names(readable)}")
            return None
        if volume.name not in here:
            words = f"data volume {volume.name} cannot be mounted in domain {self.domain.name}"
            self.findings.invalid(place, words)
        self._decide(asked, place, "data_volume")
        return _as_mount(asked, volume.path)

    def _user_volume(self, asked: VolumeMount, place: str) -> Mount | None:
        """Of another person's volume only somebody with a grant learns whether it is there."""
        root_name, owner, name = asked.volume.split("/")
        root, here = self.facts.site.roots.get(root_name), self.domain.root_volumes
        if root is None:
            self.findings.invalid(place, f"unknown root volume `{root_name}`; {names(here)}")
            return None
        if root.name not in here:
            words = f"volumes of {root.name} cannot be mounted in domain {self.domain.name}; {names(here)}"
            self.findings.invalid(place, words)
        if self._decide(asked, place, "user_volume") and not self.facts.knows(asked.volume):
            mine = sorted(v for v in self.facts.known if v.split("/")[1] == self.facts.rights.person.username)
            self.findings.invalid(place, f"there is no volume {asked.volume}; {names(mine)}")
        return _as_mount(asked, f"{root.path}/{owner}/{name}")

    def _default_results(self) -> Mount | None:
        """The asker's volume for jobs, in a temporary root volume where there is one."""
        roots = [self.facts.site.roots[n] for n in self.domain.root_volumes if n in self.facts.site.roots]
        root = min(roots, key=lambda root: root.kind is not RootKind.TEMPORARY, default=None)
        if root is None:
            words = f"domain {self.domain.name} has no root volume for results; tell an administrator"
            self.findings.invalid("results", words)
            return None
        path = f"{self.facts.rights.person.username}/{RESULTS}"
        return _as_mount(
            VolumeMount(volume=f"{root.name}/{path}", mode=Mode.READ_WRITE), f"{root.path}/{path}"
        )

    def _decide(self, asked: VolumeMount, place: str, kind: str) -> bool:
        action = Action.WRITE if asked.mode is Mode.READ_WRITE else Action.READ
        decision = self.facts.may(action, kind, asked.volume)
        if not decision:
            self.findings.refuse(place, f"volume {asked}", decision.reason)
        return decision.allowed


def _as_mount(asked: VolumeMount, source: str) -> Mount:
    return Mount(
        volume=asked.volume,
        source=source,
        target=f"{WORKSPACE}/{asked.volume}",
        writable=asked.mode is Mode.READ_WRITE,
    )
