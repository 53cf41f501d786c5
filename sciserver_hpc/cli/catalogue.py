"""The site's catalogue: from its TOML file into the database, with the difference shown first."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import click

from ..clock import SystemClock
from ..domain import declaration
from ..domain.catalogue import Site, loose
from ..domain.errors import Invalid
from ..domain.sharing import NO_EVERYONE, storable
from ..ports import Store
from ..services.applying import Applying
from ..services.withdrawing import consequences
from .table import clean
from .verb import print_json


def load(file: Path) -> Site:
    """The catalogue written in `file`. Raises Invalid naming what is wrong where."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid({str(file): f"it cannot be read: {error.strerror}."}) from error
    except UnicodeDecodeError as error:
        raise Invalid({str(file): f"it is not TOML: {error}."}) from error
    return declaration.read(text, str(file))


def check(site: Site, everyone_group: str) -> None:
    """Raise Invalid where a grant could not be kept on a filesystem."""
    for grant in site.grants:
        if not (everyone_group or storable(grant.resource, grant.subject)):
            raise Invalid({f"grant on {grant.resource} to {grant.subject}": f"{NO_EVERYONE}."})


def apply(store: Store, site: Site, source: Path, *, diff: bool, yes: bool, as_json: bool) -> None:
    """Show what applying `site`, read from `source`, changes; ask, unless `yes`; change it, unless `diff`.

    Raises Invalid, Conflict, click.Abort.
    """
    for sentence in [*loose(site), *consequences(store, store.site(), site)]:
        click.echo(f"warning: {sentence}.", err=True)
    applying = Applying(store, SystemClock())
    found = applying.differences(site)
    if as_json:
        print_json(found)
    else:
        text = "\n".join(map(str, found)) or "No difference."
        click.echo("\n".join(map(clean, text.splitlines())))
    if not found or diff:
        return
    if not yes:
        click.confirm(f"Make these {len(found)} changes? (--yes does not ask)", abort=True, err=True)
    applying.apply(site, unix_user(), found)
    click.echo(f"Applied {source}.", err=as_json)


def unix_user() -> str:
    """Who runs this program, as far as the audit trail has room for the name."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    return name[:32]
