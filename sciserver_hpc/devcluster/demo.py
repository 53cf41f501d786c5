"""The demonstration: a notebook from the public API through Slurm into a container, and its answer back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from ..client import Client
from ..domain.errors import SciServerError
from ..domain.jobs import JobEvent
from ..domain.states import JobState
from ..domain.views import JobView
from . import cgroup, cluster, commands, settings, slapd
from .accounts import ADMIN_GROUP, PEOPLE
from .errors import Failed
from .mounts import CHECKOUT
from .processes import wait
from .state import State

NOTEBOOK = CHECKOUT / "containers" / "samples" / "sunspots.ipynb"
PATIENCE = 300
_ANSWER = re.compile(r"^ANSWER .*$", re.MULTILINE)


def bring_up(state: State) -> None:
    """Start the cluster, telling what was started."""
    started: list[str] = []

    def say(line: str) -> None:
        started.append(line)
        click.echo(f"dev: {line}")

    cluster.up(state, say)
    commands.prepare(state)
    if started:
        click.echo(f"dev: {cgroup.found().sentence}")


def tell_accounts(state: State, *, again: bool = False) -> None:
    """The portal's address; the accounts' passwords the first time, or `again`."""
    click.echo(f"\nPortal:    {settings.url(state)}  (certificate authority: {state.etc / 'ca.pem'})")
    if not again and state.facts().get("passwords_told"):
        click.echo(f"Passwords: in {state.secrets}/password.*, readable by root")
        return
    for person in PEOPLE:
        role = " administrator" if person.account == ADMIN_GROUP else ""
        click.echo(f"Account:   {person.username:6} {slapd.password(state, person.username)}{role}")
    state.remember(passwords_told=True)


def run(state: State) -> None:
    """Bring up, submit as alice, wait, print what came of it.

    Raises Failed when it did not succeed.
    """
    bring_up(state)
    url, ca = settings.url(state), str(state.etc / "ca.pem")
    try:
        with Client.login(url, "alice", slapd.password(state, "alice"), ca) as client:
            show(client, "alice")
    except SciServerError as error:
        raise Failed(
            "demo", str(error), "see ./dev status and ./dev logs portal", state.logs / "portal.log"
        ) from error
    tell_accounts(state, again=True)


def show(client: Client, who: str) -> None:
    """Submit the sample notebook, tell every change of its state, then its answer."""
    job = client.submit_notebook(NOTEBOOK, name="sunspots")
    click.echo(
        f"demo: job {job.id} submitted as {who}: {NOTEBOOK.name} in domain {job.domain}, image {job.image}"
    )
    job = _watch(client, job, click.echo)
    if job.state is not JobState.SUCCEEDED:
        said = _written(client, job)
        raise Failed(
            "demo", f"job {job.id} ended {job.state}: {job.sentence}\n{said}", "see ./dev logs broker"
        )
    click.echo(f"State:     {job.state}")
    click.echo(f"Results:   {job.folder}")
    click.echo(f"Answer:    {answer(client, job)}")


def _written(client: Client, job: JobView) -> str:
    """The end of what the job wrote; a job that never started wrote nothing."""
    try:
        return client.log(job.id, "stderr", -4000).text or client.log(job.id, "stdout", -4000).text
    except SciServerError:
        return ""


def _watch(client: Client, job: JobView, say: Callable[[str], None]) -> JobView:
    """Wait until the job is over, telling every event once."""
    told = 0

    def over() -> bool:
        nonlocal job, told
        events = client.events(job.id)
        for event in events[told:]:
            say(_line(event))
        told = len(events)
        job = client.job(job.id)
        return job.final

    if not wait(over, PATIENCE, pause=0.3):
        raise Failed(
            "demo", f"job {job.id} is {job.state} after {PATIENCE} s: {job.sentence}", "see ./dev status"
        )
    for event in client.events(job.id)[told:]:
        say(_line(event))
    return job


def _line(event: JobEvent) -> str:
    return f"demo: {event.at:%H:%M:%S}  {event.state:10}  {event.text}"


def answer(client: Client, job: JobView) -> str:
    """The line `ANSWER …` of the job's output, else of the executed notebook's."""
    printed = _ANSWER.search(client.log(job.id).text)
    return printed.group() if printed else from_notebook(_executed(client, job))


def _executed(client: Client, job: JobView) -> str:
    with TemporaryDirectory() as folder:
        names = [entry.name for entry in client.files(job.id) if entry.name.endswith(".ipynb")]
        return "\n".join(client.download(job.id, name, Path(folder) / name).read_text() for name in names)


def from_notebook(text: str) -> str:
    """The first `ANSWER` line among the outputs of an executed notebook (nbformat 4)."""
    for cell in json.loads(text).get("cells", []):
        for output in cell.get("outputs", []):
            found = _ANSWER.search("".join(output.get("text", "")))
            if found:
                return found.group()
    return "(the notebook printed no line that begins with ANSWER)"
