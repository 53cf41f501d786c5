"""gunicorn's entry point: `gunicorn portal.wsgi:app`; settings from the file that SCISERVER_CONFIG names."""

from __future__ import annotations

from sciserver_hpc import logs, settings, wiring

from .app import create_app

_settings = settings.load()
logs.configure(_settings.portal.log_format, _settings.portal.log_level)
app = create_app(wiring.build(_settings))
