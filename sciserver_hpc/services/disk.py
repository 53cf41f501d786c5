"""What people are told of how far a volume's filesystem follows its grants."""

from __future__ import annotations

from collections.abc import Callable

from ..domain.access import Action, Grant, Resource, ResourceKind, Subject
from ..domain.acl import Named, Tag
from ..domain.applied import Grants, OnDisk, VolumeOnDisk, of_volume
from ..domain.errors import NotFound, Unavailable
from ..domain.model import Model
from ..domain.people import Person
from ..domain.projection import READ, WRITE
from ..ports import Clock, Store
from .entitled import Entitled, Meaning
from .sharing import Sharing


class GrantOnDisk(OnDisk):
    """One grant's state. id: the grant's."""

    id: int


class Disk(Model):
    """A volume's state, and that of grants on it which the asker may see.

    next: `after` of the next page, None when there is none.
    """

    volume: VolumeOnDisk
    grants: tuple[GrantOnDisk, ...]
    next: int | None = None


class Disks:
    """The use case."""

    def __init__(self, store: Store, clock: Clock, sharing: Sharing, entitled: Entitled) -> None:
        self._store = store
        self._clock = clock
        self._sharing = sharing
        self._entitled = entitled

    def of(self, person: Person, resource: Resource, after: int = 0, limit: int = 100) -> Disk:
        """For those who may share the volume; for those it is shared with, about what reaches them.

        after, limit: which grants, by their ids. Raises NotFound.
        """
        seen, all_of_them = self._sharing.seen(person, resource, after, limit + 1)
        shares = seen[:limit]
        parts = resource.name.split("/")
        if resource.kind is not ResourceKind.USER_VOLUME or len(parts) != 3:
            raise NotFound(f"There is no user volume {resource.name} that you may know of.")
        row = self._store.upkeep(*parts)
        owner = self._store.person(parts[1])
        volume = of_volume(row, resource.name, self._clock.now())
        if not all_of_them:
            volume = VolumeOnDisk(state=volume.state, sentence=volume.sentence, volume=volume.volume)
        there = Grants(row, self._clock.now())
        meaning = self._entitled.meanings(share.grant.subject for share in shares)
        grants = [
            GrantOnDisk(id=share.id, **self._of_grant(there, share.grant, owner, meaning).model_dump())
            for share in shares
            if share.grant.action in (Action.READ, Action.WRITE)
        ]
        more = shares[-1].id if len(seen) > len(shares) else None
        return Disk(volume=volume, grants=tuple(grants), next=more)

    def _of_grant(
        self, there: Grants, grant: Grant, owner: Person | None, meaning_of: Callable[[Subject], Meaning]
    ) -> OnDisk:
        if not grant.lives(self._clock.now()):
            return there.state({}, "it has expired.")
        try:
            meaning = meaning_of(grant.subject)
        except Unavailable as error:
            return there.state({}, f"{error}.")
        bits = WRITE if grant.action is Action.WRITE else READ
        me = Named(tag=Tag.USER, id=owner.uid) if owner else None
        wanted = {named: bits for named in meaning.named if named != me}
        return there.state(wanted, meaning.unknown)
