"""Entry of the agent when its directory is run; `supervise <directory>` watches one local job (see `local`),
`tether <pid> <command>…` runs a command that ends with the agent."""

from __future__ import annotations

import os
import sys
from importlib import import_module

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> int:
    """Make this directory importable as a package, behind the standard library, and run what was asked
    for."""
    sys.path[0:1] = []
    sys.path.append(os.path.dirname(HERE))
    package = os.path.basename(HERE)
    if sys.argv[1:2] == ["supervise"]:
        return int(import_module(f"{package}.supervisor").supervise(sys.argv[2]))
    if sys.argv[1:2] == ["tether"]:
        import_module(f"{package}.tether").tether(int(sys.argv[2]), sys.argv[3:])
        return 1
    return int(import_module(f"{package}.server").main())


if __name__ == "__main__":
    sys.exit(main())
