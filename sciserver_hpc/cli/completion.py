"""`sciserver completion`: the shell completes our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .verb import Verb

PROGRAMS = (
    "sciserver",
    "sciserver-submit",
    "sciserver-queue",
    "sciserver-cancel",
    "sciserver-logs",
    "sciserver-results",
    "sciserver-hpc",
)


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  sciserver completion bash > ~/.local/share/bash-completion/completions/sciserver
  echo 'eval "$(sciserver completion zsh)"' >> ~/.zshrc
  sciserver completion fish > ~/.config/fish/conf.d/sciserver.fish
""",
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the lines that teach SHELL to complete sciserver's commands."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not known to this version of click.")
    context = click.get_current_context()
    for program in PROGRAMS:
        variable = f"_{program}_COMPLETE".replace("-", "_").upper()
        click.echo(kind(context.command, {}, program, variable).source())
