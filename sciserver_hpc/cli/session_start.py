"""`sciserver session start`: its options."""

from __future__ import annotations

from typing import Any

import click

from .verb import Verb, json_option

EPILOG = """\b
Examples:
  sciserver session start jupyterlab
  sciserver session start jupyterlab -f folder=Storage/alice/persistent \\
      -v Storage/alice/persistent:rw -c 4 --mem=8G -t 4:00:00 --wait
  sciserver session start jupyterlab --test-only

\b
What is not said is the app's default, then the domain's. The fields of an app:
sciserver session apps APP.

\b
Exit codes: 0 accepted, with --wait: open; 1 refused or failed, with --wait: over
before it was open; 2 not well formed; 75 the portal does not answer, try again.
"""


@click.command(cls=Verb, epilog=EPILOG)
@click.argument("app", metavar="APP")
@click.option(
    "-f", "--field", metavar="NAME=VALUE", multiple=True, help="Field of the app's form; may be repeated."
)
@click.option("-J", "--name", metavar="NAME", help="Name of the session; default: the app's title.")
@click.option("--domain", metavar="NAME", help="Compute domain; default: the first where the app runs.")
@click.option("--image", metavar="NAME", help="Image to run in; default: the first that holds the app.")
@click.option(
    "-v", "--volume", metavar="NAME[:ro|:rw]", multiple=True, help="Mount a volume; may be repeated."
)
@click.option("-c", "--cpus", metavar="N", help="CPUs.")
@click.option("--mem", metavar="SIZE", help="Memory: 4G, 500M; megabytes without a letter.")
@click.option("-t", "--time", metavar="TIME", help="Time: minutes, H:MM:SS or D-HH:MM:SS.")
@click.option("--gpus", metavar="N", type=click.IntRange(0), help="GPUs.")
@click.option("--key", metavar="TEXT", help="Idempotency key: starting again with it makes no second one.")
@click.option("-W", "--wait", is_flag=True, help="Wait until it can be opened, or is over.")
@click.option("--test-only", is_flag=True, help="Ask Slurm when it would start; start nothing.")
@json_option
def start(**given: Any) -> None:
    """Start a session of APP."""
    from .session_starting import run  # noqa: PLC0415 (loading it is slow, and --help needs none of it)

    run(given)
