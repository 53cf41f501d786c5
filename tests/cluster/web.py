"""The portal as a careless program or an enemy calls it: requests that no client of ours would send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from .conftest import Cluster

Fields = Mapping[str, Any]


class Web:
    """Requests with one bearer token, or with none."""

    def __init__(self, cluster: Cluster, token: str = "") -> None:
        self.base = cluster.url
        self.token = token
        self._http = requests.Session()
        self._http.verify = str(cluster.ca)
        self._http.trust_env = False
        if token:
            self._http.headers["Authorization"] = f"Bearer {token}"

    @classmethod
    def login(cls, cluster: Cluster, username: str) -> Web:
        """As somebody who knows the password."""
        answer = cls(cluster).try_login(username, cluster.password(username))
        assert answer.status_code == 200, answer.text
        return cls(cluster, answer.json()["token"])

    def close(self) -> None:
        self._http.close()

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """One call below /api/v1."""
        return self.page(method, f"/api/v1{path}", **options)

    def page(self, method: str, path: str, **options: Any) -> requests.Response:
        """One call anywhere; redirects are shown, not followed."""
        options = {"timeout": 60, "allow_redirects": False} | options
        return self._http.request(method, self.base + path, **options)

    def try_login(self, username: str, password: str) -> requests.Response:
        return self("POST", "/login", json={"username": username, "password": password})

    def submit(self, fields: Fields, **headers: str) -> requests.Response:
        """A shell job, unless `fields` say otherwise."""
        shell = {} if "kind" in fields else {"kind": "shell", "command": "true"}
        return self("POST", "/jobs", json=shell | dict(fields), headers=headers)

    def browser(self) -> dict[str, str]:
        """Headers of a browser that holds the token as its cookie."""
        return {"Authorization": "", "Cookie": f"__Host-login={self.token}"}

    @property
    def newest(self) -> int:
        """The number of the newest job; 0 when there is none."""
        jobs = self("GET", "/jobs?limit=1").json()["jobs"]
        return int(jobs[0]["id"]) if jobs else 0

    @contextmanager
    def making_no_job(self) -> Iterator[None]:
        before = self.newest
        yield
        assert self.newest == before


def said(answer: requests.Response) -> str:
    """The sentence of an error answer."""
    return str(answer.json()["error"]["message"])
