"""Grants and what is told of them, over the portal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ..domain import notation
from ..domain.access import Action, Resource
from ..domain.audit import Entry
from ..domain.errors import Invalid
from ..domain.why import Explanation
from .groups import Groups, Who, subject
from .models import GrantInfo, read

What = Resource | str
"""A thing; text is read as `Storage/alice/shared`, `job:17`, `image:python`, `domain:batch`, `data:sdss`."""


class Sharing(Groups):
    """Verbs about grants. Any may raise Invalid, NotFound, Refused."""

    def give(
        self, what: What, who: Who, *words: Action | str, until: datetime | None = None, dry_run: bool = False
    ) -> list[GrantInfo]:
        """Grant actions, or what a role bundles (`reader`, `writer` …), until `until` (aware) where given.

        Again with another end changes the end. A dry run grants nothing.
        """
        resource = _thing(what)
        body = {
            **_pair(resource, who),
            "actions": _actions(resource, words),
            "expires": until.isoformat() if until else None,
            "dry_run": dry_run,
        }
        answer = self._http.json("POST", "/grants", safe=True, json=body)
        return [read(GrantInfo, row) for row in answer["grants"]]

    def revoke(self, what: What, who: Who, *words: Action | str, dry_run: bool = False) -> list[GrantInfo]:
        """Take back what `who` was granted, all of it without `words`; returns what went."""
        resource = _thing(what)
        actions = _actions(resource, words) if words else None
        body = {**_pair(resource, who), "actions": actions, "dry_run": dry_run}
        answer = self._http.json("POST", "/grants/revoke", json=body)
        return [read(GrantInfo, row) for row in answer["grants"]]

    def revoke_grant(self, grant_id: int) -> None:
        """Take one grant back."""
        self._http.json("DELETE", f"/grants/{grant_id:d}", safe=False)

    def grants(self, what: What | None = None) -> Iterator[GrantInfo]:
        """Grants on a thing, for those who may share it; without one, what one granted oneself."""
        if what is None:
            return self._grants("/grants/mine")
        return self._grants("/grants", resource=_text(_thing(what)))

    def shared_with_me(self) -> Iterator[GrantInfo]:
        """What others granted oneself or a group one is in."""
        return self._grants("/shared-with-me")

    def explain(self, action: Action | str, what: What, person: str | None = None) -> Explanation:
        """Why `person` (None: oneself) may, or may not."""
        query = {"action": str(action), "resource": _text(_thing(what)), "user": person}
        return read(Explanation, self._http.json("GET", "/explain", params=query)["explanation"])

    def audit(self, what: What | None = None) -> Iterator[Entry]:
        """What was done with groups and grants, newest first: all one may read, or with one thing."""
        resource = None if what is None else _text(_thing(what))
        rows = self._pages("/audit", "entries", "before", resource=resource)
        return (read(Entry, row) for row in rows)

    def _grants(self, path: str, **query: Any) -> Iterator[GrantInfo]:
        return (read(GrantInfo, row) for row in self._pages(path, "grants", **query))


def _thing(what: What) -> Resource:
    try:
        return notation.thing(what) if isinstance(what, str) else what
    except ValueError as error:
        raise Invalid({"resource": f"{error}."}) from error


def _actions(resource: Resource, words: tuple[Action | str, ...]) -> list[str]:
    try:
        return [action.value for action in notation.actions(resource.kind, words)]
    except ValueError as error:
        raise Invalid({"actions": f"{error}."}) from error


def _pair(resource: Resource, who: Who) -> dict[str, Any]:
    whom = subject(who, "subject")
    return {"resource": resource.model_dump(mode="json"), "subject": whom.model_dump(mode="json")}


def _text(resource: Resource) -> str:
    """As the portal reads it in a query."""
    return f"{resource.kind}:{resource.name}"
