"""What people are told of how far a volume's filesystem follows its grants."""

from __future__ import annotations

from ..domain.access import Action, Grant, Resource, ResourceKind
from ..domain.acl import Named, Tag
from ..domain.applied import OnDisk, VolumeOnDisk, of_grant, of_volume
from ..domain.errors import NotFound, Unavailable
from ..domain.model import Model
from ..domain.people import Person
from ..domain.projection import READ, WRITE
from ..domain.upkeep import Upkeep
from ..ports import Clock, Store
from .entitled import Entitled
from .sharing import Sharing


class GrantOnDisk(OnDisk):
    """One grant's state. id: the grant's."""

    id: int


class Disk(Model):
    """A volume's state, and that of each grant on it which the asker may see."""

    volume: VolumeOnDisk
    grants: tuple[GrantOnDisk, ...]


class Disks:
    """The use case."""

    def __init__(self, store: Store, clock: Clock, sharing: Sharing, entitled: Entitled) -> None:
        self._store = store
        self._clock = clock
        self._sharing = sharing
        self._entitled = entitled

    def of(self, person: Person, resource: Resource) -> Disk:
        """For those who may share the volume; for those it is shared with, about what reaches them.

        Raises NotFound.
        """
        shares, all_of_them = self._sharing.seen(person, resource)
        parts = resource.name.split("/")
        if resource.kind is not ResourceKind.USER_VOLUME or len(parts) != 3:
            raise NotFound(f"There is no user volume {resource.name} that you may know of.")
        row = self._store.upkeep(*parts)
        owner = self._store.person(parts[1])
        volume = of_volume(row, resource.name, self._clock.now())
        if not all_of_them:
            volume = VolumeOnDisk(state=volume.state, sentence=volume.sentence, volume=volume.volume)
        grants = [
            GrantOnDisk(id=share.id, **self._of_grant(row, share.grant, owner).model_dump())
            for share in shares
            if share.grant.action in (Action.READ, Action.WRITE)
        ]
        return Disk(volume=volume, grants=tuple(grants))

    def _of_grant(self, row: Upkeep | None, grant: Grant, owner: Person | None) -> OnDisk:
        now = self._clock.now()
        if not grant.lives(now):
            return of_grant(row, {}, "it has expired.", now)
        try:
            meaning = self._entitled.meaning(grant.subject)
        except Unavailable as error:
            return of_grant(row, {}, f"{error}.", now)
        bits = WRITE if grant.action is Action.WRITE else READ
        me = Named(tag=Tag.USER, id=owner.uid) if owner else None
        wanted = {named: bits for named in meaning.named if named != me}
        return of_grant(row, wanted, meaning.unknown, now)
