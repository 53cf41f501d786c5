"""nslcd(8): makes the directory's people real users and groups inside the namespace."""

from __future__ import annotations

from . import ca, slapd
from .accounts import PEOPLE, owner
from .daemon import Daemon
from .namespace import Command, Namespace
from .state import State, directory

_CONF = """\
uid nslcd
gid nslcd
uri {url}
base passwd {users}
base group {groups}
tls_cacertfile {ca}
tls_reqcert demand
bind_timelimit 3
timelimit 5
reconnect_sleeptime 1
reconnect_retrytime 2
nss_min_uid 1000
"""

NSSWITCH = "passwd: files ldap\ngroup: files ldap\nshadow: files\nhosts: files dns\n"


def configuration(state: State) -> str:
    """nslcd.conf(5)."""
    return _CONF.format(
        url=slapd.url(state), users=slapd.USERS, groups=slapd.GROUPS_BASE, ca=ca.authority(state)
    )


def prepare(namespace: Namespace) -> None:
    """Make the directory of its socket."""
    directory(namespace.state.run / "nslcd", 0o755, owner(namespace.state, "nslcd"))


def daemon(namespace: Namespace) -> Daemon:
    """nslcd in the foreground; ready when the last of the demo people can be looked up."""
    look_up = Command(["getent", "passwd", PEOPLE[-1].username])
    return Daemon("nslcd", Command(["nslcd", "--nofork"]), lambda: namespace.run(look_up).returncode == 0)
