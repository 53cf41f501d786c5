"""The portal: gunicorn under the service account, behind nginx."""

from __future__ import annotations

from . import commands, settings, site
from .accounts import SERVICE
from .daemon import Daemon, answers
from .namespace import Command, Namespace


def prepare(namespace: Namespace) -> None:
    """Write settings and catalogue, bring the database to its newest form and apply the catalogue."""
    settings.prepare(namespace.state)
    site.prepare(namespace)
    for words in (("upgrade",), ("apply", "--yes")):
        namespace.check(service(namespace, "db", *words), "database", timeout=120)
    namespace.check(service(namespace, "sessions-ca"), "sessions", timeout=60)


def service(namespace: Namespace, *words: str) -> Command:
    """`sciserver-hpc WORDS` as the service account."""
    state = namespace.state
    env = {"SCISERVER_CONFIG": str(settings.file(state))} | commands.environment(state)
    return Command(commands.argv("sciserver-hpc", *words), user=SERVICE, directory=str(state.run), env=env)


def daemon(namespace: Namespace) -> Daemon:
    """The web application."""
    socket = settings.socket(namespace.state)
    return Daemon("portal", service(namespace, "serve"), lambda: answers(socket), workers=True)
