"""`sciserver`: log in, see what there is, look at jobs, share."""

from __future__ import annotations

import click

from .. import __version__
from .account import login, logout, whoami
from .audit import audit
from .completion import completion
from .group import group
from .job import job
from .notifications import notifications
from .offers import domains, images, volumes
from .programs import service
from .session import session
from .share import share
from .tasks import retry, tasks
from .tokens import tokens
from .verb import Verbs
from .why import why

EPILOG = """\b
Examples:
  sciserver login https://portal.example.org
  sciserver domains
  sciserver job 12
  sciserver retry 12
  sciserver session start jupyterlab
  sciserver share give Storage/alice/shared bob reader

\b
Jobs are handled by commands of their own: sciserver-submit, sciserver-queue,
sciserver-cancel, sciserver-logs, sciserver-results.
"""


@click.group(cls=Verbs, epilog=EPILOG)
@click.version_option(__version__)
def sciserver() -> None:
    """A science portal on a Slurm cluster, from the terminal."""


for command in (
    *(login, logout, whoami, tokens, notifications, completion),
    *(domains, images, volumes, job, tasks, retry, session),
    *(group, share, why, audit, service),
):
    sciserver.add_command(command)
