"""What the job uses: processor time and memory, from the cgroup Slurm made for it, else from its
processes."""

from __future__ import annotations

import os

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SESSION, _USER_TICKS, _CHILDREN_TICKS, _RSS = 3, 11, 14, 21
"""Places in /proc/PID/stat behind the name (proc(5)); of user and system time, and of those of children
waited for."""


class Usage:
    """`proc`, `cgroups`: where these filesystems are."""

    def __init__(self, job_id: int, proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> None:
        self._proc = proc
        self._folders = _folders(job_id, proc, cgroups)

    def cpu_s(self) -> float | None:
        """Processor seconds so far."""
        if "cpuacct" in self._folders:
            nanoseconds = _number(self._folders["cpuacct"] + "/cpuacct.usage")
            if nanoseconds is not None:
                return nanoseconds / 1e9
        if "" in self._folders:
            for line in _lines(self._folders[""] + "/cpu.stat"):
                if line.startswith("usage_usec "):
                    return int(line.split()[1]) / 1e6
        return self._sums()[0]

    def memory_bytes(self) -> int | None:
        """Memory now; in a cgroup with the page cache that is counted there."""
        for controller, name in (("memory", "memory.usage_in_bytes"), ("", "memory.current")):
            if controller in self._folders:
                found = _number(f"{self._folders[controller]}/{name}")
                if found is not None:
                    return found
        return self._sums()[1]

    def _sums(self) -> tuple[float | None, int | None]:
        """Over the processes of this one's session; None where none can be read."""
        ticks, pages, seen = 0, 0, False
        session = str(os.getsid(0))
        try:
            processes = [name for name in os.listdir(self._proc) if name.isdecimal()]
        except OSError:
            return None, None
        for process in processes:
            fields = "".join(_lines(f"{self._proc}/{process}/stat")).rpartition(")")[2].split()
            if len(fields) > _RSS and fields[_SESSION] == session:
                ticks += sum(map(int, fields[_USER_TICKS : _CHILDREN_TICKS + 1]))
                pages += int(fields[_RSS])
                seen = True
        return (ticks / _TICKS, pages * _PAGE) if seen else (None, None)


def _folders(job_id: int, proc: str, cgroups: str) -> dict[str, str]:
    """The job's own directories, by controller of version 1; "" is that of version 2."""
    mark = f"/job_{job_id}/"
    found = {}
    for line in _lines(f"{proc}/self/cgroup"):
        controllers, _, path = line.partition(":")[2].partition(":")
        above, sep, _ = (path + "/").partition(mark)
        if not sep:
            continue
        for controller in controllers.split(","):
            parts = [cgroups, controller] if controller else [cgroups]
            found[controller] = "/".join(parts) + above + mark[:-1]
    return found


def _lines(path: str) -> list[str]:
    """None where it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _number(path: str) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None
