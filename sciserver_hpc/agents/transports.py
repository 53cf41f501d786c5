"""How an agent gets to run as a user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .. import agent
from ..domain.errors import Refused
from ..domain.scheduling import Owner

PROGRAM = Path(agent.__file__).parent
"""The agent as installed with this package."""


class Transport(Protocol):
    """The command that starts an agent; it gets the listening socket as file descriptor 0."""

    @property
    def checks_name(self) -> bool:
        """Must the uid's name on this machine be the directory's name for it?"""
        ...

    def argv(self, owner: Owner) -> list[str]:
        """The command.

        Raises Refused when this transport cannot act as `owner`.
        """
        ...


@dataclass(frozen=True)
class SudoTransport:
    """Through sudo(8), on a submit host that knows the users.

    The one line sudoers(5) needs, for service account `sciserver` and people in Unix group `hpcusers`:

        sciserver ALL=(%hpcusers) NOPASSWD: /usr/bin/python3 -I -S /opt/sciserver/…/sciserver_hpc/agent

    The command is exact, no wildcard, and takes no argument from outside. `Defaults` as Debian ships them
    (env_reset, use_pty) do; do not log input (`log_input`) for it, since its standard input is the socket.
    The directory must be writable by root alone and readable by everybody.
    """

    python: str = "/usr/bin/python3"
    program: Path = PROGRAM
    sudo: str = "/usr/bin/sudo"

    checks_name = True

    def argv(self, owner: Owner) -> list[str]:
        """sudo to the uid, never asking for a password."""
        command = [self.python, "-I", "-S", str(self.program)]
        return [self.sudo, "-n", "-u", f"#{owner.uid}", "--", *command]


@dataclass(frozen=True)
class SelfTransport:
    """As whoever runs the portal: single-user mode."""

    python: str = "/usr/bin/python3"
    program: Path = PROGRAM

    checks_name = False

    def argv(self, owner: Owner) -> list[str]:
        """The agent itself.

        Raises Refused for any other uid than our own.
        """
        if owner.uid != os.getuid():
            reason = f"this portal runs in single-user mode, as uid {os.getuid()} alone; log in as that user"
            raise Refused({f"user {owner.username}": reason})
        return [self.python, "-I", "-S", str(self.program)]
