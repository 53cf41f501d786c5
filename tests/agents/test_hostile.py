"""What other people, jobs and broken clients may do to an agent and its client."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sciserver_hpc.agent import beneath, files, protocol
from sciserver_hpc.agent.problems import Problem
from sciserver_hpc.agents import SocketAgents
from sciserver_hpc.agents.agent import batches, end_record
from sciserver_hpc.domain.errors import AgentError
from sciserver_hpc.domain.files import FileKind
from sciserver_hpc.domain.scheduling import Owner, Verdict
from sciserver_hpc.ports import Agent

from .conftest import make_job
from .people import ALICE, doing, person

HARD_NAMES = [
    "with space",
    "new\nline",
    "tab\t",
    "-rf",
    "$(id)",
    "`id`",
    "quote'\"",
    "ünïcödé",
    "\u202egnp.exe",
    "x" * 255,
    "*",
    "~",
    "#",
    "..x",
    "\x1b[31m",
]


@pytest.fixture
def agent(agents: SocketAgents, me: Owner) -> Agent:
    return agents.of(me)


@pytest.fixture
def raw(place: Path, agents: SocketAgents, me: Owner) -> Iterator[socket.socket]:
    """A bare connection to the agent."""
    agents.ping(me)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(20)
        peer.connect(str(place / "run" / "agents" / f"{me.uid}.sock"))
        yield peer


@pytest.mark.parametrize("name", HARD_NAMES)
def test_hard_names_are_listed_and_read(agent: Agent, root: Path, name: str) -> None:
    (root / name).write_bytes(b"data")
    assert [entry.name for entry in agent.listing(str(root), "")] == [name]
    assert agent.read(str(root), name) == (b"data", 4)


def test_undecodable_names_are_listed_escaped_and_found_again(agent: Agent, root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9")).mkdir()
    (root / os.fsdecode(b"caf\xe9") / "x").write_bytes(b"latin")
    assert [entry.name for entry in agent.listing(str(root), "")] == ["caf\\udce9"]
    assert agent.read(str(root), "caf\\udce9/x")[0] == b"latin"


def test_a_name_that_only_looks_escaped_is_itself(agent: Agent, root: Path) -> None:
    (root / "caf\\udce9").write_bytes(b"literal")
    (root / os.fsdecode(b"caf\xe9")).write_bytes(b"latin")
    assert agent.read(str(root), "caf\\udce9")[0] == b"literal"


def test_links_are_listed_and_never_followed(agent: Agent, root: Path, place: Path) -> None:
    (place / "secret").write_text("secret")
    (root / "file").symlink_to(place / "secret")
    (root / "directory").symlink_to(place)
    assert {entry.kind for entry in agent.listing(str(root), "")} == {FileKind.LINK}
    for call in (
        lambda: agent.read(str(root), "file"),
        lambda: agent.read(str(root), "directory/secret"),
        lambda: agent.listing(str(root), "directory"),
        lambda: agent.stat(str(root), "directory/secret"),
    ):
        with pytest.raises(AgentError) as caught:
            call()
        assert caught.value.reason == "invalid"


def test_a_folder_is_not_made_through_a_link(agent: Agent, root: Path, place: Path) -> None:
    (place / "elsewhere").mkdir()
    (root / "2026-01-15").symlink_to(place / "elsewhere")
    [outcome] = agent.submit([make_job(root, folder="2026-01-15/x")])
    assert outcome.verdict is Verdict.REJECTED
    assert list((place / "elsewhere").iterdir()) == []


def test_swapping_a_directory_for_a_link_leads_nowhere(root: Path, place: Path) -> None:
    """While somebody swaps as fast as they can, every read gives the inner file or an error."""
    (place / "outside").mkdir()
    (place / "outside" / "x").write_bytes(b"outside")
    (root / "real").mkdir()
    (root / "real" / "x").write_bytes(b"inside")
    (root / "link").symlink_to(place / "outside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for name in ("link", "real"):
                (root / name).rename(root / "here")
                (root / "here").rename(root / name)

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    for _ in range(3000):
        try:
            seen.add(files.read(str(root), "here/x", 0, 100)[0])
        except Problem:
            continue
    stop.set()
    thread.join()
    assert seen <= {b"inside"}


@pytest.mark.parametrize("length", [1, 1 << 20])
def test_pipes_never_hang(agent: Agent, root: Path, length: int) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(AgentError, match="not a regular file"):
        agent.read(str(root), "pipe", 0, length)
    assert agent.stat(str(root), "pipe").kind is FileKind.OTHER


def test_devices_and_sockets_are_not_opened(agent: Agent, root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(root / "s"))
        with pytest.raises(AgentError, match="not a regular file"):
            agent.read(str(root), "s")
    with pytest.raises(AgentError, match="not a regular file"):
        agent.read("/dev", "zero")


def test_reading_is_capped(agent: Agent, root: Path) -> None:
    with (root / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 34)
    data, size = agent.read(str(root), "sparse", 5, 1 << 33)
    assert (len(data), size) == (4 << 20, 1 << 34)


def test_a_huge_directory_is_listed_in_part(agent: Agent, root: Path) -> None:
    for number in range(12_000):
        os.close(os.open(root / f"{number:05}", os.O_CREAT | os.O_WRONLY))
    entries = agent.listing(str(root), "", 1_000_000)
    assert len(entries) == 10_000
    assert entries[-1].name == "09999"


def test_times_beyond_the_calendar(agent: Agent, root: Path) -> None:
    (root / "old").touch()
    os.utime(root / "old", (-(1 << 40), -(1 << 40)))
    (root / "late").touch()
    os.utime(root / "late", (1 << 33, 1 << 33))
    assert [entry.modified_at.year for entry in agent.listing(str(root), "")][1] == 1970


def test_end_records_of_a_hostile_job(agent: Agent, root: Path) -> None:
    meta = root / "job" / ".sciserver"
    meta.mkdir(parents=True)
    good = {"exit_code": 3, "slurm_id": 7, "invented": "field"}
    bad: dict[str, bytes] = {
        "end.json": json.dumps(good).encode(),
        "end.1.json": b"[" * 60_000,
        "end.2.json": b"x" * 70_000,
        "end.3.json": b'{"exit_code": 1e999, "slurm_id": 1}',
        "end.4.json": b'{"exit_code": 300, "slurm_id": 1}',
        "end.5.json": b"\xff\xfe",
        "end.6.json": b'{"exit_code": ' + b"9" * 6000 + b"}",
        "end.7.json": b"[1]",
        "end.99999999.json": json.dumps(good).encode(),
    }
    for name, data in bad.items():
        (meta / name).write_bytes(data)
    (meta / "end.8.json").symlink_to("/etc/passwd")
    os.mkfifo(meta / "end.9.json")
    (meta / "end.10.json").mkdir()
    [records] = agent.end_records([(str(root), "job")])
    assert [(record.exit_code, record.slurm_id) for record in records] == [(3, 7)]


def test_end_records_need_their_fields() -> None:
    assert end_record("{}") is None
    assert end_record("null") is None


RECORD = {"uuid": "a" * 32, "slurm_id": 7, "restarts": 0, "port": 40123}


def publish(folder: Path, record: object = RECORD) -> Path:
    """A session's record in a job folder."""
    path = folder / ".sciserver" / "session.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def test_a_session_record_that_is_no_plain_file_is_none(agent: Agent, root: Path) -> None:
    good = publish(root / "good")
    for name in ("link", "pipe", "directory", "huge", "above", "socket"):
        (root / name / ".sciserver").mkdir(parents=True)
    (root / "link/.sciserver/session.json").symlink_to(good)
    os.mkfifo(root / "pipe/.sciserver/session.json")
    (root / "directory/.sciserver/session.json").mkdir()
    with (root / "huge/.sciserver/session.json").open("wb") as file:
        file.write(json.dumps(RECORD).encode())
        file.truncate(1 << 30)
    (root / "above/.sciserver").rmdir()
    (root / "above/.sciserver").symlink_to(good.parent)
    (root / "swapped").symlink_to(root / "good")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(root / "socket/.sciserver/session.json"))
    names = ("good", "link", "pipe", "directory", "huge", "above", "swapped", "socket", "good/.sciserver")
    found = agent.session_records([(str(root), name) for name in names])
    assert [bool(record) for record in found] == [True] + [False] * 8


@pytest.mark.parametrize(
    "change",
    [
        {"port": 22},
        {"port": 65536},
        {"port": "40123; true"},
        {"port": None},
        {"slurm_id": -1},
        {"slurm_id": 1 << 64},
        {"uuid": "../../x"},
        {"host": "elsewhere"},
    ],
)
def test_a_session_record_out_of_bounds_is_none(agent: Agent, root: Path, change: dict[str, object]) -> None:
    publish(root / "job", RECORD | change)
    assert agent.session_records([(str(root), "job")]) == [None]


@pytest.mark.parametrize(
    "junk", [b"", b"[" * 4000, b"\xff\xfe", b"null", b"[1]", b'{"port": 1e999}', b"9" * 4096]
)
def test_junk_is_no_session_record(agent: Agent, root: Path, junk: bytes) -> None:
    publish(root / "job").write_bytes(junk)
    assert agent.session_records([(str(root), "job")]) == [None]


@pytest.mark.skipif(os.getuid() != 0, reason="becoming somebody else takes root")
def test_a_session_record_that_only_others_may_read_is_none(root: Path) -> None:
    path = publish(root / "job")
    for directory in (root.parent, root, root / "job", path.parent):
        directory.chmod(0o755)
    path.chmod(0o600)
    assert doing(person(ALICE), files.session_records, [(str(root), "job")]) == [""]
    path.chmod(0o644)
    assert doing(person(ALICE), files.session_records, [(str(root), "job")]) == [json.dumps(RECORD)]


def test_a_foreign_folder_is_not_reused(agent: Agent, root: Path) -> None:
    (root / "taken").mkdir()
    (root / "taken" / "results.csv").write_text("precious")
    [outcome] = agent.submit([make_job(root, folder="taken")])
    assert outcome.verdict is Verdict.REJECTED
    assert (root / "taken" / "results.csv").read_text() == "precious"


def hangs_up(peer: socket.socket) -> bool:
    """The other side closes, without a word."""
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:  # it had not read all of what we sent
        return True


def _answer(peer: socket.socket) -> dict[str, object]:
    frame = protocol.receive(peer, time.monotonic() + 20)
    assert frame is not None
    return frame[0]


def test_garbage_ends_the_connection_not_the_agent(raw: socket.socket, agent: Agent) -> None:
    raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert hangs_up(raw)
    assert agent.stat("/", "").kind is FileKind.DIRECTORY


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack("!4sII", protocol.MAGIC, protocol.HEADER_MAX + 1, 0),
        struct.pack("!4sII", protocol.MAGIC, 2, protocol.BODY_MAX + 1) + b"{}",
        struct.pack("!4sII", protocol.MAGIC, 2, 0) + b"[]",
        struct.pack("!4sII", protocol.MAGIC, 4, 0) + b"\xff\xff\xff\xff",
        struct.pack("!4sII", protocol.MAGIC, 100_000, 0) + b"[" * 100_000,
    ],
)
def test_bad_frames_end_the_connection(raw: socket.socket, frame: bytes) -> None:
    raw.sendall(frame)
    assert hangs_up(raw)


def test_half_a_frame_does_nothing(raw: socket.socket, agent: Agent) -> None:
    raw.sendall(protocol.encode({"verb": "hello"})[:-3])
    raw.close()
    assert agent.stat("/", "").kind is FileKind.DIRECTORY


def test_ten_megabytes_in_a_frame(agent: Agent, root: Path) -> None:
    text = "ü" * 5_000_000
    job = make_job(root, files=({"path": "notebook.ipynb", "text": text},))
    assert agent.submit([job])[0].verdict is Verdict.ACCEPTED
    assert (root / job.folder / "notebook.ipynb").read_text() == text


def test_large_batches_are_split(root: Path) -> None:
    large = [make_job(root, script="#!" + "x" * 15_000_000) for _ in range(5)]
    assert [len(batch) for batch in batches(large)] == [2, 2, 1]
    assert [len(batch) for batch in batches([make_job(root)] * 130)] == [64, 64, 2]


def test_the_first_request_must_be_hello(raw: socket.socket) -> None:
    raw.sendall(protocol.encode({"verb": "stat", "root": "/", "path": ""}))
    assert _answer(raw)["error"] == "invalid"


@pytest.mark.parametrize("settings", [{"idle_s": "long"}, {"bin_dir": 5}, {"unknown": 1}, {"min_uid": -1}])
def test_settings_that_are_none(raw: socket.socket, settings: dict[str, object]) -> None:
    raw.sendall(protocol.encode({"verb": "hello", "settings": settings}))
    assert _answer(raw)["error"] == "invalid"


@pytest.mark.parametrize(
    "request_",
    [
        {"verb": "fly"},
        {"verb": ["stat"]},
        {},
        {"verb": "stat"},
        {"verb": "read", "root": "/", "path": "etc", "offset": "x", "length": None},
        {"verb": "submit", "jobs": [5]},
        {"verb": "submit", "jobs": [{"uuid": "x"}]},
        {"verb": "end_records", "folders": [["one"]]},
        {"verb": "cancel", "slurm_ids": ["--state=RUNNING"]},
        {"verb": "listing", "root": "/", "path": "x\ud800", "limit": 5},
    ],
)
def test_every_bad_request_gets_an_error(raw: socket.socket, request_: dict[str, object]) -> None:
    raw.sendall(protocol.encode({"verb": "hello", "settings": {"min_uid": 0}}))
    assert "ok" in _answer(raw)
    raw.sendall(protocol.encode(request_))
    assert "error" in _answer(raw)


@pytest.mark.parametrize("option", ["-x", "script.sh", "--", "--a\0b", "; id"])
def test_options_that_are_none(agent: Agent, root: Path, option: str) -> None:
    [outcome] = agent.submit([make_job(root, options=(option,))])
    assert outcome.verdict is Verdict.REJECTED


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
def test_another_uid_gets_no_answer(place: Path, agents: SocketAgents, me: Owner) -> None:
    """Even with the socket laid open, the agent hangs up on anybody but its caller."""
    agents.ping(me)
    place.chmod(0o711)
    (place / "run").chmod(0o711)
    (place / "run" / "agents").chmod(0o711)
    path = place / "run" / "agents" / f"{me.uid}.sock"
    path.chmod(0o666)
    code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r}); print(s.recv(1))"
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [*become, "/usr/bin/python3", "-I", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "b''\n"
    path.chmod(0o600)
    assert agents.of(me).stat("/", "").kind is FileKind.DIRECTORY


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
def test_anothers_files_are_denied(root: Path, place: Path) -> None:
    """As nobody: what the kernel denies is told as denied, in a sentence."""
    place.chmod(0o711)
    (root / "x").write_text("mine")
    (root / "x").chmod(0o600)
    root.chmod(0o755)
    (root / "closed").mkdir(mode=0o700)
    program = (
        "import sys, os; sys.path.append(sys.argv[1])\n"
        "from sciserver_hpc.agent import files, folders, problems\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)  # who may not see the checkout\n"
        "root = sys.argv[2]\n"
        "for call in (lambda: files.read(root, 'x', 0, 9), lambda: files.listing(root, 'closed', 9),\n"
        "             lambda: folders.prepare(root, 'job', 'u', []),\n"
        "             lambda: files.make_volume(root, 'closed', 'v')):\n"
        "    try: call(); print('done')\n"
        "    except problems.Problem as problem: print(problem.reason)\n"
    )
    source = str(Path(beneath.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, source, str(root)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["denied"] * 4
