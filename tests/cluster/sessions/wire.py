"""Sessions without a browser: tickets, passes, and bytes as nobody's browser would send them."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from sciserver_hpc.devcluster.processes import wait

from ..conftest import Cluster
from ..web import Web

PATIENCE = 150


@dataclass(frozen=True)
class Reply:
    """An answer; headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Running:
    """A session that is open."""

    id: int
    uuid: str
    slurm_id: int
    folder: str
    host: str
    """Its own name, with the port."""

    @property
    def origin(self) -> str:
        return f"https://{self.host}"


def view(web: Web, job_id: int) -> dict[str, Any]:
    """A session as the API shows it."""
    found: dict[str, Any] = web("GET", f"/sessions/{job_id}").json()["session"]
    return found


def ask_for(web: Web, app: str, image: str = "python", **more: Any) -> int:
    """Start a session; its id."""
    asked = {"app": app, "domain": "interactive", "image": image, **more}
    answer = web("POST", "/sessions", json=asked)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["session"]["id"])


def opened(cluster: Cluster, web: Web, job_id: int) -> Running:
    """Once it is open."""
    assert wait(lambda: view(web, job_id)["phase"] in ("open", "over"), PATIENCE, pause=0.2)
    found = view(web, job_id)
    assert found["phase"] == "open", found
    job = found["job"]
    host = f"{job['uuid']}.sessions.localhost:{cluster.url.rpartition(':')[2]}"
    return Running(job_id, job["uuid"], job["slurm_id"], job["folder"], host)


def started(cluster: Cluster, web: Web, app: str, **more: Any) -> Running:
    """A new session, open."""
    return opened(cluster, web, ask_for(web, app, **more))


def served(source: str) -> dict[str, str]:
    """Form values by which `webapp` runs a Python program."""
    packed = base64.b64encode(source.encode()).decode()
    return {"command": f"exec python3 -c 'import base64; exec(base64.b64decode(\"{packed}\"))'"}


@contextmanager
def line_to(cluster: Cluster, server_name: str) -> Iterator[ssl.SSLSocket]:
    """A TLS connection to nginx that asks for `server_name`."""
    port = int(cluster.url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=str(cluster.ca))
    context.check_hostname = False
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as line,
    ):
        yield line


def said_to(cluster: Cluster, raw: bytes, server_name: str = "localhost") -> bytes:
    """Everything that comes back for `raw` until nginx hangs up or is silent for a while."""
    with line_to(cluster, server_name) as line:
        line.settimeout(8)
        found = b""
        try:
            line.sendall(raw)
            while data := line.recv(64 << 10):
                found += data
        except OSError:
            pass
        return found


def head(method: str, path: str, host: str, *fields: str) -> bytes:
    """A request head; `fields`: whole lines."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode("latin-1")


def ask(
    cluster: Cluster,
    host: str,
    path: str = "/",
    *fields: str,
    method: str = "GET",
    server_name: str = "",
    body: str = "",
) -> Reply:
    """One request to nginx, by a name that need not be in any DNS."""
    length = [f"Content-Length: {len(body)}"] if body else []
    with line_to(cluster, server_name or host.partition(":")[0]) as line:
        line.sendall(head(method, path, host, *fields, *length) + body.encode())
        with closing(http.client.HTTPResponse(line, method=method)) as answer:
            answer.begin()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            text = "" if answer.status == 101 else answer.read().decode("utf-8", "replace")
            return Reply(answer.status, headers, text)


UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def paired(secret: str) -> str:
    """The header by which a browser shows its pass."""
    return f"Cookie: __Host-pass={secret}"


class Insider:
    """Somebody with a login of their own, who goes into sessions without a browser."""

    def __init__(self, cluster: Cluster, username: str) -> None:
        self.cluster = cluster
        self._http = requests.Session()
        self._http.verify, self._http.trust_env = str(cluster.ca), False
        fields = {"username": username, "password": cluster.password(username)}
        answer = self.post("/login", "/login", **fields)
        assert answer.status_code < 400, answer.text

    def page(self, path: str) -> requests.Response:
        """A page of the portal."""
        return self._http.get(f"{self.cluster.url}{path}", timeout=30)

    def post(self, form: str, path: str, **fields: str) -> requests.Response:
        """Send a form, with the token that the page `form` holds."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.page(form).text)
        assert token, form
        data = {"csrf_token": token[1], **fields}
        headers = {"Referer": f"{self.cluster.url}{form}"}
        return self._http.post(f"{self.cluster.url}{path}", data=data, headers=headers, timeout=30)

    def ticket(self, session: Running, mode: str = "use", form: str = "") -> str:
        """A fresh ticket for a session."""
        page = self.post(form or f"/sessions/{session.id}", f"/sessions/{session.id}/open", mode=mode)
        found = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert found, page.text
        return found[1]

    def enter(self, session: Running) -> str:
        """Go in; the pass."""
        answer = exchange(self.cluster, session.host, self.ticket(session))
        assert answer.status == 303, answer
        return pass_of(answer)

    def log_out(self) -> None:
        self.post("/sessions", "/logout")

    def close(self) -> None:
        self._http.close()


def exchange(
    cluster: Cluster, host: str, ticket: str, path: str = "/.sciserver/enter", origin: str = ""
) -> Reply:
    """Send a ticket to a session's origin, from a page of `origin`: the portal's own, unless it is said."""
    kind = "Content-Type: application/x-www-form-urlencoded"
    return ask(
        cluster, host, path, kind, f"Origin: {origin or cluster.url}", method="POST", body=f"ticket={ticket}"
    )


def pass_of(answer: Reply) -> str:
    """What the cookie of an answer to a ticket holds; "" without one."""
    found = re.match(r"__Host-pass=([^;]+)", answer.headers.get("set-cookie", ""))
    return found[1] if found else ""
