"""Bob against alice's open JupyterLab: on her node, over the network, and by pages in her browser.

Who is let in by which pass is in tests/services/test_admitting.py, how a head is read in tests/gate. Here is
the real thing: nginx, the gate, Slurm's nodes, Chromium.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page

from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.session_ca import create

from ..conftest import Cluster
from ..web import Web
from .visitor import Visitor, end_sessions, run_cell, visiting
from .wire import (
    PATIENCE,
    UPGRADE,
    Insider,
    Running,
    ask,
    ask_for,
    exchange,
    head,
    line_to,
    opened,
    paired,
    pass_of,
    said_to,
    served,
    started,
    view,
)

Run = Callable[..., subprocess.CompletedProcess[str]]

ECHO = """
import os, socketserver, http.server, urllib.parse
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        seen = f"{self.requestline}\\n{self.headers}".encode()
        self.send_response(200)
        for line in asked.get("h", []):
            self.send_header(*line.split(": ", 1))
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(seen)))
        self.end_headers()
        self.wfile.write(seen)
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()
    def address_string(self):
        return "-"
socketserver.ThreadingUnixStreamServer(os.environ["SOCKET"], Echo).serve_forever()
"""
"""An app that shows what reaches it, and answers with the headers that the query asks for."""


@pytest.fixture(scope="module", autouse=True)
def no_session_left(cluster: Cluster) -> Iterator[None]:
    yield
    end_sessions(cluster, "alice", "bob")


@pytest.fixture(scope="module")
def victim(cluster: Cluster, browser: Browser) -> Iterator[Visitor]:
    """Alice at her browser."""
    with visiting(browser, cluster, "alice") as visitor:
        yield visitor


@pytest.fixture(scope="module")
def theirs(cluster: Cluster, web_of: Callable[[str], Web]) -> dict[str, Running]:
    """alice: her JupyterLab; other: her second session; bob: his own, on the same machine."""
    alice, bob = web_of("alice"), web_of("bob")
    lab = ask_for(alice, "jupyterlab")
    other = ask_for(alice, "webapp", values=served(ECHO))
    his = ask_for(bob, "webapp", values=served(ECHO))
    return {
        "alice": opened(cluster, alice, lab),
        "other": opened(cluster, alice, other),
        "bob": opened(cluster, bob, his),
    }


@pytest.fixture(scope="module")
def lab(theirs: dict[str, Running]) -> Running:
    return theirs["alice"]


@pytest.fixture(scope="module")
def alice(cluster: Cluster) -> Iterator[Insider]:
    insider = Insider(cluster, "alice")
    yield insider
    insider.close()


@pytest.fixture(scope="module")
def bob(cluster: Cluster) -> Iterator[Insider]:
    insider = Insider(cluster, "bob")
    yield insider
    insider.close()


@pytest.fixture(scope="module")
def passes(alice: Insider, bob: Insider, theirs: dict[str, Running]) -> dict[str, str]:
    """By session, its owner's pass."""
    return {name: (bob if name == "bob" else alice).enter(one) for name, one in theirs.items()}


@pytest.fixture(scope="module")
def kernel(cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]) -> str:
    """A kernel that runs in alice's JupyterLab; its id."""
    lab = theirs["alice"]
    kind = "Content-Type: application/json"
    fields = (paired(passes["alice"]), kind, f"Origin: {lab.origin}")
    made = ask(cluster, lab.host, "/api/kernels", *fields, method="POST", body='{"name": "python3"}')
    assert made.status == 201, made
    return str(json.loads(made.body)["id"])


def gate_log(session: Running) -> str:
    return (Path(session.folder) / ".sciserver" / "gate.log").read_text()


def gate_port(session: Running) -> int:
    return int(json.loads((Path(session.folder) / ".sciserver" / "session.json").read_text())["port"])


def log_of(cluster: Cluster, part: str) -> str:
    return (cluster.state.logs / f"{part}.log").read_text(errors="replace")


# on the node ------------------------------------------------------------------------------------------------


def listening(uid: int) -> dict[str, int]:
    """By inode the TCP ports on which processes of `uid` listen, in the network all users share."""
    ports = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[7]) == uid:
                ports[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    return ports


def of_user(uid: int, what: str) -> dict[str, str]:
    """By process of `uid` the text of /proc/<pid>/`what`."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.stat().st_uid == uid:
                found[folder.name] = (folder / what).read_text(errors="replace").replace("\0", "\n")
    return found


def socket_inodes(pids: list[str]) -> set[str]:
    found = set()
    for pid in pids:
        with suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    found.update(re.findall(r"^socket:\[(\d+)\]", str(link.readlink())))
    return found


def test_the_gate_is_all_that_listens(theirs: dict[str, Running], kernel: str) -> None:
    uid = Path(theirs["alice"].folder).stat().st_uid
    found = listening(uid)
    assert {gate_port(theirs["alice"]), gate_port(theirs["other"])} <= set(found.values())
    gates = [pid for pid, argv in of_user(uid, "cmdline").items() if "gate.json" in argv]
    assert set(found) <= socket_inodes(gates)


def test_no_socket_of_a_session_can_be_connected_to(
    cluster: Cluster, run_as: Run, lab: Running, kernel: str
) -> None:
    """Those with a path lie behind a directory of alice's; an abstract name anybody could use is none."""
    mine = socket_inodes(list(of_user(Path(lab.folder).stat().st_uid, "comm")))
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    listeners = [row[7] for row in rows if len(row) > 7 and row[6] in mine and row[3] == "00010000"]
    assert [name for name in listeners if name.startswith("@")] == []
    [scratch] = Path("/tmp").glob(f"sciserver-{lab.slurm_id}-*")
    assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    paths = [path for path in scratch.rglob("*") if path.is_socket()]
    assert "use.sock" in {path.name for path in paths}
    for path in paths:
        done = run_as("bob", ["curl", "-sS", "--unix-socket", str(path), "http://localhost/api"])
        assert (done.returncode, done.stdout) == (7, ""), path
    for path in (
        scratch,
        lab.folder,
        f"{lab.folder}/.sciserver/app.secret",
        f"{lab.folder}/.sciserver/gate.pem",
    ):
        assert (
            "denied"
            in run_as("bob", ["cat" if str(path)[-4:] in (".pem", "cret") else "ls", str(path)]).stderr
        )


KNOCK = """
import socket, ssl, sys
port, certificate, server = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if certificate:
    context.load_cert_chain(certificate)
try:
    line = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 20), server_hostname=server)
    line.sendall(sys.stdin.buffer.read())
    print(line.recv(9999))
except OSError as error:
    print(type(error).__name__, error)
"""

STATUS = '{"do": "status"}\n'


def knock(run_as: Run, port: int, certificate: str, text: str) -> str:
    """What bob hears when he comes to a gate with a certificate."""
    return str(run_as("bob", ["python3", "-c", KNOCK, str(port), certificate, "x.gate"], text).stdout).strip()


@pytest.fixture(scope="module")
def forged(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Certificates `proxy` and `broker` of an authority of bob's own, each with its key, in his home."""
    folder = tmp_path_factory.mktemp("ca") / "own"
    create(folder, datetime.now(UTC))
    home = cluster.state.shared / "home" / "bob"
    made = []
    for name in ("proxy", "broker"):
        file = home / f"{uuid4().hex}.pem"
        file.write_text((folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text())
        os.chown(file, home.stat().st_uid, home.stat().st_gid)
        made.append(file)
    yield [str(file) for file in made]
    for file in made:
        file.unlink()


def test_the_gate_has_no_word_for_whom_the_portal_did_not_sign(
    run_as: Run, theirs: dict[str, Running], forged: list[str]
) -> None:
    port = gate_port(theirs["alice"])
    before = gate_log(theirs["alice"])
    plain = run_as("bob", ["curl", "-sS", "-m", "20", f"http://127.0.0.1:{port}/api"])
    assert (plain.returncode != 0, plain.stdout) == (True, "")
    request = "GET /api HTTP/1.1\r\nHost: x\r\nX-Sciserver-Pass: 1\r\nX-Sciserver-Mode: use\r\n\r\n"
    his_own = f"{theirs['bob'].folder}/.sciserver/gate.pem"
    for certificate in ("", his_own, *forged):
        for text in (request, STATUS):
            heard = knock(run_as, port, certificate, text)
            assert "HTTP/1" not in heard, certificate
            assert "uuid" not in heard, certificate
            assert "Error" in heard or heard == "b''", (certificate, heard)
    told = gate_log(theirs["alice"])[len(before) :]
    assert told.count("gate: refused 127.0.0.1 port ") + told.count("::ffff:127.0.0.1 port ") >= 9, told
    for why in ("peer did not return a certificate", "its certificate: ", "http request"):
        assert why in told.lower().replace("_", " "), told


def test_not_even_of_his_own_session_is_bob_the_broker(run_as: Run, theirs: dict[str, Running]) -> None:
    his = theirs["bob"]
    heard = knock(run_as, gate_port(his), f"{his.folder}/.sciserver/gate.pem", STATUS)
    assert "Error" in heard or heard == "b''", heard
    assert "its certificate: " in gate_log(his)


def test_a_crowd_of_strangers_keeps_nobody_out(
    cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]
) -> None:
    port = gate_port(theirs["alice"])
    crowd = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(150)]
    try:
        assert ask(cluster, theirs["alice"].host, "/api", paired(passes["alice"])).status == 200
    finally:
        for one in crowd:
            one.close()


# secrets ----------------------------------------------------------------------------------------------------


def test_no_secret_stands_where_others_look(
    cluster: Cluster, run_as: Run, alice: Insider, lab: Running, passes: dict[str, str], kernel: str
) -> None:
    ticket = alice.ticket(lab)
    folder = Path(lab.folder) / ".sciserver"
    secrets = {
        "app": (folder / "app.secret").read_text().strip(),
        "claim": (folder / "claim.header").read_text().split()[-1],
        "key": (folder / "gate.pem").read_text().splitlines()[1],
        "pass": passes["alice"],
        "ticket": ticket,
    }
    assert all(len(secret) >= 32 for secret in secrets.values())
    shown = {
        "argv": "\n".join(of_user(Path(lab.folder).stat().st_uid, "cmdline").values()),
        "scontrol": run_as("bob", ["scontrol", "-d", "show", "job", str(lab.slurm_id)]).stdout,
        "squeue": run_as("bob", ["squeue", "-a", "-O", "All"]).stdout,
        "sacct": run_as("alice", ["sacct", "-j", str(lab.slurm_id), "-P", "-o", "ALL"]).stdout,
        **{part.name: part.read_text(errors="replace") for part in cluster.state.logs.iterdir()},
        "gate.log": gate_log(lab),
        "page": alice.page(f"/sessions/{lab.id}").text,
        "job page": alice.page(f"/jobs/{lab.id}/script").text,
    }
    assert str(lab.slurm_id) in shown["scontrol"]
    stood = [
        (what, where) for what, secret in secrets.items() for where, text in shown.items() if secret in text
    ]
    assert stood == []
    uid = Path(lab.folder).stat().st_uid
    environments = of_user(uid, "environ")
    stood = [
        (what, pid)
        for what, secret in secrets.items()
        for pid, text in environments.items()
        if secret in text
    ]
    assert stood == []
    for pid in environments:
        assert run_as("bob", ["cat", f"/proc/{pid}/environ"]).stdout == ""


def test_what_a_session_writes_is_its_owners_alone(lab: Running) -> None:
    folder = Path(lab.folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (folder / ".sciserver").iterdir():
        assert path.is_symlink() or not path.stat().st_mode & 0o077, path


# over the network -------------------------------------------------------------------------------------------


def test_headers_that_nginx_sets_cannot_be_sent(
    cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]
) -> None:
    lab, his = theirs["alice"], theirs["bob"]
    upstream = f"127.0.0.1:{gate_port(lab)}"
    forgeries = (
        f"X-Sciserver-Session: {lab.uuid}",
        "X-Sciserver-Pass: 1",
        "X-Sciserver-Mode: use",
        "X_Sciserver_Pass: 1",
        f"X-Session-Upstream: {upstream}",
        "X-Session-Pass: 1",
        "X-Original-Method: GET",
        f"X-Forwarded-Host: {lab.host}",
        "X-Original-URL: /.sciserver/auth",
    )
    assert ask(cluster, lab.host, "/api", *forgeries).status == 401
    assert ask(cluster, lab.host, "/api", paired(passes["bob"]), *forgeries).status == 401
    seen = ask(cluster, his.host, "/seen", paired(passes["bob"]), *forgeries)
    assert seen.status == 200, seen
    assert "sciserver-pass" not in seen.body.lower().replace("_", "-")
    assert "sciserver-mode" not in seen.body.lower()
    assert "__Host-pass" not in seen.body
    assert lab.uuid not in seen.body.replace(f"X-Session-Upstream: {upstream}", "")
    portal = cluster.url.removeprefix("https://")
    assert ask(cluster, portal, "/.sciserver/auth", *forgeries).status == 404
    assert ask(cluster, portal, "/api/v1/me", paired(passes["alice"]), *forgeries).status == 401


def test_a_pass_is_good_at_its_own_session_alone(
    cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]
) -> None:
    lab = theirs["alice"]
    for name in ("bob", "other"):
        for cookie in (
            [paired(passes[name])],
            [paired(passes[name]), paired(passes[name])],
            [f"{paired(passes[name])}; __Host-pass={passes[name]}"],
            [paired(passes[name] + " ")],
            [paired("")],
            [paired("' or 1=1 --")],
            [paired("%00")],
        ):
            assert ask(cluster, lab.host, "/api", *cookie).status == 401, cookie
    assert ask(cluster, lab.host, "/api", f"Authorization: Bearer {passes['alice']}").status == 401
    assert ask(cluster, lab.host, f"/api?pass={passes['alice']}&token={passes['alice']}").status == 401
    assert ask(cluster, lab.host, "/api", paired(passes["alice"])).status == 200
    assert '"why": "no_pass"' in log_of(cluster, "portal")


def test_a_ticket_is_good_once_and_at_its_own_session(
    cluster: Cluster, alice: Insider, bob: Insider, theirs: dict[str, Running]
) -> None:
    lab, his, other = theirs["alice"], theirs["bob"], theirs["other"]
    used = alice.ticket(lab)
    assert pass_of(exchange(cluster, lab.host, used))
    wrong = [
        (used, lab),
        (alice.ticket(other), lab),
        (bob.ticket(his), lab),
        (alice.ticket(lab), his),
        ("", lab),
        ("x" * 5000, lab),
    ]
    for ticket, place in wrong:
        answer = exchange(cluster, place.host, ticket)
        assert (answer.status, pass_of(answer)) == (303, ""), ticket
        assert answer.headers["location"].startswith(f"{cluster.url}/sessions/at/")
    assert exchange(cluster, lab.host, alice.ticket(lab) + "x" * 20_000).status == 413
    assert '"event": "ticket refused"' in log_of(cluster, "portal")


def test_nobody_is_let_in_by_anothers_page(
    cluster: Cluster, bob: Insider, theirs: dict[str, Running]
) -> None:
    """Bob's page could send a ticket of his: whoever looks at it would be in his session as bob."""
    his = theirs["bob"]
    ticket = bob.ticket(his)
    for origin in ("null", "https://evil.example", theirs["alice"].origin, his.origin, f"{cluster.url}.evil"):
        assert pass_of(exchange(cluster, his.host, ticket, origin=origin)) == "", origin
    assert '"event": "ticket from elsewhere"' in log_of(cluster, "portal")
    assert pass_of(exchange(cluster, his.host, ticket))


def test_knowing_a_session_helps_nobody(
    cluster: Cluster, run_as: Run, bob: Insider, web_of: Callable[[str], Web], lab: Running
) -> None:
    """squeue shows everybody the uuid."""
    assert lab.uuid in run_as("bob", ["squeue", "-h", "-a", "-o", "%j"]).stdout
    assert ask(cluster, lab.host).status == 401
    told = ask(cluster, lab.host, "/", "Sec-Fetch-Mode: navigate")
    assert (told.status, told.headers["location"]) == (303, f"{cluster.url}/sessions/at/{lab.uuid}")
    for path in (f"/sessions/at/{lab.uuid}", f"/sessions/{lab.id}", f"/jobs/{lab.id}"):
        assert bob.page(path).status_code == 404, path
    assert bob.post("/sessions", f"/sessions/{lab.id}/open", mode="use").status_code == 404
    assert bob.post("/sessions", f"/sessions/{lab.id}/open", mode="view").status_code == 404
    for deed in ("stop", "again", "forget"):
        assert web_of("bob")("POST", f"/sessions/{lab.id}/{deed}").status_code == 404
    assert web_of("bob")("POST", f"/sessions/{lab.id}/extend", json={"minutes": 1}).status_code == 404
    guess = f"{uuid4().hex}.sessions.localhost:{lab.host.rpartition(':')[2]}"
    assert ask(cluster, guess).status == 401


def test_names_in_other_clothes_open_nothing(
    cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]
) -> None:
    lab = theirs["alice"]
    name, port = lab.host.split(":")
    portal = cluster.url.removeprefix("https://")
    for host in (name.upper(), f"{name}.", f"{name}:1", f"{name}:{port}:1", f"{name}@{portal}", f"x.{name}"):
        answer = ask(cluster, host, "/api", server_name=name)
        assert answer.status in (400, 401, 404, 421), (host, answer)
    for host in (
        f"{lab.uuid[:31]}.sessions.localhost",
        "sessions.localhost",
        "x.localhost",
        "evil.example",
        "",
    ):
        assert ask(cluster, host, "/api", paired(passes["alice"]), server_name=name).status in (400, 421), (
            host
        )
    # The certificate's name and the request's need not agree, since browsers share connections.
    assert ask(cluster, lab.host, "/api", server_name="localhost").status == 401
    assert ask(cluster, portal, "/api/v1/me", server_name=name).status == 401
    for first, second in ((portal, lab.host), (lab.host, portal)):
        raw = f"GET https://{first}/.sciserver/auth HTTP/1.1\r\nHost: {second}\r\nConnection: close\r\n\r\n"
        answer = said_to(cluster, raw.encode())
        assert re.match(rb"HTTP/1\.1 40[04]", answer), answer
        assert b"X-Session" not in answer


def test_what_nginx_asks_the_portal_nobody_else_can_ask(
    cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]
) -> None:
    portal = cluster.url.removeprefix("https://")
    named = (f"X-Sciserver-Session: {theirs['alice'].uuid}", paired(passes["alice"]))
    paths = (
        "/.sciserver/auth",
        "//.sciserver/auth",
        "/./.sciserver/auth",
        "/%2esciserver/auth",
        "/.sciserver%2fauth",
        "/.sciserver/auth/",
        "/.sciserver/auth?x",
        "/.sciserver/./auth",
        "/.sciserver//auth",
        "/.sciserver/enter/../auth",
        "/x/%2e%2e/.sciserver/auth",
        "/.sciserver/other",
        "/.sciserver",
        "/%2e%2e/.sciserver/auth",
        "/.SciServer/auth",
    )
    for path in paths:
        for host in (theirs["alice"].host, portal):
            for method in ("GET", "POST"):
                answer = ask(cluster, host, path, *named, method=method)
                assert answer.status >= 300, (path, host, answer)
                assert not [name for name in answer.headers if name.startswith("x-session")], path
    for path in ("//.sciserver/enter", "/x/../.sciserver/enter", "/%2esciserver/enter"):
        assert pass_of(exchange(cluster, theirs["alice"].host, "x", path)) == ""


def test_an_apps_answer_commands_nobody_but_the_browser(
    cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]
) -> None:
    his, pass_ = theirs["bob"], paired(passes["bob"])
    for line in (
        "X-Accel-Redirect: /.sciserver/auth",
        "X-Accel-Redirect: @stranger",
        "X-Accel-Limit-Rate: 1",
        "Clear-Site-Data: %22*%22",
    ):
        answer = ask(cluster, his.host, f"/?h={line.replace(' ', '%20')}", pass_)
        assert (answer.status, answer.body[:5]) == (200, "GET /"), line
        assert not {"clear-site-data", "x-session-upstream", "x-session-pass"} & set(answer.headers), line


SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"


def test_one_request_stays_one(cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]) -> None:
    """What nginx and the gate could read in two ways is refused, or read in one."""
    his = theirs["bob"]
    inner = SMUGGLED.format(host=his.host)
    known = (paired(passes["bob"]), f"Origin: {his.origin}", "Connection: close")

    def heard(*fields: str, body: str = "", method: str = "POST") -> bytes:
        raw = head(method, "/outer", his.host, *fields, *known) + body.encode()
        return said_to(cluster, raw, his.host.partition(":")[0])

    chunked = f"0\r\n\r\n{inner}"
    tries = {
        "both lengths": heard(f"Content-Length: {len(chunked)}", "Transfer-Encoding: chunked", body=chunked),
        "two lengths": heard("Content-Length: 0", f"Content-Length: {len(inner)}", body=inner),
        "a padded name": heard("Content-Length: 0", "Transfer-Encoding : chunked", body=chunked),
        "a strange coding": heard("Transfer-Encoding: xchunked", body=chunked),
        "a tab": heard("Transfer-Encoding:\tchunked", body=chunked),
        "a folded line": heard("X: y", f" Content-Length: {len(inner)}", body=inner),
        "a bare return": heard("X: y\rContent-Length: 999", body=inner),
        "a null": heard("X: y\0z", body=inner),
        "an underscore": heard(f"Content_Length: {len(inner)}", body=inner),
        "h2c": heard("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", body=inner, method="GET"),
    }
    for what, answer in tries.items():
        assert b"GET /smuggled" not in answer, (what, answer)
    # Pipelined, each is asked for by itself: the second one shows no pass.
    first = head("GET", "/one", his.host, paired(passes["bob"]))
    both = said_to(
        cluster, first + head("GET", "/two", his.host, "Connection: close"), his.host.split(":")[0]
    )
    assert both.count(b"HTTP/1.1 200") == 1
    assert both.count(b"HTTP/1.1 401") == 1
    assert b"GET /two" not in both


def test_a_head_too_large_is_refused_early(
    cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]
) -> None:
    his, pass_ = theirs["bob"], paired(passes["bob"])
    many = [f"X-{number}: {'y' * 6000}" for number in range(10)]
    for path, *fields in (("/", f"X: {'y' * 40_000}"), (f"/{'y' * 40_000}",), ("/", *many)):
        answer = said_to(cluster, head("GET", path, his.host, pass_, *fields), his.host.partition(":")[0])
        assert re.match(rb"HTTP/1\.1 4(00|14|31)|\Z", answer), answer
    assert ask(cluster, his.host, "/", pass_).status == 200


def test_a_websocket_needs_the_sessions_own_origin(
    cluster: Cluster, theirs: dict[str, Running], passes: dict[str, str]
) -> None:
    lab, pass_ = theirs["alice"], paired(passes["alice"])
    path = "/api/events/subscribe"
    wrong = [
        (),
        ("Origin: null",),
        ("Origin: https://evil.example",),
        (f"Origin: {theirs['other'].origin}",),
        (f"Origin: {theirs['bob'].origin}",),
        (f"Origin: {cluster.url}",),
        (f"Origin: {lab.origin}.",),
        (f"Origin: {lab.origin}", f"Origin: {theirs['bob'].origin}"),
        (f"Origin: {lab.origin.replace('https', 'http')}",),
    ]
    for origin in wrong:
        assert ask(cluster, lab.host, path, pass_, *UPGRADE, *origin).status in (400, 403), origin
    assert ask(cluster, lab.host, path, pass_, *UPGRADE, f"Origin: {lab.origin}").status == 101
    assert ask(cluster, lab.host, path, *UPGRADE, f"Origin: {lab.origin}").status == 401
    assert '"why": "cross_origin"' in log_of(cluster, "portal")


# forged records ---------------------------------------------------------------------------------------------


TARPIT = """
import socket, time
trap = socket.create_server(("127.0.0.1", PORT))
while True:
    time.sleep(9)
"""
"""A listener that never says a word."""

FORGERIES = {
    "another session": ('{"uuid": "UUID", "slurm_id": ID, "restarts": 0, "port": GATE}', "of another run"),
    "another's gate": ('{"uuid": "MINE", "slurm_id": ID, "restarts": 0, "port": GATE}', "certificate"),
    "the portal's nginx": ('{"uuid": "MINE", "slurm_id": ID, "restarts": 0, "port": NGINX}', "certificate"),
    "a port of the system's": (
        '{"uuid": "MINE", "slurm_id": ID, "restarts": 0, "port": 22}',
        "cannot be read",
    ),
    "a host": (
        '{"uuid": "MINE", "slurm_id": ID, "restarts": 0, "port": GATE, "host": "10.0.0.1"}',
        "cannot be read",
    ),
    "a tarpit": ('{"uuid": "MINE", "slurm_id": ID, "restarts": 0, "port": TARPIT}', "timed out"),
    "depth": ("[" * 4000, "cannot be read"),
    "a link": (None, "ln -s /etc/passwd"),
    "a pipe": (None, "mkfifo"),
    "a gigabyte": (None, "truncate -s 1G"),
}
"""What stands in the record and why it is not believed; without a text, what makes it: alice's next session
opens all the same."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def closed(cluster: Cluster, web_of: Callable[[str], Web]) -> Iterator[tuple[int, str, str, int, int]]:
    """A session of bob's whose app never answers, so that its gate publishes nothing: id, uuid, folder,
    Slurm's id, the port of a tarpit in it."""
    web, port = web_of("bob"), free_port()
    number = ask_for(web, "webapp", values=served(TARPIT.replace("PORT", str(port))))
    assert wait(lambda: view(web, number)["phase"] == "starting", PATIENCE, pause=0.2), view(web, number)
    job = view(web, number)["job"]
    assert wait((Path(job["folder"]) / ".sciserver" / "gate.log").exists, PATIENCE)
    yield number, job["uuid"], job["folder"], job["slurm_id"], port
    web("POST", f"/sessions/{number}/stop")


def test_a_forged_record_leads_nowhere_and_delays_nobody(
    cluster: Cluster,
    run_as: Run,
    web_of: Callable[[str], Web],
    theirs: dict[str, Running],
    closed: tuple[int, str, str, int, int],
) -> None:
    number, uuid, folder, slurm_id, tarpit = closed
    words = {
        "UUID": theirs["alice"].uuid,
        "MINE": uuid,
        "ID": str(slurm_id),
        "GATE": str(gate_port(theirs["alice"])),
        "NGINX": cluster.url.rpartition(":")[2],
        "TARPIT": str(tarpit),
    }
    record = f"{folder}/.sciserver/session.json"
    for what, (text, why) in FORGERIES.items():
        before = log_of(cluster, "broker")
        if text is None:
            done = run_as("bob", ["bash", "-c", f"rm -rf {record}; {why} {record}"])
            assert done.returncode == 0, done.stderr
            quick = started(cluster, web_of("alice"), "webapp", values=served(ECHO))
            web_of("alice")("POST", f"/sessions/{quick.id}/stop")
        else:
            filled = re.sub("|".join(rf"\b{word}\b" for word in words), lambda found: words[found[0]], text)
            run_as("bob", ["bash", "-c", f"rm -rf {record}; cat > {record}"], filled)
            seen = wait(lambda: why in log_of(cluster, "broker")[len(before) :], 30, pause=0.2)  # noqa: B023
            assert seen, (what, log_of(cluster, "broker")[len(before) :])
        assert view(web_of("bob"), number)["phase"] == "starting", what


# pages in her browser ---------------------------------------------------------------------------------------

TRIED = """async ([what, url]) => {
    const over = new Promise((done) => setTimeout(() => done("silence"), 20000));
    const tries = {
        read: () => fetch(url, { credentials: "include" }).then((it) => it.text()),
        blind: () => fetch(url, { credentials: "include", mode: "no-cors" }).then((it) => it.type),
        post: () => fetch(url, { method: "POST", credentials: "include", mode: "no-cors", body: "a=b" })
            .then((it) => it.type),
        image: () => new Promise((done, fail) => {
            const image = new Image();
            image.onload = () => done("loaded");
            image.onerror = () => fail("error");
            image.src = url;
        }),
        socket: () => new Promise((done, fail) => {
            const socket = new WebSocket(url.replace("https", "wss"));
            socket.onopen = () => done("open");
            socket.onerror = () => fail("error");
        }),
    };
    try { return await Promise.race([tries[what](), over]); } catch (error) { return "refused"; }
}"""


@pytest.fixture(scope="module")
def evil(victim: Visitor, theirs: dict[str, Running]) -> tuple[Page, Page]:
    """A page of her other session, whose HTML is anybody's, and one of JupyterLab beside it."""
    return victim.enter(theirs["other"].id), victim.enter(theirs["alice"].id)


def test_a_page_of_a_session_cannot_read_the_portal(
    cluster: Cluster, victim: Visitor, evil: tuple[Page, Page]
) -> None:
    page, _ = evil
    assert page.evaluate("window.opener") is None
    for path in ("/api/v1/me", "/sessions", "/api/v1/sessions"):
        assert page.evaluate(TRIED, ["read", cluster.url + path]) == "refused", path
    assert page.evaluate(TRIED, ["socket", cluster.url + "/sessions"]) == "refused"


def test_a_form_in_a_session_changes_nothing_in_the_portal(
    cluster: Cluster, victim: Visitor, evil: tuple[Page, Page], lab: Running, web_of: Callable[[str], Web]
) -> None:
    page, _ = evil
    send = """url => { const form = document.createElement("form");
        form.method = "post"; form.action = url; form.target = "_blank";
        document.body.append(form); form.submit(); }"""
    for path in (f"/sessions/{lab.id}/stop", "/logout"):
        with victim.context.expect_page() as shown:
            page.evaluate(send, cluster.url + path)
        shown.value.wait_for_load_state()
        shown.value.close()
        page.evaluate(TRIED, ["post", cluster.url + path])
    assert view(web_of("alice"), lab.id)["phase"] == "open"
    victim.page.goto("/sessions")
    assert victim.page.url.endswith("/sessions"), "she is still logged in"


def framed(page: Page, url: str) -> str:
    """What a frame shows."""
    with page.expect_event("framenavigated"):
        page.evaluate(
            """url => { const frame = document.createElement("iframe");
            frame.src = url; document.body.append(frame);
            return new Promise((done) => { frame.onload = done; }); }""",
            url,
        )
    frame = page.frames[-1]
    return frame.url if frame.url.startswith("chrome-error:") else frame.content()


def test_neither_the_portal_nor_a_session_can_be_framed(
    cluster: Cluster, evil: tuple[Page, Page], lab: Running
) -> None:
    page, _ = evil
    assert framed(page, f"{cluster.url}/sessions").startswith("chrome-error:")
    assert "403 Forbidden" in framed(page, f"{lab.origin}/lab")


def test_one_session_cannot_use_another_of_the_same_person(
    cluster: Cluster, evil: tuple[Page, Page], theirs: dict[str, Running]
) -> None:
    """They are of one site, and the browser sends the other one's pass along."""
    page, lab_page = evil
    lab, other = theirs["alice"], theirs["other"]
    before = log_of(cluster, "portal")
    assert page.evaluate(TRIED, ["read", f"{lab.origin}/api/contents"]) == "refused"
    assert page.evaluate(TRIED, ["image", f"{lab.origin}/favicon.ico"]) == "refused"
    assert page.evaluate(TRIED, ["socket", f"{lab.origin}/api/events/subscribe"]) == "refused"
    for what in ("read", "blind", "post", "image"):
        lab_page.evaluate(TRIED, [what, f"{other.origin}/reached-by-{what}"])
    seen = (Path(other.folder) / "stderr.txt").read_text()
    assert "GET /" in seen
    assert "reached-by" not in seen
    assert log_of(cluster, "portal")[len(before) :].count('"why": "cross_origin"') >= 5


def test_a_session_cannot_plant_a_pass(
    cluster: Cluster, victim: Visitor, evil: tuple[Page, Page], lab: Running
) -> None:
    page, lab_page = evil

    def ours() -> dict[tuple[str, str], str]:
        found = victim.context.cookies()
        return {
            (one["name"], one["domain"]): one["value"] for one in found if one["name"].startswith("__Host")
        }

    before = ours()
    assert {name for name, _ in before} >= {"__Host-pass", "__Host-login"}
    for name in ("__Host-pass", "__Host-login"):
        for rest in (
            "Secure; Path=/; Domain=sessions.localhost",
            "Secure; Path=/; Domain=localhost",
            "Path=/lab",
        ):
            page.evaluate("text => { document.cookie = text; }", f"{name}=evil; {rest}")
            header = f"Set-Cookie: {name}=evil; {rest}".replace(";", "%3B").replace(" ", "%20")
            page.evaluate("path => fetch(path).then((it) => it.status)", f"/?h={header}")
    page.evaluate("document.cookie = '__Host-pass=evil; Secure; Path=/'")
    assert ours() == before
    page.evaluate("fetch('/?h=Clear-Site-Data:%20%22cookies%22').then((it) => it.text())")
    assert ours() == before
    assert lab_page.evaluate("fetch('/api').then((it) => it.status)") == 200


def test_no_secret_stands_in_the_browsers_history(
    victim: Visitor, evil: tuple[Page, Page], theirs: dict[str, Running]
) -> None:
    secrets = {one["value"] for one in victim.context.cookies() if one["name"].startswith("__Host")}
    for page in (*evil, victim.page):
        urls = page.evaluate(
            "performance.getEntries().map((it) => it.name).concat(location.href, document.referrer)"
        )
        assert not [url for url in urls if "ticket" in url or any(secret in url for secret in secrets)]
        assert page.evaluate("document.cookie").find("__Host") == -1


def test_the_kernel_has_nothing_of_the_door(evil: tuple[Page, Page], lab: Running) -> None:
    """What runs in it is the owner's; the pass of who visits is not."""
    code = "import os; print(*[name for name in os.environ if 'PASS' in name or 'SECRET' in name], sep=',')"
    assert run_cell(evil[1], "python3", code) == ""


# rights that end --------------------------------------------------------------------------------------------


@contextmanager
def held(cluster: Cluster, session: Running, secret: str) -> Iterator[ssl.SSLSocket]:
    """An open WebSocket."""
    with line_to(cluster, session.host.partition(":")[0]) as line:
        fields = (paired(secret), f"Origin: {session.origin}", *UPGRADE)
        line.sendall(head("GET", "/api/events/subscribe", session.host, *fields))
        assert line.recv(12) == b"HTTP/1.1 101"
        yield line


def hung_up(line: ssl.SSLSocket) -> bool:
    """Does the other end hang up, sooner or later?"""
    line.settimeout(60)
    try:
        while line.recv(9999):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def lent(web: Web, session: Running, subject: dict[str, str], **more: str) -> dict[str, Any]:
    """A grant to work in the session."""
    thing = {"kind": "session", "name": str(session.id)}
    asked = {"subject": subject, "resource": thing, "actions": ["write"]}
    answer = web("POST", "/grants", json=asked | more)
    assert answer.status_code == 201, answer.text
    return asked


BOB = {"kind": "user", "name": "bob"}


def test_a_grant_that_expires_ends_what_is_open(
    cluster: Cluster, bob: Insider, web_of: Callable[[str], Web], lab: Running
) -> None:
    end = datetime.now(UTC) + timedelta(seconds=6)
    lent(web_of("alice"), lab, BOB, expires=end.isoformat())
    secret = bob.enter(lab)
    with held(cluster, lab, secret) as line:
        assert hung_up(line)
    assert datetime.now(UTC) >= end
    assert ask(cluster, lab.host, "/api", paired(secret)).status in (401, 403)


def test_a_grant_taken_back_ends_tickets_too(
    cluster: Cluster, bob: Insider, web_of: Callable[[str], Web], lab: Running
) -> None:
    asked = lent(web_of("alice"), lab, BOB)
    ticket, secret = bob.ticket(lab), bob.enter(lab)
    with held(cluster, lab, secret) as line:
        assert web_of("alice")("POST", "/grants/revoke", json=asked).status_code == 200
        assert hung_up(line)
    assert ask(cluster, lab.host, "/api", paired(secret)).status in (401, 403)
    late = pass_of(exchange(cluster, lab.host, ticket))
    assert ask(cluster, lab.host, "/api", paired(late)).status in (401, 403)


def test_who_leaves_the_group_is_out(cluster: Cluster, web_of: Callable[[str], Web], lab: Running) -> None:
    alice, carol = web_of("alice"), web_of("carol")
    group, member = f"guests-{uuid4().hex[:8]}", {"member": {"kind": "user", "name": "carol"}}
    assert alice("POST", "/groups", json={"name": group}).status_code < 300
    assert alice("POST", f"/groups/{group}/invite", json=member).status_code < 300
    assert carol("POST", f"/groups/{group}/accept").status_code < 300
    lent(alice, lab, {"kind": "portal_group", "name": group})
    insider = Insider(cluster, "carol")
    secret = insider.enter(lab)
    insider.close()
    with held(cluster, lab, secret) as line:
        assert alice("POST", f"/groups/{group}/remove", json=member).status_code < 300
        assert hung_up(line)
    assert ask(cluster, lab.host, "/api", paired(secret)).status in (401, 403)


def test_with_the_login_everything_ends(cluster: Cluster, lab: Running) -> None:
    other = Insider(cluster, "alice")
    ticket, secret = other.ticket(lab), other.enter(lab)
    with held(cluster, lab, secret) as line:
        other.log_out()
        assert ask(cluster, lab.host, "/api", paired(secret)).status == 401
        assert hung_up(line)
    other.close()
    assert pass_of(exchange(cluster, lab.host, ticket)) == ""


# what people type -------------------------------------------------------------------------------------------


def test_text_of_a_form_never_runs(cluster: Cluster, web_of: Callable[[str], Web]) -> None:
    web, mark = web_of("alice"), f"ran-{uuid4().hex}"
    volume = cluster.state.shared / "storage" / "alice" / "persistent"
    there = f"/home/idies/workspace/Storage/alice/persistent/{mark}"
    nasty = f"a'; touch {there}; \"$(touch {there})`touch {there}`{{{{7*7}}}}${{IFS}}; #"
    asked = {
        "app": "jupyterlab",
        "domain": "interactive",
        "image": "python",
        "volumes": [{"volume": "Storage/alice/persistent", "mode": "rw"}],
    }
    for bad in (f"a\ntouch {there}", "a\0b", "x" * 1_000_000, ["a"], {"a": "b"}, "../../etc", "/etc"):
        answer = web("POST", "/sessions", json=asked | {"values": {"folder": bad}})
        assert answer.status_code == 422, (str(bad)[:50], answer.text)
    for field in ("command", "socket", "app_socket", "PATH"):
        assert web("POST", "/sessions", json=asked | {"values": {field: nasty}}).status_code == 422
    assert web("POST", "/sessions", json=asked | {"name": "a\n#SBATCH --uid=0"}).status_code == 422
    running = web(
        "POST", "/sessions", json=asked | {"values": {"folder": nasty}, "name": f"$(touch {there})"}
    )
    assert running.status_code in (201, 422), running.text
    if running.status_code == 422:
        running = web("POST", "/sessions", json=asked | {"values": {"folder": nasty}})
    session = opened(cluster, web, running.json()["session"]["id"])
    assert "{{7*7}}" in web.page("GET", f"/sessions/{session.id}", headers=web.browser()).text
    web("POST", f"/sessions/{session.id}/stop")
    assert wait(lambda: view(web, session.id)["phase"] == "over", PATIENCE, pause=0.5)
    assert [path for path in volume.rglob("*") if path.name == mark] == []
