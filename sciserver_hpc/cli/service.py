"""The two long-running processes: `sciserver-hpc serve` and `sciserver-hpc broker`."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path

from .. import logs, wiring
from ..broker.loop import Loop, WakeSocket
from ..broker.tick import Broker
from ..settings import Settings, check_secrets
from ..waking import SOCKET_NAME, DatagramWaker

THREADS = 8
"""Requests a worker serves side by side; most wait for the database or an agent."""


def serve(settings: Settings) -> None:
    """Become gunicorn with the portal."""
    check_secrets(settings)
    environment = dict(os.environ)
    environment["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics(settings.portal.runtime_dir))
    os.execve(sys.executable, gunicorn(settings), environment)  # noqa: S606 - argv, no shell


def gunicorn(settings: Settings) -> list[str]:
    """gunicorn's argv. Its control socket stays closed: nothing here needs it."""
    portal = settings.portal
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "portal.wsgi:app",
        f"--bind={portal.bind}",
        f"--workers={portal.workers}",
        "--worker-class=gthread",
        f"--threads={THREADS}",
        "--timeout=60",
        "--graceful-timeout=20",
        "--keep-alive=30",
        f"--log-level={portal.log_level}",
        "--no-control-socket",
    ]


def _metrics(runtime_dir: Path) -> Path:
    """An empty directory where the workers share their counters."""
    directory = runtime_dir / "metrics"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True)
    return directory


def broker(settings: Settings) -> None:
    """Turn the broker until SIGTERM or SIGINT."""
    check_secrets(settings)
    logs.configure(settings.portal.log_format, settings.portal.log_level)
    services = wiring.build(settings)
    stop = threading.Event()
    waker = DatagramWaker(settings.portal.runtime_dir)
    _stop_at_signal(stop, waker)
    interval = timedelta(seconds=settings.broker.tick_s)
    wake = WakeSocket(settings.portal.runtime_dir / SOCKET_NAME)
    turning = Broker(
        services.store,
        services.clock,
        services.schedulers,
        services.agents,
        services.jobs.submissions,
        interval=interval,
        rest=timedelta(seconds=wiring.rest_s(settings)),
        wake=waker.wake,
        disk=services.projecting,
        groups=services.group_keeping,
        sessions=wiring.build_tending(services),
        outbox=services.sending,
        archive=services.archiving,
    )
    try:
        Loop(turning, services.store, services.clock, wake, interval.total_seconds()).run(stop)
    finally:
        turning.close()
        wake.close()
        services.close()


def _stop_at_signal(stop: threading.Event, waker: DatagramWaker) -> None:
    """A signal ends the loop after its turn; the nudge ends its wait, which a signal alone does not."""

    def end(_number: int, _frame: object) -> None:
        stop.set()
        waker.wake()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
