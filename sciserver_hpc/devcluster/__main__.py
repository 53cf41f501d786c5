"""The verbs behind `./dev`."""

from __future__ import annotations

import sys

from .cluster import clean, down, status, up
from .errors import Failed
from .state import State


def main() -> int:
    verb = sys.argv[1]
    state = State.from_environment()
    if verb == "up": up(state, print)
    if verb == "down": down(state, print)
    if verb == "clean": clean(state, print)
    if verb == "status": print(status(state))
    return 0

try:
    sys.exit(main())
except Failed as e:
    print(e.report()); sys.exit(1)
