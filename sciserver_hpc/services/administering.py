"""The site's declaration and its people, for those who may look after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ..domain.access import Resource, ResourceKind
from ..domain.administration import Power
from ..domain.audit import Asker
from ..domain.catalogue import Image, ImageDraft, Site, loose
from ..domain.errors import Refused
from ..domain.groups import Membership, Status, user
from ..domain.people import Person
from ..domain.sections import PARTS, Edit, Entry, Section, entries, find
from ..domain.states import ACTIVE
from ..ports import Store
from .administration import Administration
from .editing import Editing, Proposal

PEOPLE_SHOWN = 50


@dataclass(frozen=True)
class Attention:
    """A sentence on what looks wrong, and the entry it is about, where it is about one."""

    sentence: str
    section: Section | None = None
    name: str = ""


@dataclass(frozen=True)
class Overview:
    """Of each part that one looks after how many entries there are; and what asks for attention."""

    counts: Mapping[Section, int]
    attention: tuple[Attention, ...]


@dataclass(frozen=True)
class Seen:
    """A person as administrators see them. last: when a token of theirs was used last, as far as one is kept;
    groups: of the portal; jobs: unfinished ones."""

    person: Person
    last: datetime | None
    groups: tuple[Membership, ...]
    jobs: int


class Administering:
    """`Editing`, asked by people: each call demands the power it takes."""

    def __init__(self, store: Store, editing: Editing, administration: Administration) -> None:
        self._store = store
        self._editing = editing
        self._administration = administration

    def sections(self, person: Person) -> list[Section]:
        """The parts of the declaration that the person looks after."""
        powers = self._administration.powers(person)
        return [section for section, part in PARTS.items() if part.power in powers]

    def sees_people(self, person: Person) -> bool:
        """May they look people up?"""
        return Power.MANAGE_GROUPS in self._administration.powers(person)

    def site(self, person: Person) -> Site:
        """The whole declaration, for those who look after any part of it. Raises Refused."""
        if not self.sections(person):
            raise Refused({"administration": "you look after no part of this site; ask an administrator"})
        return self._editing.site()

    def overview(self, person: Person) -> Overview:
        """How much there is of what the person looks after, and what of it asks for attention. Raises Refused
        for those who look after nothing."""
        mine = self.sections(person)
        if not mine and self.sees_people(person):
            return Overview({}, ())
        site = self.site(person)
        found = [Attention(sentence) for sentence in loose(site)] + [*self._idle(site), *self._ill(site)]
        counts = {section: len(entries(site, section)) for section in mine}
        return Overview(counts, tuple(one for one in found if one.section in (None, *mine)))

    def _idle(self, site: Site) -> Iterator[Attention]:
        """What is there and can be used by nobody."""
        shares = self._store.shares_on_each(
            [Resource(kind=ResourceKind.DOMAIN, name=domain.name) for domain in site.domains]
        )
        granted = {share.grant.resource.name for share in shares}
        for domain in site.domains:
            why = (
                "takes neither jobs nor sessions"
                if not (domain.batch or domain.interactive)
                else "has no image"
                if not domain.images
                else ""
                if domain.name in granted
                else "is granted to nobody"
            )
            if why:
                yield Attention(f"domain {domain.name} {why}", Section.DOMAINS, domain.name)
        offered = {image for domain in site.domains for image in domain.images}
        for image in site.images:
            if image.name not in offered:
                yield Attention(f"image {image.name} is in no domain", Section.IMAGES, image.name)

    def _ill(self, site: Site) -> Iterator[Attention]:
        for image in site.images:
            if problem := self._editing.problem(image):
                yield Attention(f"image {image.name}: {problem}", Section.IMAGES, image.name)

    def entries(self, person: Person, section: Section) -> tuple[Entry, ...]:
        """All of one part, in the site's order. Raises Refused."""
        self._demand(person, section)
        return entries(self._editing.site(), section)

    def entry(self, person: Person, section: Section, name: str) -> Entry:
        """One. Raises Refused, NotFound."""
        self._demand(person, section)
        return find(self._editing.site(), section, name)

    def entered(self, person: Person, draft: ImageDraft) -> Image:
        """An image with what its file tells. Raises Refused, Invalid."""
        self._demand(person, Section.IMAGES)
        return self._editing.entered(draft)

    def propose(self, person: Person, edit: Edit) -> Proposal:
        """What `edit` would change. Raises Refused, Invalid, NotFound, Conflict."""
        self._demand(person, edit.section)
        self._editing.allow(edit)
        return self._editing.propose(edit)

    def save(self, asker: Asker, edit: Edit, seen: str) -> Proposal:
        """Make it so. seen: the mark of what was agreed to. Raises the same."""
        self._demand(asker.person, edit.section)
        return self._editing.save(edit, asker.person.username, seen, asker.request_id)

    def people(self, person: Person, prefix: str) -> list[Seen]:
        """Those whose name starts so, one more than `PEOPLE_SHOWN` when there are more. Raises Refused."""
        self._administration.demand(person, Power.MANAGE_GROUPS)
        found = self._store.people_like(prefix, PEOPLE_SHOWN + 1)
        names = [one.username for one in found]
        last = self._store.seen_last(names)
        jobs = self._store.count_jobs_of(names, ACTIVE)
        joined = self._store.memberships_of([user(name) for name in names], [Status.ACCEPTED])
        return [
            Seen(
                one,
                last.get(one.username),
                tuple(each for each in joined if each.member.name == one.username),
                jobs.get(one.username, 0),
            )
            for one in found
        ]

    def _demand(self, person: Person, section: Section) -> None:
        self._administration.demand(person, PARTS[section].power)
