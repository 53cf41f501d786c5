"""Service accounts and their tokens, over the portal. All of it takes the token of a login."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..domain.errors import Invalid
from .models import ServiceAccountInfo, TokenInfo, read
from .sharing import Sharing

_PATH = "/service-accounts"


class ServiceAccounts(Sharing):
    """Verbs about programs that ask by tokens of their own. Any may raise NotFound, Refused, Conflict.

    Names are written with or without the `svc:` that the portal shows before them.
    """

    def service_accounts(self, *, every: bool = False) -> Iterator[ServiceAccountInfo]:
        """Those one manages; every: all of the site's, for its administrators."""
        if every:
            rows = self._pages(_PATH, "service_accounts", every="true")
        else:
            rows = iter(self._http.json("GET", _PATH)["service_accounts"])
        return (read(ServiceAccountInfo, row) for row in rows)

    def service_account(self, name: str) -> ServiceAccountInfo:
        """One."""
        return self._one("GET", name)

    def make_service_account(
        self, name: str, description: str = "", *, group: str | None = None
    ) -> ServiceAccountInfo:
        """A new one, for oneself or for a group one administers; the same once more is the one there is."""
        body = {"name": _own_name(name), "description": description, "group": group}
        answer = self._http.json("POST", _PATH, safe=True, json=body)
        return read(ServiceAccountInfo, answer["service_account"])

    def describe_service_account(self, name: str, description: str) -> ServiceAccountInfo:
        """Other words."""
        return self._one("PATCH", name, description=description)

    def disable_service_account(self, name: str) -> ServiceAccountInfo:
        """Stop its tokens until it is enabled again."""
        return self._one("PATCH", name, disabled=True)

    def enable_service_account(self, name: str) -> ServiceAccountInfo:
        """Let its live tokens be good again."""
        return self._one("PATCH", name, disabled=False)

    def delete_service_account(self, name: str) -> None:
        """End it, its tokens, memberships and the grants to it; its name is not given again."""
        self._http.json("DELETE", _at(name), safe=False)

    def service_tokens(self, name: str) -> list[TokenInfo]:
        """Its live tokens, newest first."""
        return [read(TokenInfo, row) for row in self._http.json("GET", f"{_at(name)}/tokens")["tokens"]]

    def make_service_token(
        self, name: str, token: str, scopes: Iterable[str], days: int
    ) -> tuple[str, TokenInfo]:
        """A token of it, called `token`: its secret, told only now, and its row."""
        body = {"name": token, "scopes": sorted(scopes), "days": days}
        return _secret(self._http.json("POST", f"{_at(name)}/tokens", json=body))

    def rotate_service_token(self, name: str, token_id: int, days: int) -> tuple[str, TokenInfo]:
        """Another secret for a token, good for `days`; the old one is good no more."""
        path = f"{_at(name)}/tokens/{token_id:d}/rotate"
        return _secret(self._http.json("POST", path, json={"days": days}))

    def revoke_service_token(self, name: str, token_id: int) -> None:
        """End a token of it."""
        self._http.json("DELETE", f"{_at(name)}/tokens/{token_id:d}")

    def _one(self, method: str, name: str, **change: Any) -> ServiceAccountInfo:
        answer = self._http.json(method, _at(name), safe=True, json=change or None)
        return read(ServiceAccountInfo, answer["service_account"])


def _secret(answer: Any) -> tuple[str, TokenInfo]:
    return str(answer["secret"]), read(TokenInfo, answer["token"])


def _own_name(name: str) -> str:
    own = name.removeprefix("svc:")
    if not re.fullmatch("[a-z][a-z0-9_.-]{0,27}", own):
        words = "is no name of a service account: a small letter, then small letters, digits and ._- only."
        raise Invalid({"name": f"{own[:80]!r} {words}"})
    return own


def _at(name: str) -> str:
    return f"{_PATH}/{_own_name(name)}"
