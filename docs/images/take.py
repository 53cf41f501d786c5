"""Take the pictures of the portal that the documents show: `python docs/images/take.py [DIRECTORY]`.

Needs a running development cluster (`./dev up`; SCISERVER_DEV_STATE names another one), root for its demo
password, and Debian's Chromium. Without DIRECTORY the few pictures the documents use are renewed in this
directory; with it, every page is taken there at two widths in both themes, to be looked at.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from sciserver_hpc.client import Client  # noqa: E402 # the checkout, which is not installed
from sciserver_hpc.devcluster import settings, slapd  # noqa: E402
from sciserver_hpc.devcluster.state import State  # noqa: E402

SAMPLES = ROOT / "containers" / "samples"
WHO = "alice"
SIZES = {"wide": {"width": 1280, "height": 860}, "narrow": {"width": 390, "height": 844}}
THEMES = ("light", "dark")
OUT_OF_MEMORY = "echo 'reading the catalogue'; python3 -c 'bytearray(900_000_000)'"
STEPS = "seq 60 | while read -r i; do echo step $i; sleep 5; done"
KEPT = {("home", "wide", "light"), ("form", "wide", "light"), ("job", "wide", "light"),
        ("results", "wide", "light"), ("ended", "narrow", "dark")}  # fmt: skip
"""What the documents show: page, size, theme."""


@dataclass(frozen=True)
class Site:
    """The portal, and who looks at it."""

    url: str
    password: str


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield running
        running.close()


@contextmanager
def visit(running: Browser, site: Site, size: str, theme: str) -> Iterator[Page]:
    """A page of somebody who just logged in."""
    context = running.new_context(
        base_url=site.url, ignore_https_errors=True, viewport=SIZES[size], color_scheme=theme
    )
    page = context.new_page()
    page.goto("/login")
    page.fill("input[name=username]", WHO)
    page.fill("input[name=password]", site.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(site.url + "/")
    yield page
    context.close()


def prepare(client: Client) -> None:
    """Jobs of every kind, so that the tables have something to tell."""
    client.submit_notebook(SAMPLES / "quakes.ipynb", image="r", name="quakes")
    client.submit_script(SAMPLES / "hello.sh")
    memory = client.submit_shell(
        OUT_OF_MEMORY, name="too much", resources={"memory_mb": 200, "time_limit_s": 600}
    )
    client.submit_shell(
        STEPS,
        name="steps",
        volumes=[{"volume": "sunspots"}],
    )
    client.submit_shell("nproc", name="four nodes", resources={"nodes": 4, "cpus": 8, "memory_mb": 512})
    client.wait(memory.id)


def fill_form(page: Page) -> None:
    """The form of a notebook, with its preview."""
    page.goto("/jobs/new?kind=notebook")
    page.set_input_files("input[name=notebook_file]", SAMPLES / "sunspots.ipynb")
    page.fill("textarea[name=parameters]", "first_year=1750")
    page.fill("input[name=name]", "sunspots")
    page.select_option("select[name='volume:sunspots']", "ro")
    page.get_by_role("button", name="Show what will happen").click()
    page.get_by_text("Options of sbatch").wait_for()


def submit(running: Browser, site: Site, client: Client) -> dict[str, str]:
    """Send the notebook through the form; the pages to look at afterwards, by name."""
    with visit(running, site, "wide", "light") as page:
        fill_form(page)
        page.get_by_role("button", name="Submit").click()
        page.wait_for_url(re.compile(r"/jobs/\d+$"))
        number = int(page.url.rsplit("/", 1)[1])
    client.wait(number, poll=1)
    over = next(job for job in client.jobs(name="too much"))
    active = next(job for job in client.jobs(name="steps"))
    return {
        "home": "/", "jobs": "/jobs", "job": f"/jobs/{number}", "log": f"/jobs/{active.id}/log",
        "running": f"/jobs/{active.id}", "files": f"/jobs/{number}/results",
        "results": f"/jobs/{number}/results?path=sunspots.ipynb", "script": f"/jobs/{number}/script",
        "provenance": f"/jobs/{number}/provenance", "ended": f"/jobs/{over.id}", "me": "/me",
    }  # fmt: skip


def take(page: Page, name: str, pages: dict[str, str], file: Path, whole: bool) -> None:
    """One picture: the first screen, or the whole page."""
    if name == "form":
        fill_form(page)
    else:
        page.goto(pages[name])
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_load_state("networkidle" if name in ("results", "job") else "load")
    page.screenshot(path=file, full_page=whole)


def main() -> None:
    """Log in, submit, take the pictures."""
    state = State.from_environment()
    site = Site(settings.url(state), slapd.password(state, WHO))
    target = Path(sys.argv[1]) if sys.argv[1:] else HERE
    with (
        Client.login(site.url, WHO, site.password, str(state.etc / "ca.pem")) as client,
        browser() as running,
    ):
        prepare(client)
        pages = submit(running, site, client)
        for size, theme in ((size, theme) for size in SIZES for theme in THEMES):
            with visit(running, site, size, theme) as page:
                for name in (*pages, "form"):
                    if target != HERE or (name, size, theme) in KEPT:
                        take(page, name, pages, target / f"{name}-{size}-{theme}.png", target != HERE)


if __name__ == "__main__":
    main()
