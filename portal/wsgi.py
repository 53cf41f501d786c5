"""gunicorn's entry point: `gunicorn portal.wsgi:app`; settings from the file that SCISERVER_CONFIG names."""

from __future__ import annotations

from sciserver_hpc import settings, wiring

from .app import create_app

app = create_app(wiring.build(settings.load()))
