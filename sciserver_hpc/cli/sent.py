"""What Slurm gets, or got, shown to people."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from .table import clean
from .verb import print_json

if TYPE_CHECKING:
    from ..client import Preview


def show(preview: Preview, as_json: bool) -> None:
    """Print sbatch's options and the script it gets, as a script that begins with comments."""
    if as_json:
        print_json(preview)
        return
    if preview.domain:
        click.echo(f"# domain {preview.domain}, image {preview.image}")
    for mount in preview.mounts:
        click.echo(clean(f"# volume {mount.get('volume')} ({mount.get('mode')}) at {mount.get('target')}"))
    click.echo(clean(f"# sbatch {shlex.join(preview.options)}"))
    click.echo(preview.script, nl=not preview.script.endswith("\n"))
