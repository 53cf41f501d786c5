"""POSIX ACLs as they are found on a filesystem (acl(5)).

Rights are bits as in a file mode: 4 read, 2 write, 1 execute or pass through.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .files import FileKind
from .model import Model

Bits = Annotated[int, Field(ge=0, le=7)]


class Tag(StrEnum):
    """What an ACL can name."""

    USER = "user"
    GROUP = "group"


class Named(Model):
    """A user (uid) or a group (gid) that an ACL names."""

    tag: Tag
    id: int = Field(ge=0, lt=0xFFFF_FFFF)


def by_tag(named: Named) -> tuple[bool, int]:
    """The order of entries: users, then groups, each by number."""
    return named.tag is Tag.GROUP, named.id


class Entry(Model):
    """Who has which rights."""

    named: Named
    bits: Bits


class Acl(Model):
    """One ACL. `mask` bounds the owning group and everybody named; None where nobody is named."""

    user: Bits
    group: Bits
    other: Bits
    mask: Bits | None = None
    named: tuple[Entry, ...] = ()

    def effective(self, bits: int) -> int:
        """What `bits` of the owning group or of somebody named are worth under the mask."""
        return bits if self.mask is None else bits & self.mask

    @property
    def rights(self) -> dict[Named, int]:
        """What the entries say, whatever the mask."""
        return {entry.named: entry.bits for entry in self.named}


class Inode(Model):
    """A file or directory as found. `mode`: permission bits, set-uid and set-gid too."""

    kind: FileKind
    uid: int
    gid: int
    mode: int
    access: Acl
    default: Acl | None = None
    """Of a directory: what new files in it start with."""


def allows(found: Inode, uid: int, gids: Collection[int], bits: int) -> bool:
    """The kernel's own rule: may a process with `uid` and `gids` do all of `bits` to this inode?

    Root and capabilities apart. Linux does not look at an ACL whose mask is empty (acl_permission_check in
    fs/namei.c): whoever is named there is one of the others.
    """
    acl = found.access
    if uid == found.uid:
        return acl.user & bits == bits
    if acl.mask == 0:
        return (0 if found.gid in gids else acl.other) & bits == bits
    user = acl.rights.get(Named(tag=Tag.USER, id=uid))
    if user is not None:
        return acl.effective(user) & bits == bits
    groups = [entry.bits for entry in acl.named if entry.named.tag is Tag.GROUP and entry.named.id in gids]
    groups += [acl.group] if found.gid in gids else []
    if groups:
        return any(acl.effective(right) & bits == bits for right in groups)
    return acl.other & bits == bits
