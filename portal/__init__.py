"""The portal: pages and REST API over the services.

`create_app(services)` is the whole of it.
"""

from __future__ import annotations

from .app import create_app

__all__ = ["create_app"]
