"""What stands between a browser and a session: nginx's part, as its configuration has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from .house import URL, House

_ORIGIN = re.compile(r"([0-9a-f]{32})\.")
INSIDE = b"<!doctype html><html lang=en><title>Inside</title><h1>Inside</h1></html>"


def ask(house: House, uuid: str, cookie: str = "", method: str = "GET", **headers: str) -> Any:
    """nginx's question about one request; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if cookie:
        named["Cookie"] = f"__Host-pass={cookie}"
    sent = {"X-Sciserver-Session": uuid, "X-Original-Method": method} | named
    return house.app.test_client(use_cookies=False).get("/.sciserver/auth", headers=sent)


def come_in(house: House, uuid: str, ticket: str, sent_by: str = URL) -> Any:
    """The form that the portal's page, or another's, sends to the session's origin."""
    client = house.app.test_client(use_cookies=False)
    headers = {"X-Sciserver-Session": uuid, "Origin": sent_by}
    return client.post("/.sciserver/enter", data={"ticket": ticket}, headers=headers)


class AtOrigin:
    """The portal with sessions beside it: names the session, asks about each request, shows what is inside.

    asked: each request to a session's origin, with its headers and the portal's word on it.
    """

    def __init__(self, app: Flask) -> None:
        self.portal = app.wsgi_app
        self.asked: list[tuple[str, dict[str, Any], int]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        found = _ORIGIN.match(environ.get("HTTP_HOST", ""))
        environ.pop("HTTP_X_SCISERVER_SESSION", None)
        if found is None:
            return self.portal(environ, start)
        environ["HTTP_X_SCISERVER_SESSION"] = found[1]
        if environ["PATH_INFO"] == "/.sciserver/enter":
            return self.portal(environ, start)
        method = environ["REQUEST_METHOD"]
        asking = environ | {"REQUEST_METHOD": "GET", "PATH_INFO": "/.sciserver/auth", "CONTENT_LENGTH": ""}
        asking |= {
            "HTTP_X_ORIGINAL_METHOD": method,
            "HTTP_X_ORIGINAL_UPGRADE": environ.get("HTTP_UPGRADE", ""),
        }
        _, status, _ = run_wsgi_app(self.portal, asking, buffered=True)
        code = int(status[:3])
        said = {key: text for key, text in environ.items() if key.startswith("HTTP_")}
        self.asked.append((environ["PATH_INFO"], said, code))
        answer = Response(INSIDE if code == 204 else b"", 200 if code == 204 else code, mimetype="text/html")
        return answer(environ, start)
