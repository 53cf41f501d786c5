"""What a person may use."""

from __future__ import annotations

from ..domain.access import Action
from ..domain.catalogue import ComputeDomain, Image
from ..domain.limits import Allowance
from ..domain.model import Model
from ..domain.people import Person
from ..domain.volumes import Mode, UserVolume
from ..ports import Store
from .homes import RESULTS, Homes
from .site import Rights, Site


class OfferedVolume(Model):
    """A volume a person may mount. `volume`: its address; kind: user_volume or data_volume."""

    volume: str
    kind: str
    modes: tuple[Mode, ...]
    description: str = ""


class Catalogue:
    """The site's offer as one person sees it."""

    def __init__(self, store: Store, site: Site) -> None:
        self._store = store
        self._site = site

    def domains(self, person: Person) -> list[ComputeDomain]:
        """The domains the person may use, each with those of its images and data volumes they may use."""
        site, rights = self._site.snapshot(), self._site.rights(person)
        usable = [d for d in site.domains.values() if rights.may(Action.USE, "domain", d.name)]
        images = {name for name in site.images if rights.may(Action.USE, "image", name)}
        data = {name for name in site.data if rights.may(Action.READ, "data_volume", name)}
        return [
            domain.model_copy(
                update={
                    "images": tuple(name for name in domain.images if name in images),
                    "data_volumes": tuple(name for name in domain.data_volumes if name in data),
                }
            )
            for domain in usable
        ]

    def allowances(self, person: Person) -> list[Allowance]:
        """How much the person may have at once, and has now: over all domains, then in each."""
        return self._site.allowances(person)

    def images(self, person: Person) -> list[Image]:
        """The images the person may use."""
        site, rights = self._site.snapshot(), self._site.rights(person)
        return [image for image in site.images.values() if rights.may(Action.USE, "image", image.name)]

    def volumes(self, person: Person) -> list[OfferedVolume]:
        """The person's own volumes, those shared with them, and the data volumes they may read."""
        rights = self._site.rights(person)
        users = [*self._store.user_volumes(person.username), *self._shared(person, rights)]
        offered = [_offer(rights, "user_volume", volume.ref, volume.description) for volume in users]
        for volume in self._site.snapshot().data.values():
            offered.append(_offer(rights, "data_volume", volume.name, volume.description))
        return [volume for volume in offered if volume.modes]

    def usual_volumes(self, person: Person) -> list[str]:
        """The person's own default volumes, but that of their jobs' folders: what nearly everybody mounts."""
        defaults = Homes.defaults(person, self._site.snapshot().roots.values())
        own = (one.volume for one in self.volumes(person) if Mode.READ_WRITE in one.modes)
        return [volume for volume in own if volume in defaults and not volume.endswith(f"/{RESULTS}")]

    def _shared(self, person: Person, rights: Rights) -> list[UserVolume]:
        named = {grant.resource.name for grant in rights.grants if grant.resource.kind == "user_volume"}
        parts = [tuple(name.split("/")) for name in sorted(named)]
        return self._store.user_volumes_at([p for p in parts if len(p) == 3 and p[1] != person.username])


def _offer(rights: Rights, kind: str, name: str, description: str) -> OfferedVolume:
    actions = {Mode.READ_ONLY: Action.READ, Mode.READ_WRITE: Action.WRITE}
    modes = tuple(mode for mode, action in actions.items() if rights.may(action, kind, name))
    return OfferedVolume(volume=name, kind=kind, modes=modes, description=description)
