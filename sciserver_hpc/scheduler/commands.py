"""Running Slurm's commands as the service account."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from ..domain.errors import Unavailable

SYSTEM = "slurm"


class Commands:
    """Programs of `bin_dir`, each run with a built environment and `timeout_s`.

    `conf`: SLURM_CONF, "" for Slurm's own default.
    """

    def __init__(self, bin_dir: str, timeout_s: float, conf: str = "") -> None:
        self._bin_dir = bin_dir
        self._timeout_s = timeout_s
        self._environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC0"}
        # Lists of array tasks are cut at 64 bytes otherwise.
        self._environment["SLURM_BITSTR_LEN"] = "0"
        if conf:
            self._environment["SLURM_CONF"] = conf

    def run(self, program: str, arguments: Sequence[str]) -> str:
        """Standard output.

        Raises Unavailable when the program is missing, fails, complains or takes too long: an answer that
        may be incomplete is none.
        """
        argv = [os.path.join(self._bin_dir, program), *arguments]  # noqa: PTH118 - a program's name, as given
        try:
            done = subprocess.run(
                argv,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(SYSTEM, f"{program} took longer than {self._timeout_s:g} s") from error
        except OSError as error:
            raise Unavailable(SYSTEM, f"{program} cannot be run: {error.strerror}") from error
        complaint = done.stderr.decode("utf-8", "replace").strip()
        if done.returncode != 0 or "error:" in complaint:
            last = complaint.splitlines()[-1] if complaint else f"exit code {done.returncode}"
            raise Unavailable(SYSTEM, last[:500])
        return done.stdout.decode("utf-8", "replace")
