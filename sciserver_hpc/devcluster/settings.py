"""The portal's and the broker's settings for this cluster, rendered as sciserver.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..domain import toml
from . import apptainer, ca, postgres, slapd
from .accounts import ADMIN_GROUP, SERVICE, UNIX_GROUPS, base, owner
from .mounts import AGENT
from .state import State, directory

OVERLAP_HOURS = 0.005
"""18 s: a demo is not to wait a day."""


def file(state: State) -> Path:
    """Where the settings are."""
    return state.etc / "sciserver.toml"


def url(state: State) -> str:
    """The portal's public address."""
    return f"https://localhost:{state.port('nginx', 8443)}"


def sessions_domain(state: State) -> str:
    """Where sessions are, each below a name of its own."""
    return f"sessions.localhost:{state.port('nginx', 8443)}"


def sessions_ca(state: State) -> Path:
    """The keys by which nginx, the broker and sessions know each other."""
    return state.root / "sessions-ca"


def socket(state: State) -> Path:
    """Where gunicorn listens."""
    return state.run / "web" / "portal.sock"


def values(state: State) -> dict[str, Any]:
    """The settings as tables."""
    return {
        "portal": {
            "url": url(state),
            "bind": f"unix:{socket(state)}",
            "workers": max(1, (os.cpu_count() or 1) // 2),  # the other half is for Slurm and its jobs
            "secret_key_file": state.secrets / "portal.key",
            "runtime_dir": state.run / "sciserver",
            "log_format": "json",
        },
        "database": {"url": database_url(state)},
        "directory": {
            "kind": "ldap",
            "url": slapd.url(state),
            "ca_file": ca.authority(state),
            "user_base": slapd.USERS,
            "group_base": slapd.GROUPS_BASE,
            "admin_group": ADMIN_GROUP,
        },
        "unix_groups": {
            "branch": slapd.BRANCH,
            "bind_dn": slapd.WRITER,
            "bind_password_file": slapd.writer_secret(state),
            "first_gid": base(state) + UNIX_GROUPS[0],
            "last_gid": base(state) + UNIX_GROUPS[1],
            "overlap_hours": OVERLAP_HOURS,
        },
        "agents": {"transport": "sudo", "python": "/usr/bin/python3", "program": state.src / AGENT},
        "clusters": {"default": {"kind": "slurm", "submit_through": "slurmrestd", "timeout_s": 10.0}},
        "broker": {"quiet_s": 30.0},
        "images": {"apptainer": apptainer.ensure()},
        "jobs": {"claim_url": url(state), "ca_file": ca.authority(state)},
        "sessions": {"domain": sessions_domain(state), "ca_dir": sessions_ca(state), "max_active": 60},
        "catalogue": {"file": state.etc / "site.toml"},
    }


def database_url(state: State) -> str:
    """SQLite in the service account's own directory, or the cluster's PostgreSQL."""
    if postgres.chosen(state):
        return postgres.url(state)
    return f"sqlite:///{state.root / 'database' / 'sciserver.db'}"


def prepare(state: State) -> None:
    """Write the file, the signing key and the directories the service account owns."""
    service = owner(state, SERVICE)
    key = state.secrets / "portal.key"
    state.secret(key.name, 48)
    os.chown(key, *service)
    os.chown(slapd.writer_secret(state), *service)
    State.write(file(state), toml.dumps(values(state)))
    directory(state.root / "database", 0o700, service)
    directory(sessions_ca(state), 0o700, service)
    directory(state.run / "sciserver", 0o700, service)
    directory(socket(state).parent, 0o750, (service[0], owner(state, "www-data")[1]))
