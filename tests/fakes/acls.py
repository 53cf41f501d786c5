"""The ACLs of the filesystem in memory, following `sciserver_hpc.domain.projection`.

agents.acls.inodes["/shared/Storage/alice/x"]    # as acl_show tells it
agents.acls.room = 200                           # most entries a directory can hold
agents.acls.without.add("/nfs")                  # a root volume on a filesystem without ACLs
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from sciserver_hpc.domain.acl import Acl, Inode
from sciserver_hpc.domain.acl_walk import AclSample, AclSlice, Obstacle
from sciserver_hpc.domain.errors import AgentError
from sciserver_hpc.domain.files import FileKind
from sciserver_hpc.domain.projection import Drift, Projection, drift, wanted


class FakeAcls:
    """Inodes by absolute path."""

    def __init__(self) -> None:
        self.inodes: dict[str, Inode] = {}
        self.room = 8_000
        self.without: set[str] = set()

    def make(self, path: str, kind: FileKind, uid: int) -> None:
        """A new inode, private but for what its directory's default ACL says."""
        if path in self.inodes:
            return
        mode = 0o700 if kind is FileKind.DIRECTORY else 0o600
        parent = self.inodes.get(str(PurePosixPath(path).parent))
        default = parent.default if parent else None
        access = default or Acl(user=mode >> 6, group=0, other=0)
        if default:  # as made with mode 0777 or 0666, acl(5) OBJECT CREATION AND DEFAULT ACLs
            most = 7 if kind is FileKind.DIRECTORY else 6
            bounded = {
                name: value & most for name, value in default if name in ("user", "other", "mask") and value
            }
            access = default.model_copy(update=bounded)
        self.inodes[path] = Inode(
            kind=kind,
            uid=uid,
            gid=uid,
            mode=mode | (access.mask or 0) << 3,
            access=access,
            default=default if kind is FileKind.DIRECTORY else None,
        )

    def show(self, root: str, path: str) -> Inode:
        """Raises AgentError not_found, unsupported."""
        if root in self.without:
            raise AgentError("unsupported", f"the filesystem of {root!r} keeps no POSIX ACLs")
        if path not in self.inodes:
            raise AgentError("not_found", f"there is no {path!r}")
        return self.inodes[path]

    def walk(
        self, uid: int, root: str, top: str, projection: Projection, cursor: str, limit: int, change: bool
    ) -> AclSlice:
        """One slice, as `uid`.

        Raises AgentError not_found, invalid, unsupported, too_large.
        """
        if self.show(root, top).kind is not FileKind.DIRECTORY:
            raise AgentError("invalid", f"{top!r} is not a directory")
        paths = self._below(top) if projection.inherit else [top]
        rest = [path for path in paths if not cursor or path.split("/") > cursor[1:].split("/")]
        some = rest[: max(1, limit)]
        seen: Counter[Drift | Obstacle] = Counter()
        samples, changed, guests = [], 0, set()
        for path in some:
            found = drift(projection, self.inodes[path])
            others = found - {Drift.FOREIGN} and self.inodes[path].uid != uid
            whats: list[Drift | Obstacle] = [*sorted(found), *([Obstacle.OTHERS] if others else [])]
            seen.update(whats)
            guests |= {self.inodes[path].uid} if others else set()
            samples += [AclSample(path=path[len(top) + 1 :], what=what) for what in whats]
            if change and found - {Drift.FOREIGN} and not others:
                self._demand_room(projection)
                self.inodes[path] = wanted(projection, self.inodes[path])
                changed += 1
        return AclSlice(
            cursor=f".{some[-1]}" if len(some) < len(rest) else None,
            seen=len(some),
            changed=changed,
            drift={what: count for what, count in seen.items() if isinstance(what, Drift)},
            left={what: count for what, count in seen.items() if isinstance(what, Obstacle)},
            samples=tuple(samples[:10]),
            guests=tuple(sorted(guests)[:20]),
        )

    def _below(self, top: str) -> list[str]:
        inside = (path for path in self.inodes if path == top or path.startswith(f"{top}/"))
        return sorted(inside, key=lambda path: path.split("/"))

    def _demand_room(self, projection: Projection) -> None:
        if len(projection.entries) > self.room:
            words = (
                f"{len(projection.entries)} users and groups are to be named; there is room for {self.room}"
            )
            raise AgentError("too_large", words)
