"""gunicorn's entry point: `gunicorn portal.wsgi:app`; settings from the file that SCISERVER_CONFIG names."""

from __future__ import annotations

from flask import Flask

from sciserver_hpc import logs, settings, wiring

from .app import create_app


def load() -> Flask:
    """The application as the settings say.

    Raises Invalid: a sentence per setting that is wrong.
    """
    found = settings.load()
    logs.configure(found.portal.log_format, found.portal.log_level)
    return create_app(wiring.build(found))


app = load()
