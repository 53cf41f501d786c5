"""gunicorn's entry point: `gunicorn portal.wsgi:app`; settings from the file that SCISERVER_CONFIG names."""

from __future__ import annotations

import gc

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
# What a worker is made of stays: each full collection would look at 190,000 objects, which takes 150 ms.
gc.collect()
gc.freeze()
