"""`sciserver-hpc`: for administrators. Services, database, settings, checks."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .administer import administer
from .history import history
from .verb import FAILED, Verbs, json_option, leave, print_json

if TYPE_CHECKING:
    from ..settings import Settings

CHECKS = (
    "secrets",
    "db",
    "ldap",
    "slurm",
    "images",
    "apps",
    "volumes",
    "agent",
    "proxy",
    "sessions",
    "broker",
    "mail",
)

EPILOG = """\b
Examples:
  sciserver-hpc check all --user alice
  sciserver-hpc admin limits set everyone jobs=200
  sciserver-hpc db upgrade && sciserver-hpc db apply --diff
  SCISERVER_CONFIG=./site/sciserver.toml sciserver-hpc serve
"""


@click.group(cls=Verbs, epilog=EPILOG)
def admin() -> None:
    """Run and look after a SciServer HPC portal.

    Settings come from the file SCISERVER_CONFIG names, else /etc/sciserver/sciserver.toml.
    """


def _settings() -> Settings:
    from ..settings import load  # noqa: PLC0415 (slow to load, and --help needs none of it)

    return load()


@admin.command(epilog="\b\nExample:\n  sciserver-hpc serve\n")
def serve() -> None:
    """Run the portal: gunicorn, at [portal] bind. Runs until it is told to end."""
    from . import service  # noqa: PLC0415

    service.serve(_settings())


@admin.command(epilog="\b\nExample:\n  sciserver-hpc broker\n")
def broker() -> None:
    """Run the broker, which brings jobs to Slurm and watches them. A second one stands by."""
    from . import service  # noqa: PLC0415

    service.broker(_settings())


@admin.command("sessions-ca", epilog="\b\nExample:\n  sciserver-hpc sessions-ca\n")
def sessions_ca() -> None:
    """Make the keys by which nginx, the broker and sessions know each other, where there are none yet.

    In [sessions] ca_dir. nginx needs ca.pem, proxy.pem and proxy.key of it.
    """
    from .. import session_ca  # noqa: PLC0415
    from ..clock import SystemClock  # noqa: PLC0415

    directory = _settings().sessions.ca_dir
    session_ca.create(directory, SystemClock().now())
    click.echo(f"The keys of sessions are in {directory}.")


@admin.command(
    "show-config",
    epilog="\b\nExamples:\n  sciserver-hpc show-config\n  sciserver-hpc show-config --reference\n",
)
@click.option("--reference", is_flag=True, help="Print all settings with their meaning instead.")
def show_config(reference: bool) -> None:
    """Print the settings in force, as TOML. Secrets stand in files, so none is shown."""
    from .. import settings_page  # noqa: PLC0415

    click.echo(settings_page.reference() if reference else settings_page.show(_settings()), nl=False)


@admin.command(epilog="\b\nExamples:\n  sciserver-hpc check\n  sciserver-hpc check agent --user alice\n")
@click.argument("names", nargs=-1, type=click.Choice((*CHECKS, "all")), metavar="[NAME]...")
@click.option(
    "--user", metavar="NAME", default="", help="As whom to try an agent, and whose folders to look at."
)
@json_option
def check(names: tuple[str, ...], user: str, as_json: bool) -> None:
    """Check what the portal depends on: secrets, db, ldap, slurm, images, apps, volumes, agent,
    proxy, sessions, broker, mail; default: all.

    One line each, `ok` or `FAIL`, with a remedy. Exit code 1 when any fails.
    """
    from .. import wiring  # noqa: PLC0415
    from . import checks  # noqa: PLC0415

    settings = _settings()
    wanted = [name for name in CHECKS if name in names or not names or "all" in names]
    verdicts = []
    with contextlib.closing(wiring.build(settings)) as services:
        for verdict in checks.run(wanted, checks.Site(settings, services, user)):
            verdicts.append(verdict)
            if not as_json:
                click.echo(str(verdict))
    if as_json:
        print_json([vars(verdict) for verdict in verdicts])
    leave(0 if all(verdict.ok for verdict in verdicts) else FAILED)


@admin.group(cls=Verbs)
def db() -> None:
    """The database: its tables and the site's catalogue in it."""


@db.command(epilog="\b\nExample:\n  sciserver-hpc db upgrade\n")
def upgrade() -> None:
    """Create the tables, or bring them to this program's form. Safe to repeat."""
    from ..store import migrate  # noqa: PLC0415

    settings = _settings()
    reached = migrate.upgrade(settings.database.url, settings.secret("database.password_file"))
    click.echo(f"The database is at revision {reached}.")


@db.command(epilog="\b\nExample:\n  sciserver-hpc db current\n")
def current() -> None:
    """Print the database's revision and the one this program needs; exit code 1 when they differ."""
    from ..store import migrate  # noqa: PLC0415

    settings = _settings()
    found = migrate.current(settings.database.url, settings.secret("database.password_file"))
    click.echo(f"database {found or 'empty'}, needed {migrate.head()}")
    leave(0 if found == migrate.head() else FAILED)


@db.command(
    epilog="""\b
Examples:
  sciserver-hpc db apply --diff
  sciserver-hpc db apply site.toml
  sciserver-hpc db apply --yes /etc/sciserver/site.toml
"""
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--diff", "--dry-run", "diff", is_flag=True, help="Show the difference; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before changing, for programs.")
@json_option
def apply(file: Path | None, diff: bool, yes: bool, as_json: bool) -> None:
    """Make the catalogue (domains, images, volumes, limits, the site's grants) what FILE says; default:
    [catalogue] file.

    Shows first what is added (+), changed (~) and removed (-), and asks. All of it is changed, or nothing;
    the audit trail tells it with the Unix user's name. Grants that people made stay as they are.
    """
    from .. import wiring  # noqa: PLC0415
    from ..domain.errors import Invalid  # noqa: PLC0415
    from . import catalogue  # noqa: PLC0415

    settings = _settings()
    source = file or settings.catalogue.file
    if source is None:
        raise Invalid({"FILE": "name the catalogue's file, here or as [catalogue] file in the settings."})
    site = catalogue.load(source)
    catalogue.check(site, settings.sharing.everyone_group)
    with contextlib.closing(wiring.build_store(settings)) as store:
        catalogue.apply(store, site, source, diff=diff, yes=yes, as_json=as_json)


admin.add_command(administer)
admin.add_command(history)
