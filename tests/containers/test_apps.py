"""The shipped apps, each in its image as an ordinary user: it answers on its socket, and nowhere else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from time import sleep

import pytest
from pydantic import JsonValue

from sciserver_hpc.app_files import AppFiles, shipped
from sciserver_hpc.devcluster import apptainer, images
from sciserver_hpc.devcluster.namespace import Command, Namespace
from sciserver_hpc.devcluster.state import State
from sciserver_hpc.render.app_script import service_script

from .rfb import Screen
from .running import SECRET, Running, relay_argv, running, until

Run = Callable[..., AbstractContextManager[Running]]
WORKSPACE = "/home/idies/workspace"
HTTP_ON_SOCKET = """
import http.server, os, socketserver
class Server(socketserver.UnixStreamServer):
    def get_request(self): return super().get_request()[0], ("app", 0)
http.server.SimpleHTTPRequestHandler.address_string = lambda self: "app"
Server(os.environ["SOCKET"], http.server.SimpleHTTPRequestHandler).serve_forever()
""".strip()
CASES: dict[tuple[str, str], dict[str, JsonValue]] = {
    ("jupyterlab", "python"): {"folder": WORKSPACE},
    ("jupyterlab", "r"): {},
    ("jupyterlab", "octave"): {},
    ("terminal", "python"): {},
    ("desktop", "desktop"): {"size": "1280x720"},
    ("shiny", "r"): {},
    ("streamlit", "apps"): {},
    ("tensorboard", "apps"): {"folder": WORKSPACE},
    ("webapp", "python"): {"command": "python3 ~/.session/serve.py"},
    ("webport", "python"): {"command": "python3 -m http.server --bind 127.0.0.1 $PORT"},
}
WITH_KERNELS = [("jupyterlab", "r"), ("jupyterlab", "octave")]
"""Looked at as all others are where their kernels are."""

KERNELS = {"python": "python3", "r": "ir", "octave": "octave"}


# what can be known without running anything -----------------------------------------------------------
def test_the_shipped_apps_are_in_order() -> None:
    assert AppFiles().problems() == []


def test_every_app_that_counts_as_tested_is_tested_here() -> None:
    """Or on the cluster (test_compose), where it has services beside it: the wrapper starts those."""
    apps = AppFiles().apps()
    assert {name for name, app in apps.items() if app.tested and not app.services} == {n for n, _ in CASES}
    assert {name for name, app in apps.items() if app.services} == {"jupyterlab-postgres"}


def test_an_app_that_is_not_tested_says_so_on_its_card() -> None:
    untested = [app for app in AppFiles().apps().values() if not app.tested]
    assert {app.name for app in untested} == {"rstudio", "vscode", "matlab"}
    assert all(app.card.startswith("**Not tried by the project**") for app in untested)


def test_every_app_of_an_image_is_there_and_every_tested_one_has_an_image() -> None:
    offered = {name for recipe in images.catalogue().values() for name in recipe.apps}
    apps = AppFiles().apps()
    assert offered <= apps.keys()
    assert {name for name, app in apps.items() if app.tested} <= offered


def test_every_service_of_a_shipped_app_has_an_image() -> None:
    assert set[str]().union(*(app.service_images for app in AppFiles().apps().values())) <= set(
        images.catalogue()
    )


@pytest.mark.parametrize("script", sorted(shipped().glob("*/*.sh")), ids=lambda path: path.parent.name)
def test_scripts_are_good_bash(script: Path) -> None:
    subprocess.run(["/bin/bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        argv = ["shellcheck", "--shell=bash", "--exclude=SC2154", script]  # the head assigns variables
        assert subprocess.run(argv, capture_output=True, text=True, check=False).stdout == ""


def test_jupyterlab_with_a_database_is_jupyterlab_with_where_the_database_is() -> None:
    """An app's directory is whole, so one script is a copy of the other; a change belongs into both."""
    plain, beside = (
        (shipped() / name / "start.sh").read_text().splitlines()[1:]
        for name in ("jupyterlab", "jupyterlab-postgres")
    )
    own = ["PGUSER=$(id -un)", "export PGHOST=$app_folder PGDATABASE=postgres PGUSER"]
    assert [line for line in beside if line not in own and "PostgreSQL" not in line] == plain


def test_the_commands_of_services_are_good_bash(tmp_path: Path) -> None:
    for app in AppFiles().apps().values():
        for service in app.services:
            script = tmp_path / f"{app.name}.{service.name}.sh"
            script.write_text(service_script(service.command, {}, "/folder", "/ready"))
            subprocess.run(["/bin/bash", "-n", script], check=True)
            if shutil.which("shellcheck"):
                argv = ["shellcheck", "--exclude=SC2154", script]
                assert subprocess.run(argv, capture_output=True, text=True, check=False).stdout == ""


# as they run ------------------------------------------------------------------------------------------
@pytest.fixture
def run() -> Iterator[Run]:
    """Start an app in an image: `run(app, image)`."""
    if "SCISERVER_DEV_STATE" not in os.environ:
        pytest.skip("needs the development cluster: ./dev test")
    namespace = Namespace(State.from_environment())
    places = []

    def start(name: str, image: str) -> AbstractContextManager[Running]:
        place = Path(tempfile.gettempdir()) / f"app-{uuid.uuid4().hex[:8]}"
        places.append(place)
        namespace.check(Command(["mkdir", "-m", "700", str(place)], "alice"), "app")
        if name == "webapp":
            for directory in (place / "home", place / "home/.session"):
                namespace.check(Command(["mkdir", "-m", "700", str(directory)], "alice"), "app")
            serve = Command(["tee", str(place / "home/.session/serve.py")], "alice")
            namespace.check(serve, "app", text=HTTP_ON_SOCKET)
        return running(namespace, place, name, image, CASES[name, image])

    yield start
    for place in places:
        namespace.check(Command(["rm", "-rf", str(place), str(place.with_suffix(".log"))]), "app")


@pytest.mark.cluster
@pytest.mark.parametrize(("name", "image"), [case for case in CASES if case not in WITH_KERNELS])
def test_an_app_answers_on_its_socket_and_nowhere_else(run: Run, name: str, image: str) -> None:
    with run(name, image) as app:
        assert app.get(app.app.open)[0] in (200, 302)
        assert app.socket.stat().st_mode & 0o777 == 0o600 or name == "webapp"
        assert app.session.stat().st_mode & 0o777 == 0o700
        assert (app.listening(), app.exposed()) == ([], [])
        assert SECRET not in app.words()


def activity(app: Running) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = json.loads(app.get("/sciserver/activity")[1])
    return found


class Kernel:
    """A kernel of a running JupyterLab."""

    def __init__(self, app: Running, name: str) -> None:
        status, text = app.get("/api/kernels", "POST", json.dumps({"name": name}))
        assert status == 201, text
        self._socket = app.connect(f"/api/kernels/{json.loads(text)['id']}/channels")

    def send(self, kind: str, content: dict[str, JsonValue], channel: str = "shell") -> str:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": "s", "date": ""}
        message = {"header": header | {"version": "5.3"}, "parent_header": {}, "metadata": {}, "buffers": []}
        self._socket.send(json.dumps(message | {"content": content, "channel": channel}))
        return header["msg_id"]

    def until(self, sent: str, kind: str) -> tuple[JsonValue, str]:
        """The content of the answer, and all that came with it."""
        said = ""
        while True:
            message = json.loads(self._socket.receive())
            if message["parent_header"].get("msg_id") == sent:
                said += json.dumps(message["content"])
                if message["msg_type"] == kind:
                    return message["content"], said

    def start(self, code: str) -> str:
        asked: dict[str, JsonValue] = {"code": code, "silent": False, "store_history": True}
        rest = {"user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
        return self.send("execute_request", asked | rest)

    def run(self, code: str) -> str:
        content, said = self.until(self.start(code), "execute_reply")
        assert isinstance(content, dict) and content["status"] == "ok", said
        return said


@pytest.mark.cluster
@pytest.mark.parametrize("image", KERNELS)
def test_a_kernel_works_without_any_port(run: Run, image: str) -> None:
    with run("jupyterlab", image) as app:
        kernel = Kernel(app, KERNELS[image])
        assert "42" in kernel.run("6*7")
        if image == "python":
            kernel.run("import multiprocessing")
            forked = "with multiprocessing.get_context('fork').Pool(1) as pool: pool.map(print, ['forked'])"
            assert '"text": "forked' in kernel.run(forked)
            debug = {"type": "request", "command": "initialize", "seq": 1, "arguments": {}}
            assert kernel.until(kernel.send("debug_request", debug, "control"), "debug_reply")[0] == {}
        assert (app.listening(), app.exposed()) == ([], [])


@pytest.mark.cluster
def test_jupyter_tells_use_from_an_open_page(run: Run) -> None:
    with run("jupyterlab", "python") as app:
        before = activity(app)
        sleep(1.1)
        for _ in range(3):
            assert app.get("/api/kernels")[0] == app.get("/api/contents")[0] == 200
        assert activity(app) == before
        assert app.get("/api/contents", "POST", '{"type": "file"}')[0] == 201
        until(lambda: activity(app)["last_activity"] != before["last_activity"], 10)
        kernel = Kernel(app, "python3")
        kernel.run("1")
        until(lambda: activity(app)["kernels_busy"] == 0, 10)
        kernel.start("import time; time.sleep(2)")
        until(lambda: activity(app)["kernels_busy"] == 1, 10)
        until(lambda: activity(app)["kernels_busy"] == 0, 10)


@pytest.mark.cluster
@pytest.mark.parametrize("name", ["jupyterlab", "terminal"])
def test_without_the_secret_jupyter_lets_nobody_in(run: Run, name: str) -> None:
    with run(name, "python") as app:
        app.app = app.app.model_copy(update={"inject": ()})
        assert app.get("/api/contents")[0] == 403
        with pytest.raises(ConnectionError, match="403"):
            app.connect("/terminals/websocket/1")


@pytest.mark.cluster
def test_a_terminal_runs_what_is_typed_in_it(run: Run) -> None:
    with run("terminal", "python") as app:
        before = activity(app)
        name = json.loads(app.get("/api/terminals", "POST")[1])["name"]
        terminal = app.connect(f"/terminals/websocket/{name}")
        terminal.send(json.dumps(["stdin", "echo $((6*7)) $PWD; env | grep -c APP_SECRET\r"]))
        said = ""
        while f"42 {WORKSPACE}" not in said or "\r\n0\r\n" not in said:
            kind, *words = json.loads(terminal.receive())
            said += words[0] if kind == "stdout" else ""
        assert activity(app) != before
        assert app.listening() == []


@pytest.mark.cluster
def test_a_looker_on_at_a_desktop_can_do_nothing(run: Run) -> None:
    """What is pressed and pointed at the view socket is not use; at the other one it is."""
    with run("desktop", "desktop") as app:
        active = app.session / "active"
        until(active.exists, 30)  # a server that has just started counts
        view = Screen(app.connect("/screen", protocol="binary", view=True))
        assert view.size == (1280, 720)
        sleep(17)  # start.sh counts the last 15 s
        active.unlink()
        for step in range(24):
            view.point(100 + step, 100)
            view.press(0x61)
            sleep(0.5)
        assert not active.exists()
        use = Screen(app.connect("/screen", protocol="binary"))
        use.point(300, 300)
        until(active.exists, 30)
        with pytest.raises(ConnectionError, match="403"):
            app.connect("/screen", origin="https://evil.example.org", protocol="binary")
        assert app.listening() == []


@pytest.mark.cluster
def test_nobody_can_wait_for_a_desktops_programs_in_the_x_servers_place(run: Run) -> None:
    with run("desktop", "desktop") as app:
        number = (app.session / "display").read_text().strip()
        holder = Path("/proc/net/unix").read_text()
        assert f"@/tmp/.X11-unix/X{number}\n" in holder
        with run("desktop", "desktop") as other:
            assert (other.session / "display").read_text().strip() != number


@pytest.mark.cluster
def test_streamlit_talks_to_its_own_origin_alone(run: Run) -> None:
    with run("streamlit", "apps") as app:
        app.connect("/_stcore/stream", protocol="streamlit")
        with pytest.raises(ConnectionError, match="403"):
            app.connect("/_stcore/stream", origin="https://evil.example.org", protocol="streamlit")


@pytest.mark.cluster
def test_shiny_computes(run: Run) -> None:
    with run("shiny", "r") as app:
        socket = app.connect("/websocket/")
        data = {"bins:shiny.number": 30, ".clientdata_output_distPlot_hidden": True}
        socket.send(json.dumps({"method": "init", "data": data}))
        answer = socket.receive()
        assert b"sessionId" in answer or b"config" in answer


@pytest.mark.cluster
def test_a_job_of_slurm_can_have_a_network_of_its_own(run: Run) -> None:
    """What `listens: port` needs, as alice on a node."""
    namespace = Namespace(State.from_environment())
    place = namespace.state.shared / "temporary" / "alice" / f"relay-{uuid.uuid4().hex[:8]}"
    namespace.check(Command(["mkdir", "-m", "700", str(place)], "alice"), "relay")
    relay = relay_argv(namespace, place, 8080, place / "use.sock")
    (image,) = images.ensure(["python"])
    inside = [str(apptainer.ensure()), "--silent", "exec", "--containall", image.path]
    look = ["python3", "-c", "import socket; print([name for _, name in socket.if_nameindex()])"]
    try:
        argv = ["srun", "--mem=500", "--chdir=/tmp", *relay, *inside, *look]
        assert namespace.check(Command(argv, "alice"), "relay", timeout=120) == "['lo']\n"
    finally:
        namespace.check(Command(["rm", "-rf", str(place)], "alice"), "relay")
