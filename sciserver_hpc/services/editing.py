"""One entry of the site's declaration added, changed, disabled or removed: an apply of the declaration so
changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..domain.access import SubjectKind
from ..domain.catalogue import TELL, Image, ImageDraft, ImageNumbers, Site, loose
from ..domain.differences import Difference
from ..domain.errors import Conflict, Invalid, Refused
from ..domain.limits import Limit
from ..domain.sections import PARTS, Edit, Entry, Put, Remove
from ..domain.withdrawal import sentences
from ..ports import Clock, Store
from .applying import Applying
from .withdrawing import consequences, needed


class Files(Protocol):
    """The images' files, as this host sees them."""

    def numbers(self, path: str) -> ImageNumbers:
        """What the catalogue keeps of a file. Raises Invalid when it cannot be an image."""
        ...

    def problem(self, image: Image) -> str:
        """What is wrong with an image's file, in half a sentence; "" when it is the catalogued one."""
        ...


@dataclass(frozen=True)
class Proposal:
    """What an edit would make. notes: sentences on what else follows from it, or looks like a slip; entry: as
    it shall stand, where one is put."""

    site: Site
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()
    entry: Entry | None = None

    @property
    def mark(self) -> str:
        """Tells these differences from others, and the entry, of which they do not tell all (what is added,
        long texts): what was seen is what is saved."""
        entry = [] if self.entry is None else [self.entry]
        text = "\n".join(one.model_dump_json() for one in (*self.differences, *entry))
        return hashlib.sha256(text.encode()).hexdigest()


class Editing:
    """Edits. Who may make which is for the caller to know: `Administering`, or the command on the host."""

    def __init__(self, store: Store, clock: Clock, files: Files) -> None:
        self._store = store
        self._applying = Applying(store, clock)
        self._files = files

    def site(self) -> Site:
        """The declaration as it stands, grants of the site's included."""
        return self._store.site()

    def entered(self, draft: ImageDraft) -> Image:
        """An image with what its file tells. Raises Invalid when the file cannot be read, or is another than
        the one that was catalogued or asked for."""
        kept = {one.path: one.sha256 for one in self._store.images() if one.name == draft.name}
        numbers = self._files.numbers(draft.path)
        if draft.sha256 and draft.sha256 != numbers.sha256:
            raise Invalid({"sha256": f"the file's digest is another: {numbers.sha256}."})
        if not draft.sha256 and kept.get(draft.path, numbers.sha256) != numbers.sha256:
            words = "its file changed since it was catalogued: put a new version under a new path"
            raise Invalid({"path": f"{words}, or give its digest to take it as it is."})
        return Image(**draft.model_dump(exclude={"sha256"}), **numbers.model_dump())

    def problem(self, image: Image) -> str:
        """What is wrong with an image's file, in half a sentence; "" when nothing is."""
        return self._files.problem(image).removesuffix(TELL)

    def propose(self, edit: Edit) -> Proposal:
        """What it would change. Raises Invalid, NotFound, Conflict."""
        old = self._store.site()
        new = edit.made(old)
        found = self._applying.differences(new)
        notes = (*_slips(old, new), *consequences(self._store, old, new), *self._whom(edit))
        return Proposal(new, tuple(found), notes, edit.entry if isinstance(edit, Put) else None)

    def save(self, edit: Edit, who: str, seen: str, request_id: str = "") -> Proposal:
        """Make it so, told in the audit trail as done by `who`. seen: the mark of what was agreed to.

        Raises Invalid, NotFound; Conflict when it would change something else by now; Refused for the removal
        of what unfinished jobs or users' volumes need.
        """
        proposal = self.propose(edit)
        if proposal.mark != seen:
            raise Conflict("Somebody else changed the site meanwhile; look at the difference again.")
        self.allow(edit)
        self._applying.apply(proposal.site, who, proposal.differences, request_id)
        return proposal

    def allow(self, edit: Edit) -> None:
        """Raises Refused where `edit` removes what unfinished jobs or users' volumes need."""
        if not isinstance(edit, Remove):
            return
        old = self._store.site()
        jobs, volumes = needed(self._store, old, edit.made(old))
        found = sentences(jobs, volumes, {})
        if jobs:
            found.append("wait for these jobs to end or cancel them, and disable it meanwhile")
        if found:
            raise Refused({f"{PARTS[edit.section].noun} {edit.name}": "; ".join(found)})

    def _whom(self, edit: Edit) -> list[str]:
        """A limit for a group that is not there is most likely a slip."""
        if not isinstance(edit, Put) or not isinstance(edit.entry, Limit):
            return []
        who = edit.entry.subject
        ask: dict[SubjectKind, Callable[[str], object]] = {
            SubjectKind.PORTAL_GROUP: self._store.group,
            SubjectKind.GROUP: self._store.directory_group,
            SubjectKind.USER: self._store.person,
        }
        unknown = who.kind in ask and not ask[who.kind](who.name)
        return [f"{who} is not known here so far"] if unknown else []


def _slips(old: Site, new: Site) -> list[str]:
    """What `new` names and has not, and `old` did not."""
    before = set(loose(old))
    return [sentence for sentence in loose(new) if sentence not in before]
