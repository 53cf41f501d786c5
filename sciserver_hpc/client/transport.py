"""HTTP with the portal: TLS checked, a timeout on every call, safe calls tried again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from ..domain.errors import Invalid, SciServerError, Unavailable
from .answers import error_of

PAUSES = (0.3, 1.0, 2.0, 4.0)
"""Seconds to wait before each further try of a safe call."""

_TRY_AGAIN = {429, 502, 503, 504}
_LOCAL = {"localhost", "127.0.0.1", "::1"}


class _Bearer(requests.auth.AuthBase):
    """Sends the token; being set, it keeps requests from sending a password of ~/.netrc instead."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class Transport:
    """One portal, one token.

    `sleep` waits between tries and polls. Raises what `answers.error_of` makes of an error answer, and
    Unavailable when none comes.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        ca: str | None = None,
        timeout: float = 30,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = checked(url)
        self.timeout = timeout
        self.sleep = sleep
        self._verify: str | bool = ca or True
        self._session = requests.Session()
        self._session.auth = _Bearer(token)
        self._session.headers["Accept"] = "application/json"

    def close(self) -> None:
        """Close kept connections."""
        self._session.close()

    def json(self, method: str, path: str, *, safe: bool | None = None, **options: Any) -> Any:
        """The JSON of an answer.

        `safe`: doing it twice is the same as once, so try again; default: for GET and DELETE.
        """
        response = self.call(method, path, safe=safe, **options)
        if response.status_code == 204 or not response.content:
            return {}
        try:
            return response.json()
        except ValueError as error:
            raise SciServerError(
                f"{self.url} does not answer like a SciServer portal; check the address."
            ) from error

    def pages(self, path: str, query: Mapping[str, Any], rows: str, place: str) -> Iterator[Any]:
        """The `rows` of each page of a list, asked for as they are needed.

        `place`: the query's word for where a page goes on, which is what the page before calls `next`.
        """
        asked = dict(query)
        while True:
            page = self.json("GET", path, params=asked)
            yield from page[rows]
            if page.get("next") is None:
                return
            asked[place] = page["next"]

    def call(
        self,
        method: str,
        path: str,
        *,
        safe: bool | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> requests.Response:
        """The answer to one call of the API; `options` are those of requests."""
        safe = method in ("GET", "DELETE") if safe is None else safe
        problem: SciServerError = Unavailable("the portal", self.url)
        for pause in (*PAUSES, None) if safe else (None,):
            try:
                response = self._once(method, path, headers=headers, **options)
            except requests.RequestException as error:
                problem = self._no_answer(error)
                if not isinstance(problem, Unavailable):
                    raise problem from error
            else:
                if response.status_code < 300:
                    return response
                with response:
                    problem = error_of(response)
                if response.status_code not in _TRY_AGAIN or path == "/login":
                    raise problem
            if pause is not None:
                self.sleep(pause)
        raise problem

    def _once(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(
            method,
            f"{self.url}/api/v1{path}",
            timeout=self.timeout,
            verify=self._verify,
            allow_redirects=False,
            **options,
        )

    def _no_answer(self, error: requests.RequestException) -> SciServerError:
        # What else may go wrong in TLS is a connection that ended there: a server that was just killed.
        if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            return SciServerError(
                f"The certificate of {self.url} cannot be trusted. If the site has a CA of its own, "
                "name its file with --ca or SCISERVER_CA."
            )
        if isinstance(error, OSError) and "CA certificate bundle" in str(error):
            return Invalid({"ca": f"{self._verify} is not there; name the site's CA file."})
        if isinstance(error, requests.Timeout):
            return Unavailable(self.url, f"no answer within {self.timeout:g} s; try again later.")
        return Unavailable(self.url, "no connection; check the address and your network.")


def checked(url: str) -> str:
    """The portal's base URL without a slash at its end.

    Raises Invalid for one that would carry passwords in the clear.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid({"url": f"{url!r} is no address of a portal; write https://<host>."})
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise Invalid({"url": f"passwords would travel in the clear; write https://{parts.netloc}."})
    if parts.username or parts.password:
        raise Invalid({"url": "write no user name or password into the address; they are asked for."})
    return url.rstrip("/")
