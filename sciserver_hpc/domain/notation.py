"""Things, people and rights as they are written on a command line or in Python, and back."""

from __future__ import annotations

from collections.abc import Iterable

from .access import ACTIONS, EVERYONE, Action, Resource, ResourceKind, Subject, SubjectKind, roles
from .names import printable

THINGS = {
    "volume": ResourceKind.USER_VOLUME,
    "data": ResourceKind.DATA_VOLUME,
    "root": ResourceKind.ROOT_VOLUME,
    "domain": ResourceKind.DOMAIN,
    "image": ResourceKind.IMAGE,
    "app": ResourceKind.APP,
    "job": ResourceKind.JOB,
    "session": ResourceKind.SESSION,
    "group": ResourceKind.GROUP,
    "svc": ResourceKind.SERVICE,
    "database": ResourceKind.DATABASE,
    "site": ResourceKind.SITE,
}
"""What stands before the colon."""

SUBJECTS = {
    "user": SubjectKind.USER,
    "group": SubjectKind.PORTAL_GROUP,
    "directory": SubjectKind.GROUP,
    "svc": SubjectKind.SERVICE,
}

_THING_WORDS = {kind: word for word, kind in THINGS.items()}
_SUBJECT_WORDS = {kind: word for word, kind in SUBJECTS.items()}


def thing(text: str) -> Resource:
    """Read `Storage/alice/shared`, `job:17`, `image:python` …. Raises ValueError with a sentence."""
    word, colon, name = text.partition(":")
    if not colon and text.count("/") == 2:
        word, name = "volume", text
    if word not in THINGS:
        others = ", ".join(f"{known}:…" for known in THINGS if known != "volume")
        raise ValueError(f"{text[:80]!r} is no thing; write <Root>/<owner>/<name>, or {others}")
    return Resource(kind=THINGS[word], name=_name(text, name))


def written(resource: Resource) -> str:
    """As `thing` reads it."""
    if resource.kind is ResourceKind.USER_VOLUME and resource.name.count("/") == 2:
        return resource.name if ":" not in resource.name else f"volume:{resource.name}"
    return f"{_THING_WORDS[resource.kind]}:{resource.name}"


def subject(text: str) -> Subject:
    """Read `bob`, `group:survey` (of the portal), `directory:astro` (a Unix group), `svc:ci` (a service
    account) or `everyone`.

    Raises ValueError with a sentence.
    """
    if text == "everyone":
        return EVERYONE
    word, colon, name = text.partition(":")
    if not colon:
        word, name = "user", text
    if word not in SUBJECTS:
        forms = ", ".join(f"{known}:NAME" for known in SUBJECTS if known != "user")
        raise ValueError(f"{text[:80]!r} is nobody; write NAME, {forms} or everyone")
    return Subject(kind=SUBJECTS[word], name=_name(text, name))


def named(who: Subject) -> str:
    """As `subject` reads it."""
    if who.kind is SubjectKind.EVERYONE:
        return "everyone"
    plain = who.kind is SubjectKind.USER and ":" not in who.name and who.name != "everyone"
    return who.name if plain else f"{_SUBJECT_WORDS[who.kind]}:{who.name}"


def actions(kind: ResourceKind, words: Iterable[str]) -> tuple[Action, ...]:
    """The actions that `words` name, by themselves or by a role. Raises ValueError naming those there are."""
    there, bundles = ACTIONS[kind], roles(kind)
    found: set[Action] = set()
    for word in words:
        if word not in there and word not in bundles:
            known = ", ".join([*there, *bundles])
            raise ValueError(f"{word[:80]!r} is nothing one may do with {_a(kind)}; there are {known}")
        found |= bundles[word] if word in bundles else {Action(word)}
    return tuple(sorted(found))


def _a(kind: ResourceKind) -> str:
    return f"an {kind}" if kind is ResourceKind.IMAGE else f"a {kind.replace('_', ' ')}"


def _name(text: str, name: str) -> str:
    if not 1 <= len(name) <= 255:
        raise ValueError(f"{text[:80]!r}: a name has 1 to 255 characters")
    return printable(name)
