"""What a change of the site takes from under jobs, volumes and grants, looked up."""

from __future__ import annotations

from ..domain.access import SITE
from ..domain.catalogue import Site
from ..domain.listing import Sought
from ..domain.states import ACTIVE
from ..domain.withdrawal import gone, sentences, stranded, takes
from ..ports import Store

MOST_JOBS = 100_000
"""Unfinished jobs that a change is compared with."""


def needed(store: Store, old: Site, new: Site) -> tuple[dict[str, int], dict[str, int]]:
    """How many unfinished jobs lose something, by what they lose, and users' volumes, by root volume."""
    if not takes(old, new):
        return {}, {}
    kept = {root.name for root in new.root_volumes}
    lost = [root.name for root in old.root_volumes if root.name not in kept]
    volumes = {root: count for root in lost if (count := store.count_user_volumes(root))}
    active = store.jobs(Sought(states=ACTIVE), limit=MOST_JOBS).jobs
    return stranded(old, new, (job.spec for job in active)), volumes


def consequences(store: Store, old: Site, new: Site) -> list[str]:
    """What else follows from the step from `old` to `new`, in sentences."""
    lost = gone(old, new)
    shares = store.shares_on_each(lost) if lost else []
    theirs = [share.grant.resource for share in shares if share.grant.granted_by != SITE]
    return sentences(
        *needed(store, old, new), {thing: theirs.count(thing) for thing in dict.fromkeys(theirs)}
    )
