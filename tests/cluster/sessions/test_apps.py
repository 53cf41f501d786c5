"""Every app from its form to a browser that uses it: LDAP, the broker, Slurm, the gate and nginx."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sciserver_hpc.devcluster import apptainer, images, sharedfs
from sciserver_hpc.devcluster.namespace import Command
from sciserver_hpc.devcluster.processes import wait
from tests.portal.live import DESKTOP, PHONE, check

from ..conftest import Cluster
from ..web import Web, said
from .desktops import Desktop
from .visitor import (
    PATIENCE_MS,
    RUN_CELL,
    Visitor,
    end_sessions,
    gate_status,
    run_cell,
    visiting,
)

Run = Callable[..., subprocess.CompletedProcess[str]]
WebOf = Callable[[str], Web]
VOLUME = "Storage/alice/persistent"
MOUNTED = {f"volume:{VOLUME}": "rw"}
PATIENCE_S = PATIENCE_MS / 1000

STREAMLIT = """
import streamlit as st
from statsmodels.datasets import sunspots

years = sunspots.load_pandas().data.set_index("YEAR")["SUNACTIVITY"]
year = st.number_input("Year", 1700, 2008, 1957)
st.write(f"Sunspot number of {year}: {years[year]:.1f}")
st.line_chart(years)
"""
SHINY = """
library(shiny)
page <- fluidPage(numericInput("least", "Least magnitude", 5), textOutput("count"), plotOutput("map"))
shinyApp(page, function(input, output) {
    output$count <- renderText(paste(sum(quakes$mag >= input$least), "of", nrow(quakes), "earthquakes"))
    output$map <- renderPlot(plot(lat ~ long, quakes[quakes$mag >= input$least, ]))
})
"""
TRAINING = """
import sys
from statsmodels.datasets import sunspots
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

writer = EventFileWriter(sys.argv[1])
for year, number in sunspots.load_pandas().data.itertuples(index=False):
    value = Summary.Value(tag="sunspots/yearly", simple_value=number)
    writer.add_event(Event(step=int(year), wall_time=year, summary=Summary(value=[value])))
writer.close()
"""
SERVER = """
import asyncio, os, pathlib
import tornado.httpserver, tornado.netutil, tornado.web, tornado.websocket

class Echo(tornado.websocket.WebSocketHandler):
    def check_origin(self, origin): return origin == os.environ["ORIGIN"]
    def on_message(self, message): self.write_message("heard " + message)

class Said(tornado.web.RequestHandler):
    def get(self): self.finish(pathlib.Path("/tmp/said").read_text())

async def main():
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Said), ("/echo", Echo)]))
    server.add_socket(tornado.netutil.bind_unix_socket(os.environ["SOCKET"]))
    await asyncio.Event().wait()

asyncio.run(main())
"""
LOOK_AROUND = """
import socket, sys
names = [name for _, name in socket.if_nameindex()]
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 3)
    names.append("the portal")
except OSError:
    pass
print(*names)
"""


@pytest.fixture
def alice(browser: Browser, cluster: Cluster) -> Iterator[Visitor]:
    with visiting(browser, cluster, "alice") as visitor:
        yield visitor


@pytest.fixture(autouse=True)
def no_session_left(cluster: Cluster) -> Iterator[None]:
    yield
    end_sessions(cluster, "alice", "bob")


@pytest.fixture
def volume(cluster: Cluster, alice: Visitor) -> Path:
    """Alice's volume on the host; her first login made it."""
    return sharedfs.root(cluster.state, "Storage") / "alice" / "persistent"


def put(run_as: Run, file: Path, text: str) -> None:
    """Alice writes a file."""
    assert run_as("alice", ["mkdir", "-p", str(file.parent)]).returncode == 0
    assert run_as("alice", ["tee", str(file)], text).returncode == 0


def appears(file: Path, text: str) -> None:
    if not wait(lambda: file.exists() and file.read_text() == text, PATIENCE_S):
        assert file.exists(), f"{file} never came"
        assert file.read_text() == text


def share(web: Web, number: int, whom: str, action: str) -> None:
    thing = {"kind": "session", "name": str(number)}
    grant = {"subject": {"kind": "user", "name": whom}, "resource": thing, "actions": [action]}
    assert web("POST", "/grants", json=grant).status_code == 201


# desktop ----------------------------------------------------------------------------------------------
def test_a_desktop_takes_keys_and_clicks(alice: Visitor, volume: Path) -> None:
    desktop = Desktop(alice.enter(alice.start("desktop", "Desktop", **{"values.size": "1280x720"})))
    desktop.open_menu()
    menu = desktop.picture()
    desktop.page.keyboard.press("Escape")
    assert wait(lambda: desktop.unlike(menu) > 0.015, PATIENCE_S), "the menu did not close"
    desktop.open_terminal()
    desktop.run(f"echo $((6*7)) $(id -un) > ~/workspace/{VOLUME}/desktop.txt")
    appears(volume / "desktop.txt", "42 alice\n")


def test_a_looker_on_sees_a_desktop_and_can_do_nothing_and_a_helper_can(
    alice: Visitor, browser: Browser, cluster: Cluster, web_of: WebOf, volume: Path
) -> None:
    number = alice.start("desktop", "Desktop", **MOUNTED, **{"values.size": "1280x720"})
    hers = Desktop(alice.enter(number))
    hers.open_terminal()
    hers.run("bind 'set enable-bracketed-paste off'")  # so that what is pasted is what is read
    with visiting(browser, cluster, "bob") as bob:
        share(web_of("alice"), number, "bob", "read")
        his = Desktop(bob.enter(number, "Look"))
        assert wait(lambda: his.unlike(hers.picture()) < 0.02, PATIENCE_S), "he sees another picture"
        his.click(40, 14)
        his.run(f"echo page > ~/workspace/{VOLUME}/intruder.txt")
        hers.offer_clipboard("hers")
        his.speak()
        his.raw(f"type('echo raw > ~/workspace/{VOLUME}/intruder.txt\\n')")
        for buttons in (0, 4, 0):
            his.raw(f"point(900, 600, {buttons})")  # the desktop's menu would take all keys
        his.raw("cut('evil')")
        hers.run(f"cd ~/workspace/{VOLUME}; : > reading; read -rn 4 pasted; echo $pasted > pasted.txt")
        appears(volume / "reading", "")
        assert wait(lambda: pastes(hers, volume / "pasted.txt"), PATIENCE_S), "nothing was pasted"
        appears(volume / "pasted.txt", "hers\n")
        assert his.raw("fence()") == [], "the clipboard is hers"
        assert not (volume / "intruder.txt").exists()

        share(web_of("alice"), number, "bob", "write")
        helper = Desktop(bob.enter(number, "Open"))
        helper.click(400, 300)
        helper.run(f"echo helped > ~/workspace/{VOLUME}/helped.txt")
        appears(volume / "helped.txt", "helped\n")


def pastes(desktop: Desktop, file: Path) -> bool:
    """Whether the terminal got the clipboard; a paste before a program owns the clipboard gives nothing."""
    desktop.page.keyboard.press("Control+Shift+V")
    return wait(file.exists, 15)


# web apps ---------------------------------------------------------------------------------------------
def test_shiny_counts_earthquakes(alice: Visitor, volume: Path, run_as: Run) -> None:
    put(run_as, volume / "quakes/app.R", SHINY)
    app = alice.enter(alice.start("shiny", "R", **MOUNTED, **{"values.folder": f"{VOLUME}/quakes"}))
    count = app.locator("#count")
    expect(count).to_have_text("198 of 1000 earthquakes")
    expect(app.locator("#map img")).to_be_visible()
    app.get_by_label("Least magnitude").fill("6")
    expect(count).to_have_text("5 of 1000 earthquakes")


def test_streamlit_shows_sunspots(alice: Visitor, volume: Path, run_as: Run) -> None:
    put(run_as, volume / "sunspots.py", STREAMLIT)
    fields = {"values.script": f"{VOLUME}/sunspots.py"}
    app = alice.enter(alice.start("streamlit", "Python web apps", **MOUNTED, **fields))
    expect(app.get_by_text("Sunspot number of 1957: 190.2")).to_be_visible()
    year = app.get_by_label("Year")
    year.fill("1958")
    year.press("Enter")
    expect(app.get_by_text("Sunspot number of 1958: 184.8")).to_be_visible()
    expect(app.locator("[data-testid=stVegaLiteChart] :is(svg, canvas)").first).to_be_visible()


def test_tensorboard_shows_a_log(alice: Visitor, volume: Path, cluster: Cluster) -> None:
    (image,) = images.ensure(["apps"])
    python = [str(apptainer.ensure()), "--silent", "exec", "--containall", "--bind", str(volume), image.path]
    write = Command([*python, "python3", "-", str(volume / "log")], "alice")
    cluster.namespace.check(write, "log", text=TRAINING, timeout=120)
    fields = {"values.folder": f"{VOLUME}/log"}
    app = alice.enter(alice.start("tensorboard", "Python web apps", **MOUNTED, **fields))
    expect(app.get_by_text("sunspots/yearly").first).to_be_visible()
    series = "async tag => (await fetch(`/data/plugin/scalars/scalars?run=.&tag=${tag}`)).json()"
    numbers = {step: value for _, step, value in app.evaluate(series, "sunspots/yearly")}
    assert (len(numbers), round(numbers[1957], 1)) == (309, 190.2)


def test_a_terminal_runs_what_is_typed(alice: Visitor, volume: Path) -> None:
    fields = {"values.folder": VOLUME}
    app = alice.enter(alice.start("terminal", "Python", **MOUNTED, **fields))
    typed = app.locator(".jp-Terminal .xterm-helper-textarea")

    def written() -> bool:
        """The shell may still be starting when its window is there: type again."""
        typed.focus()
        app.keyboard.type("echo $((6*7)) $PWD > terminal.txt")
        app.keyboard.press("Enter")
        return wait((volume / "terminal.txt").exists, 10)

    assert wait(written, PATIENCE_S), "nothing typed had an effect"
    appears(volume / "terminal.txt", f"42 /home/idies/workspace/{VOLUME}\n")


def test_a_web_apps_command_is_run_by_bash_as_it_stands(
    alice: Visitor, volume: Path, run_as: Run, web_of: WebOf
) -> None:
    put(run_as, volume / "server.py", SERVER)
    hostile = """a"b $HOME `id` $(id) \\ ; & | > < * ~ {{ 7*7 }} %s ${x} #"""
    command = (
        f"""printf '%s|' '{hostile}' ~ "$(id -un)" $'two\\nlines' > /tmp/said; python3 {VOLUME}/server.py"""
    )
    number = alice.start("webapp", "Python", **MOUNTED, **{"values.command": command})
    app = alice.enter(number)
    assert app.locator("body").text_content() == f"{hostile}|/home/idies|alice|two\nlines|"
    assert app.evaluate(ECHO) == "heard sunspots"
    asked = {"app": "webapp", "values": {"command": "true\ntouch /tmp/second"}}
    answer = web_of("alice")("POST", "/sessions", json=asked)
    assert answer.status_code in (400, 422) and "command" in json.dumps(answer.json()), said(answer)


ECHO = """() => new Promise((done, fail) => {
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/echo");
    socket.onerror = fail;
    socket.onopen = () => socket.send("sunspots");
    socket.onmessage = (event) => { socket.close(); done(event.data); };
})"""


def test_a_port_is_in_a_network_of_its_own(
    alice: Visitor, volume: Path, run_as: Run, cluster: Cluster, web_of: WebOf
) -> None:
    put(run_as, volume / "around.py", LOOK_AROUND)
    portal = cluster.url.rpartition(":")[2]
    assert run_as("bob", ["python3", "-", portal], LOOK_AROUND).stdout.split()[-2:] == ["the", "portal"]
    command = (
        f"mkdir /tmp/site; python3 {VOLUME}/around.py {portal} > /tmp/site/index.html;"
        " exec python3 -m http.server --bind 127.0.0.1 --directory /tmp/site $PORT"
    )
    number = alice.start("webport", "Python", **MOUNTED, **{"values.command": command})
    app = alice.enter(number)
    expect(app.locator("body")).to_have_text("lo")
    (server,) = cluster.root("pgrep", "--exact", "--uid", "alice", "--full", SERVES).split()
    assert cluster.root("readlink", f"/proc/{server}/ns/net") != cluster.root("readlink", "/proc/self/ns/net")
    assert hers_on_the_node(cluster) == []
    ask = ["curl", "--silent", "--max-time", "5", "http://127.0.0.1:8080/"]
    assert run_as("bob", ask).stdout != "lo\n"
    relay = cluster.root(
        "pgrep", "--newest", "--uid", "alice", "--full", r"python3 .*port_relay\.py 8080"
    ).strip()
    (socket,) = re.findall(r"[^\0]+/use\.sock", Path(f"/proc/{relay}/cmdline").read_text())
    knock = ["python3", "-c", f"import socket; socket.socket(socket.AF_UNIX).connect({socket!r})"]
    assert run_as("alice", knock).returncode == 0
    assert "PermissionError" in run_as("bob", knock).stderr


SERVES = "python3 -m http.server --bind 127.0.0.1 --directory /tmp/site 8080"


def hers_on_the_node(cluster: Cluster) -> list[str]:
    """Addresses at the app's port where alice listens in the node's own network (proc_net(5))."""
    uid = cluster.root("id", "-u", "alice").strip()
    rows = cluster.root("cat", "/proc/net/tcp", "/proc/net/tcp6").splitlines()
    listening = [row.split() for row in rows if row.split()[3] == "0A"]
    return [row[1] for row in listening if row[7] == uid and row[1].endswith(f":{8080:04X}")]


# use --------------------------------------------------------------------------------------------------
def test_an_open_tab_is_no_use_and_what_one_does_is(alice: Visitor, cluster: Cluster, web_of: WebOf) -> None:
    web = web_of("alice")

    def idle_s(number: int) -> float:
        return gate_status(cluster, web, number).idle_s

    def used_since(number: int, moment: float) -> bool:
        return monotonic() - idle_s(number) > moment - 2  # Jupyter's times are cut to seconds

    board, lab = alice.start("desktop", "Desktop"), alice.start("jupyterlab", "Python")
    desktop, notebook = Desktop(alice.enter(board)), alice.enter(lab)
    notebook.locator(".jp-LauncherCard").first.wait_for()
    # JupyterLab's page asks every ten seconds; the desktop counts the last 15 s before each look, every 10 s.
    assert wait(lambda: min(idle_s(board), idle_s(lab)) > 30, 2 * PATIENCE_S), "an open tab counts as use"
    for status in (gate_status(cluster, web, number) for number in (board, lab)):
        assert sum(status.passes.values()) >= 1, "a tab is open"
    began = monotonic()
    assert run_cell(notebook, "python3", "6 * 7") == "42"
    assert wait(lambda: used_since(lab, began), PATIENCE_S), "a cell does not count"
    assert not used_since(board, began)
    began = monotonic()
    desktop.click(300, 300)
    assert wait(lambda: used_since(board, began), PATIENCE_S), "a click does not count"


def test_a_busy_session_shows_what_it_uses(alice: Visitor) -> None:
    number = alice.start("jupyterlab", "Python")
    burn = "block = b'x' * (300 << 20)\nwhile True: pass"
    alice.enter(number).evaluate(f"asked => {{ ({RUN_CELL})(asked); }}", ["python3", burn])
    meters = alice.page.locator(f"#meters-{number}")
    expect(meters).to_contain_text(re.compile(r"CPU\s*(0\.[3-9]|1\.\d) of 1 CPU"), timeout=2 * PATIENCE_MS)
    expect(meters).to_contain_text(re.compile(r"Memory\s*(0\.[3-9]|1\.0) of 1\.0 GB"))
    expect(alice.page.locator(f"#facts-{number}")).to_contain_text("in use")


# what is offered --------------------------------------------------------------------------------------
def test_apps_that_were_not_run_here_are_offered_by_an_image_alone(alice: Visitor) -> None:
    alice.page.goto("/sessions/new")
    expect(tile(alice.page, "jupyterlab")).to_be_visible()
    for app in ("matlab", "rstudio", "vscode"):
        expect(tile(alice.page, app)).to_have_count(0)
        alice.page.goto(f"/sessions/new/{app}")
        expect(alice.page.get_by_text("has all the images that this app needs")).to_be_visible()
        expect(alice.page.get_by_role("note")).to_contain_text("Not run here.")
        alice.page.goto("/sessions/new")


def tile(page: Page, app: str) -> Locator:
    return page.locator(f'.card.app a[href="/sessions/new/{app}"]').first


def test_cards_of_several_apps_are_sound(alice: Visitor) -> None:
    alice.start("desktop", "Desktop", name="A desktop with a rather long name of its own")
    alice.start("terminal", "Python")
    for size in (DESKTOP, PHONE):
        alice.page.set_viewport_size(size)  # type: ignore[arg-type]
        for path in ("/sessions", "/sessions/new", "/sessions/new/desktop"):
            alice.page.goto(path)
            check(alice.page)
