"""The portal behind TLS on a free loopback port, and a browser to look at it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from .house import PASSWORD, House

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
LOOKS = [pytest.param(DESKTOP, False, id="desktop-light"), pytest.param(PHONE, True, id="phone-dark")]
"""Width and scheme of a window. A width moves things and a scheme colours them, each for itself."""


@contextmanager
def serving(house: House, folder: Path, app: Any = None) -> Iterator[str]:
    """`house`, or `app` in its place, over HTTPS with a certificate of its own; yields its URL."""
    certificate, key = _certificate(folder)
    server = make_server("127.0.0.1", 0, app or house.app, threaded=True, ssl_context=(certificate, key))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def page_of(
    browser: Browser, url: str, *, width: dict[str, int] = DESKTOP, dark: bool = False, script: bool = True
) -> Iterator[Page]:
    """A page of a fresh person's browser."""
    context = browser.new_context(
        base_url=url,
        ignore_https_errors=True,
        viewport=width,
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
    )
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def check(page: Page) -> None:
    """Nothing that axe-core finds, nothing that scrolls sideways."""
    # By the debugger's door, since the page's own policy lets no foreign script in.
    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
    told = [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found for n in v["nodes"]]
    assert told == [], page.url
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen, page.url


def log_in(page: Page, username: str = "alice", password: str = PASSWORD) -> None:
    """Through the form, as people do."""
    page.goto("/login")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/")


def _certificate(folder: Path) -> tuple[str, str]:
    certificate, key = str(folder / "tls.pem"), str(folder / "tls.key")
    kind = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    command = ["openssl", "req", "-x509", *kind.split(), "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return certificate, key
