"""`sciserver domains`, `images`, `volumes`: what one may use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from .table import show
from .verb import Verb, connect, json_option, print_json

if TYPE_CHECKING:
    from ..client import DomainInfo
    from ..domain.limits import Allowance


@click.command(cls=Verb, epilog="\b\nExamples:\n  sciserver domains\n  sciserver domains --json\n")
@json_option
def domains(as_json: bool) -> None:
    """List the compute domains I may use, with their limits for one job, and what I may have at once and in a
    month."""
    found = connect().domains()
    if as_json:
        print_json(found)
    else:
        titles = ("NAME", "PARTITION", "CPUS", "MEMORY", "TIME", "GPUS", "IMAGES", "DESCRIPTION")
        show(titles, map(_domain, found), right=("CPUS", "MEMORY", "TIME", "GPUS"))
        _allowances(found)


def _allowances(found: Iterable[DomainInfo]) -> None:
    """What I may have at once and in a month, below the domains; nothing where no limit applies to me."""
    held = dict.fromkeys(one for domain in found for one in domain.allowances)
    at_once = [_allowance(one) for one in held if one.renews is None]
    monthly = [(*_allowance(one), f"{one.renews:%Y-%m-%d} UTC") for one in held if one.renews is not None]
    if at_once:
        click.echo()
        show(("AT ONCE IN", "OF", "I HAVE", "AT MOST", "LIMIT OF"), at_once, right=("I HAVE", "AT MOST"))
    if monthly:
        click.echo()
        titles = ("THIS MONTH IN", "OF", "USED OR ASKED", "AT MOST", "LIMIT OF", "RENEWED")
        show(titles, monthly, right=("USED OR ASKED", "AT MOST"))


def _allowance(one: Allowance) -> tuple[object, ...]:
    from ..domain.limits import amount  # noqa: PLC0415

    return one.domain or "all", one.measure, amount(one.used), one.most, one.subject


def _domain(domain: DomainInfo) -> tuple[object, ...]:
    from ..domain.sbatch import time_text  # noqa: PLC0415

    limits = domain.limits
    return (
        domain.name,
        domain.partition,
        limits.cpus or "-",
        f"{limits.memory_mb}M" if limits.memory_mb else "-",
        time_text(limits.time_limit_s) if limits.time_limit_s else "-",
        limits.gpus or "-",
        ", ".join(image.name for image in domain.images),
        domain.description,
    )


@click.command(cls=Verb, epilog="\b\nExamples:\n  sciserver images\n  sciserver images --json\n")
@json_option
def images(as_json: bool) -> None:
    """List the images I may run."""
    found = connect().images()
    if as_json:
        print_json(found)
    else:
        rows = ((i.name, i.version, ", ".join(i.kernels), i.title or i.description) for i in found)
        show(("NAME", "VERSION", "KERNELS", "TITLE"), rows)


@click.command(cls=Verb, epilog="\b\nExamples:\n  sciserver volumes\n  sciserver volumes --json\n")
@json_option
def volumes(as_json: bool) -> None:
    """List the volumes I may mount, as --volume takes them."""
    found = connect().volumes()
    if as_json:
        print_json(found)
    else:
        rows = ((v.volume, v.kind, ", ".join(v.modes), v.description) for v in found)
        show(("VOLUME", "KIND", "MODES", "DESCRIPTION"), rows)
