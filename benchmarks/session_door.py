"""The way into a session as a browser goes it: a click in the portal, a ticket, a pass."""

from __future__ import annotations

import html
import http.client
import re
import ssl
from urllib.parse import urlencode, urlsplit

from sciserver_hpc.devcluster import ca, settings

from .place import Place


class SessionDoor:
    """A browser's cookies of one person, who logged in as `token` says."""

    def __init__(self, place: Place, token: str) -> None:
        self._url = settings.url(place.state)
        self._context = ssl.create_default_context(cafile=str(ca.authority(place.state)))
        self._cookies = {"__Host-login": token}
        self.connection = self.connect(urlsplit(self._url).hostname or "")

    def connect(self, host: str) -> http.client.HTTPSConnection:
        """A connection for this host name: all of them are on this machine."""
        port = urlsplit(self._url).port or 443
        connection = _Local(host, port, timeout=60, context=self._context)
        connection.connect()
        return connection

    def enter(self, job_id: int) -> tuple[str, str]:
        """(host, cookie) with which the session's app can be asked."""
        page = self._ask("GET", f"/sessions/{job_id}")
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        form = urlencode({"csrf_token": html.unescape(token[1]) if token else "", "mode": "use"})
        page = self._ask("POST", f"/sessions/{job_id}/open", form)
        action = re.search(r'action="(https://[^"]+)/\.sciserver/enter"', page)
        ticket = re.search(r'name="ticket"[^>]*value="([^"]+)"', page)
        if not action or not ticket:
            raise RuntimeError("the portal's page holds no ticket")
        host = urlsplit(action[1]).hostname or ""
        connection = self.connect(host)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self._url}
        connection.request("POST", "/.sciserver/enter", urlencode({"ticket": ticket[1]}), headers)
        response = connection.getresponse()
        response.read()
        return host, response.headers["Set-Cookie"].partition(";")[0]

    def _ask(self, method: str, path: str, body: str | None = None) -> str:
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "Referer": self._url + path,
        }
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        text = response.read().decode()
        for name, value in response.headers.items():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self._cookies[key] = rest.partition(";")[0]
        if response.status != http.client.OK:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:300]}")
        return text


class _Local(http.client.HTTPSConnection):
    """Connects to this machine, whatever the host is called."""

    def connect(self) -> None:
        host, self.host = self.host, "127.0.0.1"
        http.client.HTTPConnection.connect(self)
        self.host = host
        self.sock = self._context.wrap_socket(self.sock, server_hostname=host)  # type: ignore[attr-defined]
