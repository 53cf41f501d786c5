"""`python3 -I -S gate.py SETTINGS SESSION_DIR RECORD`: waits for the app, then serves until there is a
reason to end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from queue import SimpleQueue

from .activity import Activity
from .app import REFUSED, ask, is_gone
from .connections import Connections
from .control import Control
from .door import context, listener
from .ending import DEFECT, GONE, NEVER, STOPPED, TIME, save
from .record import publish
from .server import Server
from .settings import Settings
from .usage import Usage

COMPILED = "gate.pyc"
READY_EVERY_S = 0.1
LOOK_EVERY_S = 30.0
CHECK_EVERY_S = 2.0
GONE_S = 10.0
"""Seconds an app may refuse connections."""


class Gate:
    """`end` takes an exit code; the first one counts."""

    def __init__(self, settings_file: str, record_file: str, end: SimpleQueue[int]) -> None:
        with open(settings_file, encoding="utf-8") as file:
            self.settings = Settings(file.read())
        beside = os.path.dirname(settings_file)
        self._record_file = record_file
        self._end = end
        self._listener = listener()
        slurm_id = int(os.environ["SLURM_JOB_ID"])
        restarts = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
        self._who = {"uuid": self.settings.uuid, "slurm_id": slurm_id, "restarts": restarts}
        self._usage = Usage(slurm_id)
        self._connections = Connections()
        self._context = context(f"{beside}/gate.pem", f"{beside}/gate-ca.pem")

    def run(self) -> None:
        """Until the process ends; a defect ends it."""
        try:
            if self._is_ready():
                self._serve()
            else:
                self._end.put(NEVER)
        except BaseException:
            self._end.put(DEFECT)
            raise

    def _is_ready(self) -> bool:
        """Wait until the app answers; False when it never did."""
        until = time.monotonic() + self.settings.ready_s
        while time.monotonic() < until:
            try:
                if ask(self.settings, self.settings.ready_path)[0] in self.settings.ready_statuses:
                    return True
            except (OSError, ValueError):
                pass  # not yet
            time.sleep(READY_EVERY_S)
        return False

    def _serve(self) -> None:
        activity = Activity(self.settings, self._connections, self._usage)
        control = Control(self._who, self._connections, activity, self._usage)
        ways = self._listener, self._context
        Server(self.settings, *ways, self._connections, control, self._end.put).start()
        publish(self._record_file, {**self._who, "port": self._listener.getsockname()[1]})
        print("ready", flush=True)
        self._watch(activity)

    def _watch(self, activity: Activity) -> None:
        """Until the app has been gone for too long. It is not asked whether it is there before it refused
        somebody: an app may not expect callers who say nothing."""
        next_look = time.monotonic()
        REFUSED.clear()  # while it was not ready, nobody but the gate came
        while not (REFUSED.wait(max(0.0, next_look - time.monotonic())) and _stays_gone()):
            REFUSED.clear()
            if time.monotonic() >= next_look:
                activity.look()
                next_look = time.monotonic() + LOOK_EVERY_S
        self._end.put(GONE)


def _stays_gone() -> bool:
    until = time.monotonic() + GONE_S
    while is_gone():
        if time.monotonic() >= until:
            return True
        time.sleep(CHECK_EVERY_S)
    return False


def main(arguments: list[str]) -> int:
    """The exit code."""
    settings_file, session_dir, record_file = map(os.path.abspath, arguments)
    os.chdir(session_dir)
    end: SimpleQueue[int] = SimpleQueue()
    signal.signal(signal.SIGUSR1, lambda *_: end.put(TIME))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(STOPPED))
    gate = Gate(settings_file, record_file, end)
    threading.Thread(target=gate.run, daemon=True).start()
    code = end.get()
    if code <= TIME:
        save(gate.settings.save_s)
    return code


def compiled(arguments: list[str]) -> None:
    """Go on as compiled code, in this very process: compiling leaves 3.5 MB behind that are never used again.

    Raises OSError, ValueError where there is no room for that.
    """
    code = os.path.join(os.path.abspath(arguments[1]), COMPILED)
    import_module("py_compile").compile(__file__, code, doraise=True)
    os.execv(sys.executable, [sys.executable, "-I", "-S", code, *arguments])  # noqa: S606 - no shell is wanted


def run() -> None:
    """Ends the process without waiting for its threads."""
    os.umask(0o077)
    try:
        if not __file__.endswith(COMPILED):
            with suppress(OSError, ValueError, IndexError):
                compiled(sys.argv[1:])
        code = main(sys.argv[1:])
    except Exception as error:
        sys.stderr.write(f"gate: {type(error).__name__}: {error}\n")
        code = DEFECT
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
