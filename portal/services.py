"""The services behind the current request."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app
from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from sciserver_hpc.wiring import Services

EXTENSION = "sciserver"


def of_app() -> Services:
    """Return what `create_app` was given."""
    return cast("Services", current_app.extensions[EXTENSION])


services = cast("Services", LocalProxy(of_app))
