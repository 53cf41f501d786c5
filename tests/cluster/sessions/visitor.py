"""People in browsers at sessions: they start them, go in, and work in JupyterLab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from sciserver_hpc.devcluster import settings
from sciserver_hpc.devcluster.processes import wait
from sciserver_hpc.domain.gates import GateStatus, SessionRecord
from sciserver_hpc.gates import TlsGates
from tests.portal.live import log_in

from ..conftest import Cluster
from ..web import Web
from .wire import view

PATIENCE_MS = 90_000


class Visitor:
    """A person with a browser of their own, logged in at the portal."""

    def __init__(self, browser: Browser, cluster: Cluster, username: str) -> None:
        self.context = browser.new_context(
            base_url=cluster.url, ignore_https_errors=True, viewport={"width": 1280, "height": 800}
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.username = username
        self.page = self.context.new_page()
        log_in(self.page, username, cluster.password(username))

    def start(self, app: str, image: str, **fields: str) -> int:
        """Start a session by the form and wait until it is open; return its id. fields: name → value."""
        self.page.goto(f"/sessions/new/{app}")
        place = self.page.locator("select[name=place]")
        title = re.compile(rf"^\s*{re.escape(image)} \d")  # and its version
        option = place.locator("option", has_text=title).first.get_attribute("value")
        place.select_option(option)
        for name, value in fields.items():
            self._fill(name, value)
        self.page.get_by_role("button", name="Start", exact=True).click()
        self.page.wait_for_url(re.compile(r"/sessions/\d+$"))
        self.wait_open()
        return int(self.page.url.rpartition("/")[2])

    def _fill(self, name: str, value: str) -> None:
        control = self.page.locator(f"[name='{name}']")
        if control.evaluate("it => it.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)

    def wait_open(self) -> None:
        """Wait until the session's page offers to open it."""
        expect(self.page.get_by_role("button", name="Open")).to_be_visible(timeout=PATIENCE_MS)

    def enter(self, job_id: int, button: str = "Open") -> Page:
        """Go in from the session's page; return the app's own page, in a tab of its own."""
        self.page.goto(f"/sessions/{job_id}")
        with self.context.expect_page() as opened:
            self.page.get_by_role("button", name=button).click()
        app = opened.value
        app.wait_for_url(lambda url: ".sessions.localhost:" in url and "/.sciserver/" not in url)
        return app

    def close(self) -> None:
        """Leave."""
        self.context.close()


@contextmanager
def visiting(browser: Browser, cluster: Cluster, username: str) -> Iterator[Visitor]:
    """`username` with a browser of their own."""
    visitor = Visitor(browser, cluster, username)
    try:
        yield visitor
    finally:
        visitor.close()


RUN_CELL = """async ([kernel, code]) => {
    const xsrf = (document.cookie.match(/_xsrf=([^;]+)/) || [])[1] || "";
    const headers = { "Content-Type": "application/json", "X-XSRFToken": xsrf };
    const body = JSON.stringify({ name: kernel });
    const made = await fetch("/api/kernels", { method: "POST", headers, body });
    if (!made.ok) return `no kernel: ${made.status}`;
    const { id } = await made.json();
    const address = `${location.origin.replace("http", "ws")}/api/kernels/${id}/channels`;
    const socket = new WebSocket(address);
    const header = { msg_id: "m1", username: "", session: "s1", msg_type: "execute_request", version: "5.3" };
    const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false };
    const message = { header, parent_header: {}, metadata: {}, channel: "shell", buffers: [], content };
    return await new Promise((done) => {
        let text = "";
        socket.onerror = () => done("no socket");
        socket.onopen = () => socket.send(JSON.stringify(message));
        socket.onmessage = (event) => {
            const told = JSON.parse(event.data);
            if (told.parent_header?.msg_id !== "m1") return;
            if (told.msg_type === "stream") text += told.content.text;
            if (told.msg_type === "execute_result") text += told.content.data["text/plain"];
            if (told.msg_type === "error") text += told.content.evalue;
            if (told.msg_type !== "status" || told.content.execution_state !== "idle") return;
            socket.close();
            done(text);
        };
    });
}"""


def run_cell(page: Page, kernel: str, code: str) -> str:
    """Start a kernel, as JupyterLab's own page would, and return what a cell says."""
    answer: Any = page.evaluate(RUN_CELL, [kernel, code])
    return str(answer).strip()


def end_sessions(cluster: Cluster, *usernames: str) -> None:
    """Stop all of theirs, and wait until they are over: people may have five at once."""
    for username in usernames:
        web = Web.login(cluster, username)
        for one in web("GET", "/sessions").json()["sessions"]:
            web("POST", f"/sessions/{one['id']}/stop")
        assert wait(lambda web=web: _all_over(web), 60)
        web.close()


def _all_over(web: Web) -> bool:
    return all(one["phase"] == "over" for one in web("GET", "/sessions").json()["sessions"])


def gate_status(cluster: Cluster, web: Web, job_id: int) -> GateStatus:
    """What the gate of a session says now, asked as the broker asks."""
    file = Path(view(web, job_id)["job"]["folder"]) / ".sciserver" / "session.json"
    record = SessionRecord.model_validate_json(file.read_text())
    gates = TlsGates(settings.sessions_ca(cluster.state))
    return gates.status(f"127.0.0.1:{record.port}", record.uuid)
