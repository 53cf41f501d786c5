"""POSIX ACLs as the kernel hands them over, and what a volume's grants make of one.

The format is that of linux/posix_acl_xattr.h: a version, then entries of tag, rights and id, little endian.
The rules are those of `sciserver_hpc.domain.projection` and docs/decisions/0007-acl-projection.md.
"""

from __future__ import annotations

import os
import stat
import struct

from .problems import Problem

USER, GROUP = 0x02, 0x08
_USER_OBJ, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20
_NOBODY = 0xFFFF_FFFF
_VERSION = 2
_HEAD = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_TAGS = {"user": USER, "group": GROUP}
_WORDS = {tag: word for word, tag in _TAGS.items()}
_SPECIAL = 0o6000
_REMEMBERED = 1000

Named = tuple[int, int]
"""USER or GROUP, and the id."""

Verdict = tuple[frozenset[str], "bytes | None", "bytes | None"]
"""How an inode differs; its access and its default ACL to be written, None: as it is, b"": none any more."""


class Acl:
    """One ACL; `mask` is None where the kernel keeps none."""

    __slots__ = ("group", "mask", "named", "other", "user")

    def __init__(
        self,
        user: int,
        group: int,
        other: int,
        mask: int | None = None,
        named: dict[Named, int] | None = None,
    ) -> None:
        self.user = user
        self.group = group
        self.other = other
        self.mask = mask
        self.named = named or {}

    def effective(self, bits: int) -> int:
        """What `bits` of the owning group or of somebody named are worth under the mask."""
        return bits if self.mask is None else bits & self.mask

    def shown(self) -> dict[str, object]:
        """As an answer holds it."""
        entries = [
            {"named": {"tag": _WORDS[tag], "id": number}, "bits": bits}
            for (tag, number), bits in sorted(self.named.items())
        ]
        return {
            "user": self.user,
            "group": self.group,
            "other": self.other,
            "mask": self.mask,
            "named": entries,
        }

    def packed(self) -> bytes:
        """As the kernel takes it: entries by tag, then by id."""
        entries = [(_USER_OBJ, self.user, _NOBODY), (_GROUP_OBJ, self.group, _NOBODY)]
        entries += [(_OTHER, self.other, _NOBODY)]
        entries += [] if self.mask is None else [(_MASK, self.mask, _NOBODY)]
        entries += [(tag, bits, number) for (tag, number), bits in self.named.items()]
        entries.sort(key=lambda entry: (entry[0], entry[2]))
        return _HEAD.pack(_VERSION) + b"".join(_ENTRY.pack(*entry) for entry in entries)


def of_mode(mode: int) -> Acl:
    """The ACL that permission bits are."""
    return Acl(mode >> 6 & 7, mode >> 3 & 7, mode & 7)


def parsed(data: bytes) -> Acl:
    """The ACL in an extended attribute.

    Raises Problem failed for anything else.
    """
    if len(data) % _ENTRY.size != _HEAD.size or _HEAD.unpack_from(data)[0] != _VERSION:
        raise Problem("failed", "the filesystem's ACL is of an unknown format")
    base: dict[int, int] = {}
    named: dict[Named, int] = {}
    for tag, bits, number in _ENTRY.iter_unpack(data[_HEAD.size :]):
        if tag in _WORDS:
            named[tag, number] = bits
        else:
            base[tag] = bits
    return Acl(base.get(_USER_OBJ, 0), base.get(_GROUP_OBJ, 0), base.get(_OTHER, 0), base.get(_MASK), named)


class Plan:
    """What a client wants of a directory: its `Projection`."""

    def __init__(self, given: object) -> None:
        try:
            self.wanted, self.ours, self.inherit, self.host = _read(given)
        except (KeyError, TypeError, ValueError) as error:
            raise Problem("invalid", "the projection is none; are both ends of one version?") from error
        self._judged: dict[tuple[object, ...], Verdict] = {}

    def judge(self, status: os.stat_result, access: bytes | None, default: bytes | None) -> Verdict:
        """What there is to do about an inode, by its status and its ACLs as found.

        Most inodes are alike: verdicts are remembered. Raises Problem failed.
        """
        key = (status.st_mode, status.st_uid, access, default)
        verdict = self._judged.get(key)
        if verdict is None:
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            verdict = self._judged[key] = self._verdict(status, access, default)
        return verdict

    def _verdict(self, status: os.stat_result, access: bytes | None, default: bytes | None) -> Verdict:
        found = of_mode(status.st_mode) if access is None else parsed(access)
        if self.host is not None and not found.named.get((USER, self.host), 0) & 2:
            return frozenset(), None, None
        is_directory = stat.S_ISDIR(status.st_mode)
        within = 7 if is_directory else 6 if status.st_mode & _SPECIAL else 6 | found.user & 1
        drift, new = self._compared(found, within, (USER, status.st_uid))
        access = new.packed() if drift - {"foreign"} else None
        if not (is_directory and self.inherit):
            return frozenset(drift), access, None
        more, default = self._default(default)
        return frozenset(drift | more), access, default

    def _default(self, default: bytes | None) -> tuple[set[str], bytes | None]:
        """A fresh one gives group and others nothing: no umask counts any more. It goes with its last
        entry."""
        drift, new = self._compared(Acl(7, 0, 0) if default is None else parsed(default), 7, None)
        if not drift - {"foreign"}:
            return drift, None
        fresh = not new.named and (new.user, new.group, new.other) == (7, 0, 0)
        return drift, b"" if fresh else new.packed()

    def _compared(self, found: Acl, within: int, spared: Named | None) -> tuple[set[str], Acl]:
        """How `found` differs, and what it should be: our entries as wanted, everybody else's rights as
        they are. So that a wider mask widens nobody, what the old one cut is cut for good; it never becomes
        empty, for then the kernel would not look at those who are named."""
        group = found.effective(found.group)
        floor = group & found.other
        rights = {one: found.effective(bits) for one, bits in found.named.items() if one not in self.ours}
        drift = set()
        for one in found.named:
            if one not in self.wanted and not (one == spared and self.wanted):
                drift.add("extra" if one in self.ours else "foreign")
        for one, most in self.wanted.items():
            if one != spared:
                rights[one] = want = most & within | floor
                drift |= _difference(found, found.named.get(one), want, most | floor)
        mask = group
        for bits in rights.values():
            mask |= bits
        mask = mask or found.mask or 0
        return drift, Acl(found.user, group, found.other, mask if rights else None, rights)


def _difference(found: Acl, bits: int | None, want: int, most: int) -> set[str]:
    if bits is None:
        return {"missing"}
    effective = found.effective(bits)
    narrower = {"narrower"} if want & ~effective else set()
    return narrower | {"wider"} if effective & ~want or bits & ~most else narrower


def _read(given: object) -> tuple[dict[Named, int], frozenset[Named], bool, int | None]:
    if not isinstance(given, dict) or not isinstance(given["inherit"], bool):
        raise TypeError
    wanted = {_named(entry["named"]): _number(entry["bits"], 7) for entry in given["entries"]}
    host = None if given["host"] is None else _number(given["host"], _NOBODY - 1)
    return wanted, frozenset(_named(one) for one in given["ours"]).union(wanted), given["inherit"], host


def _named(given: dict[str, object]) -> Named:
    return _TAGS[str(given["tag"])], _number(given["id"], _NOBODY - 1)


def _number(given: object, most: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= most:
        raise ValueError
    return given
