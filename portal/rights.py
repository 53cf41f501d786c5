"""Rights, things and people in words and as links, the same on every page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from urllib.parse import urlencode

from flask import Flask, url_for
from pydantic import ValidationError

from sciserver_hpc.domain.access import Action, Resource, ResourceKind, Subject, SubjectKind
from sciserver_hpc.domain.errors import NotFound
from sciserver_hpc.domain.notation import named, written

RIGHTS = {
    Action.USE: "may use",
    Action.READ: "may read",
    Action.WRITE: "may write",
    Action.CREATE: "may make volumes in it",
    Action.MANAGE: "may manage",
    Action.GRANT: "may give to others",
    Action.MANAGE_DOMAINS: "may manage domains",
    Action.MANAGE_IMAGES: "may manage images",
    Action.MANAGE_VOLUMES: "may manage root and data volumes",
    Action.MANAGE_LIMITS: "may set limits",
    Action.MANAGE_GROUPS: "may repair any group",
    Action.READ_AUDIT: "may read the whole trail",
    Action.SUPPORT: "may look as others, for support",
}
THINGS = {
    ResourceKind.DOMAIN: "Compute domain",
    ResourceKind.IMAGE: "Image",
    ResourceKind.APP: "App",
    ResourceKind.ROOT_VOLUME: "Root volume",
    ResourceKind.USER_VOLUME: "Volume",
    ResourceKind.DATA_VOLUME: "Data volume",
    ResourceKind.GROUP: "Group",
    ResourceKind.SERVICE: "Service account",
    ResourceKind.JOB: "Job",
    ResourceKind.SESSION: "Session",
    ResourceKind.DATABASE: "Database",
    ResourceKind.SITE: "Site",
}
SHAREABLE = frozenset(
    {
        ResourceKind.DOMAIN,
        ResourceKind.IMAGE,
        ResourceKind.APP,
        ResourceKind.ROOT_VOLUME,
        ResourceKind.USER_VOLUME,
        ResourceKind.DATA_VOLUME,
        ResourceKind.JOB,
        ResourceKind.SESSION,
        ResourceKind.SITE,
    }
)
"""Kinds with a sharing page: what is there today, and is not shared by membership."""


def init_app(app: Flask) -> None:
    """Offer them to templates."""
    app.jinja_env.globals.update(
        RIGHTS=RIGHTS,
        THINGS=THINGS,
        SHAREABLE=SHAREABLE,
        address=address,
        why_url=why_url,
        value_of=value_of,
        command_of=command,
    )
    app.jinja_env.filters["rights"] = rights


def rights(actions: Iterable[Action]) -> str:
    """Several rights in one breath: `may read, write`."""
    return f"may {', '.join(RIGHTS[action].removeprefix('may ') for action in actions)}"


def thing(kind: str, name: str) -> Resource:
    """A thing as a URL names it. Raises NotFound for what cannot be one."""
    try:
        return Resource.model_validate({"kind": kind, "name": name})
    except ValidationError as error:
        raise NotFound("There is nothing of that kind and name.") from error


def address(resource: Resource) -> str:
    """Where the thing itself is looked at; "" when it has no page."""
    if resource.kind is ResourceKind.JOB:
        return f"/jobs/{resource.name}"
    if resource.kind is ResourceKind.SESSION:
        return f"/sessions/{resource.name}"
    if resource.kind is ResourceKind.GROUP:
        return url_for("groups.show", name=resource.name)
    if resource.kind is ResourceKind.SERVICE:
        return url_for("service_accounts.show", name=resource.name)
    return ""


def why_url(user: str, action: Action, resource: Resource) -> str:
    """The page that says why `user` may (not)."""
    asked = {"user": user, "action": action, "kind": resource.kind, "name": resource.name}
    return f"/why?{urlencode(asked)}"


def value_of(subject: Subject) -> str:
    """A person or group as a form's value: `user:bob`, `everyone`."""
    return subject.kind if subject.kind is SubjectKind.EVERYONE else f"{subject.kind}:{subject.name}"


def subject_of(value: str) -> Subject:
    """The other way round. Raises NotFound for what cannot be one."""
    kind, _, name = value.partition(":")
    try:
        return Subject.model_validate({"kind": kind, "name": name})
    except ValidationError as error:
        raise NotFound("There is nobody of that kind and name.") from error


def command(*words: object) -> str:
    """A command line of these words; things and people as the commands take them."""
    return shlex.join(map(_word, words))


def _word(word: object) -> str:
    if isinstance(word, Resource):
        return written(word)
    return named(word) if isinstance(word, Subject) else str(word)
