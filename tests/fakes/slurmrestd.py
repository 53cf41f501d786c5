"""A stand-in for slurmrestd in inetd mode: a program that speaks its HTTP on two pipes, as files tell it to.

    rest = FakeSlurmrestd(directory)              # to be given as `bin_dir`
    rest.decide("reject", "cut:100", "die")       # fates of the next jobs, then "accept"
    rest.start("old")                             # fates of the next processes, then "well"
    rest.jobs()                                   # what reached the queue, whatever its asker heard of it

Fates of jobs: accept; reject, down, lost, full, odd (an error number of each kind); unread (400); mute (an
answer without a word that can be read); cut:N (queued, but only N bytes of the answer come); die (queued, no
answer); deaf:N (it ends after N bytes of the request; of the first job of a process only); leave (queued and
answered, then it ends); hang (queued, then nothing). Of processes: well, old (knows other paths), stranger
(401), dead (says why), hang.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_PROGRAM = """#!/usr/bin/python3 -IS
import fcntl, json, os, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))


def shared(name, change):
    with open(f"{HERE}/{name}", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        result, lines = change(file.read().splitlines())
        file.seek(0)
        file.truncate()
        file.write("".join(line + "\\n" for line in lines))
    return result


def fate(name, otherwise):
    return shared(name, lambda lines: (lines[0] if lines else otherwise, lines[1:]))


def queued(body):
    return shared("jobs", lambda lines: (5001 + len(lines), [*lines, body]))


def read(size):
    data = b""
    while len(data) < size:
        chunk = os.read(0, size - len(data))
        if not chunk:
            sys.exit(0)
        data += chunk
    return data


def request(deaf):
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        head += read(1)
        if deaf is not None and len(head) >= deaf:
            sys.exit(0)
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    body = read(length if deaf is None else min(length, deaf - len(head)))
    if len(body) < length:
        sys.exit(0)
    return head, body.decode()


def answer(status, text, cut=None):
    head = f"HTTP/1.1 {status} X\\r\\nContent-Length: {len(text)}\\r\\n"
    data = f"{head}Content-Type: application/json\\r\\n\\r\\n{text}"
    os.write(1, data.encode()[:cut])
    if status != 200 or cut is not None:
        sys.exit(0)


def error(status, code, words):
    print(f"slurmrestd: error: {words.lower()}", file=sys.stderr, flush=True)
    answer(status, json.dumps({"errors": [{"error_code": code, "error": words}]}))


def submit(kind, number, body):
    if kind == "reject":
        error(500, 2000, "Invalid partition name specified")
    if kind == "down":
        error(500, 1800, "Unable to contact slurm controller (connect failure)")
    if kind == "full":
        error(500, 2007, "Unable to create job record, try again")
    if kind == "unread":
        error(400, 9001, "Failure during parsing")
    if kind == "mute":
        answer(500, "no JSON")
    slurm_id = queued(body)
    if kind == "lost":
        error(500, 5004, "Socket timed out on send/recv operation")
    if kind == "odd":
        error(500, -1, "Unspecified error")
    if kind == "die":
        sys.exit(0)
    if kind == "hang":
        time.sleep(600)
    answer(200, json.dumps({"errors": [], "job_id": slurm_id}), number if kind == "cut" else None)
    if kind == "leave":
        sys.exit(0)


def main():
    open(f"{HERE}/asked", "a").write(" ".join(sys.argv[1:]) + "\\n")
    how = fate("starts", "well")
    if how == "dead":
        sys.exit("slurmrestd: fatal: Unable to find plugin: rest_auth/local")
    request(None)
    if how == "hang":
        time.sleep(600)
    if how == "stranger":
        answer(401, "Authentication failure")
    path = "/slurm/v0.0.36/job/submit" if how == "old" else "/slurm/v0.0.38/job/submit"
    answer(200, json.dumps({"paths": {path: {}}}))
    first = shared("fates", lambda lines: (lines[0] if lines else "", lines))
    if first.startswith("deaf:"):
        fate("fates", "")
        request(int(first[5:]))
    while True:
        _, body = request(None)
        kind, _, number = fate("fates", "accept").partition(":")
        submit(kind, int(number or 0), body)


main()
"""


class FakeSlurmrestd:
    """The program in a directory, with its files of fates."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        program = directory / "slurmrestd"
        program.write_text(_PROGRAM)
        program.chmod(0o755)

    def decide(self, *fates: str) -> None:
        """The fates of the next jobs."""
        (self.directory / "fates").write_text("".join(f"{fate}\n" for fate in fates))

    def start(self, *fates: str) -> None:
        """The fates of the next processes."""
        (self.directory / "starts").write_text("".join(f"{fate}\n" for fate in fates))

    def jobs(self) -> list[dict[str, Any]]:
        """Requests that made a job, in order."""
        path = self.directory / "jobs"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def starts(self) -> list[str]:
        """The arguments of every process that was started."""
        path = self.directory / "asked"
        return path.read_text().splitlines() if path.exists() else []
