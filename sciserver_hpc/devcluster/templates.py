"""Filling templates: a value that is missing is an error, never an empty string."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .mounts import CHECKOUT

SLURM = CHECKOUT / "slurm_conf"
"""Slurm's configuration, the same that a real cluster is given."""

OWN = Path(__file__).parent / "templates"


def render(folder: Path, template: str, **values: object) -> str:
    """Return the filled template."""
    environment = Environment(
        loader=FileSystemLoader(folder), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,  # noqa: S701 - no HTML
    )  # fmt: skip
    return environment.get_template(template).render(**values)
