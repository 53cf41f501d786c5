"""What a volume's grants want on disk, as POSIX ACLs, and how what is found differs from it.

The rules, with their reasons, are in docs/decisions/0007-acl-projection.md. The owner's agent follows the
same ones (agent/acl_rules.py), on its own: tests/agents/test_acl_rules.py holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .acl import Acl, Entry, Inode, Named, Tag, by_tag
from .files import FileKind
from .model import Model

READ, WRITE, PASS = 0o5, 0o7, 0o1
"""What a grant, or the way to what is granted, gives on a directory."""

_SPECIAL = 0o6000
"""Set-uid and set-gid: whoever executes such a file acts as somebody else."""

_FRESH = Acl(user=7, group=0, other=0)
"""A default ACL of ours before anybody is named. No umask counts under a default ACL: so that nothing becomes
wider than a umask would have left it, the owning group and others get nothing."""


class Projection(Model):
    """What a directory is to give.

    entries: the rights on directories; ours: everybody whose entries we put there, those whose grant is over
    too; inherit: it holds for all that is below and all that will be made there, else for the directory
    alone. host: of a walk by a guest's agent, the uid of the volume's owner: an inode that does not name them
    with write was not made in the volume but brought there, and is left alone (see `concerns`).
    """

    entries: tuple[Entry, ...]
    ours: frozenset[Named]
    inherit: bool = True
    host: Annotated[int, Field(ge=0, lt=0xFFFF_FFFF)] | None = None


class Drift(StrEnum):
    """How an inode differs from what is wanted."""

    MISSING = "missing"
    """Somebody granted is not named."""

    EXTRA = "extra"
    """Somebody is named whose grant is over."""

    NARROWER = "narrower"
    """Somebody named has less than granted."""

    WIDER = "wider"
    """Somebody named has more than granted."""

    FOREIGN = "foreign"
    """Somebody is named who never held a grant: a person's own doing, left alone."""


def project(
    owner: int,
    granted: Mapping[Named, bool],
    members: Mapping[int, Collection[int]],
    held: Iterable[Named] = (),
) -> Projection:
    """What a volume of uid `owner` is to give to `granted` (True: write too).

    members: uids by granted gid, as far as they are granted something themselves: the kernel gives nobody who
    is named as a user what his groups have; held: who held a grant before. Where others may make files, the
    owner is named as well, to be able to use them.
    """
    me = Named(tag=Tag.USER, id=owner)
    rights = {named: WRITE if write else READ for named, write in granted.items() if named != me}
    for group, uids in members.items():
        bits = rights.get(Named(tag=Tag.GROUP, id=group), 0)
        for named in (Named(tag=Tag.USER, id=uid) for uid in uids):
            if named in rights:
                rights[named] |= bits
    if WRITE in rights.values():
        rights[me] = WRITE
    return _projection(rights, {*rights, *held, me}, inherit=True)


def passage(projections: Iterable[Projection]) -> Projection:
    """What `<root>/<owner>` is to give for the owner's volumes below it: passing through, nothing more."""
    found = list(projections)
    rights = {entry.named: PASS for one in found for entry in one.entries}
    return _projection(rights, {*rights, *(named for one in found for named in one.ours)}, inherit=False)


def _projection(rights: Mapping[Named, int], ours: Iterable[Named], inherit: bool) -> Projection:
    entries = (Entry(named=named, bits=rights[named]) for named in sorted(rights, key=by_tag))
    return Projection(entries=tuple(entries), ours=frozenset(ours), inherit=inherit)


def concerns(projection: Projection, found: Inode) -> bool:
    """Is `found` to be as `projection` wants it?

    What a guest makes in the volume names its owner with write, by inheritance. A file of the guest's that
    somebody moved there from elsewhere does not: moving it must not be a way to have it shared.
    """
    if projection.host is None:
        return True
    return bool(found.access.rights.get(Named(tag=Tag.USER, id=projection.host), 0) & 0o2)


def drift(projection: Projection, found: Inode) -> frozenset[Drift]:
    """How `found` differs from what `projection` wants."""
    if not concerns(projection, found):
        return frozenset()
    default = _differences(projection, found.default or _FRESH, _Rule())
    access = _differences(projection, found.access, _rule(found))
    return access | default if _inherits(projection, found) else access


def wanted(projection: Projection, found: Inode) -> Inode:
    """`found` as it should be; where only foreign entries differ, as it is."""
    if not concerns(projection, found):
        return found
    access, default = found.access, found.default
    if _differences(projection, access, _rule(found)) - {Drift.FOREIGN}:
        access = _merged(projection, access, _rule(found))
    if _inherits(projection, found) and _differences(projection, default or _FRESH, _Rule()) - {
        Drift.FOREIGN
    }:
        default = _merged(projection, default or _FRESH, _Rule())
        default = None if default == _FRESH else default
    return found.model_copy(update={"access": access, "default": default, "mode": _mode(found.mode, access)})


@dataclass(frozen=True)
class _Rule:
    """What holds for one ACL: which bits may be given, and who need not be named."""

    within: int = 0o7
    spared: Named | None = None


def _rule(found: Inode) -> _Rule:
    """Of an access ACL. Files are executable for others where they are for their owner.

    An inode's own owner gets nothing from being named (a file inherits such an entry).
    """
    owner = Named(tag=Tag.USER, id=found.uid)
    if found.kind is FileKind.DIRECTORY:
        return _Rule(spared=owner)
    return _Rule(0o6 if found.mode & _SPECIAL else 0o6 | found.access.user & 0o1, owner)


def _inherits(projection: Projection, found: Inode) -> bool:
    return projection.inherit and found.kind is FileKind.DIRECTORY


def _rights(projection: Projection, acl: Acl, rule: _Rule) -> dict[Named, tuple[int, int]]:
    """For everybody to be named: the rights wanted, and the most an entry may say under a narrower mask.

    What everybody has who is not named, nobody loses by being named.
    """
    floor = acl.effective(acl.group) & acl.other
    entries = (entry for entry in projection.entries if entry.named != rule.spared)
    return {entry.named: (entry.bits & rule.within | floor, entry.bits | floor) for entry in entries}


def _differences(projection: Projection, acl: Acl, rule: _Rule) -> frozenset[Drift]:
    rights = _rights(projection, acl, rule)
    found = {Drift.MISSING} if rights.keys() - acl.rights.keys() else set()
    for named, bits in acl.rights.items():
        effective = acl.effective(bits)
        if named in rights:
            want, most = rights[named]
            found |= {Drift.NARROWER} if want & ~effective else set()
            found |= {Drift.WIDER} if effective & ~want or bits & ~most else set()
        elif named != rule.spared or not projection.entries:
            found.add(Drift.EXTRA if named in projection.ours else Drift.FOREIGN)
    return frozenset(found)


def _merged(projection: Projection, acl: Acl, rule: _Rule) -> Acl:
    """The ACL with our entries as wanted, and everybody else's rights as they are.

    The mask has to cover our entries: so that this widens nobody, what the old mask cut is cut for good. It
    never becomes empty, for then the kernel would not look at those who are named.
    """
    rights = {named: acl.effective(b) for named, b in acl.rights.items() if named not in projection.ours}
    rights |= {named: want for named, (want, _) in _rights(projection, acl, rule).items()}
    group = mask = acl.effective(acl.group)
    for bits in rights.values():
        mask |= bits
    named = tuple(Entry(named=named, bits=rights[named]) for named in sorted(rights, key=by_tag))
    mask = mask or acl.mask or 0
    return Acl(user=acl.user, group=group, other=acl.other, mask=mask if named else None, named=named)


def _mode(mode: int, access: Acl) -> int:
    """Where there is a mask, it is what the group's bits of the mode show."""
    return mode & ~0o070 | (access.group if access.mask is None else access.mask) << 3
