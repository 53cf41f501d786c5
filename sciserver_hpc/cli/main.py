"""`sciserver`: log in, see what there is, look at jobs."""

from __future__ import annotations

import click

from .. import __version__
from .account import login, logout, whoami
from .completion import completion
from .job import job
from .offers import domains, images, volumes
from .tokens import tokens
from .verb import Verbs

EPILOG = """\b
Examples:
  sciserver login https://portal.example.org
  sciserver domains
  sciserver job 12

\b
Jobs are handled by commands of their own: sciserver-submit, sciserver-queue,
sciserver-cancel, sciserver-logs, sciserver-results.
"""


@click.group(cls=Verbs, epilog=EPILOG)
@click.version_option(__version__)
def sciserver() -> None:
    """A science portal on a Slurm cluster, from the terminal."""


for command in (login, logout, whoami, domains, images, volumes, job, tokens, completion):
    sciserver.add_command(command)
