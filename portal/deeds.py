"""Lines of the audit trail as sentences."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask
from markupsafe import Markup, escape

from sciserver_hpc.domain.access import THE_SITE, Action, Resource, ResourceKind, Subject, SubjectKind, asking
from sciserver_hpc.domain.audit import Entry, Outcome
from sciserver_hpc.domain.differences import EVERYWHERE

from .filters import breakable, visible
from .rights import RIGHTS, THINGS, address


@dataclass(frozen=True)
class Deed:
    """word: for a choice; did, do: the verb, done and merely tried; rest: of the sentence."""

    word: str
    did: str
    do: str
    rest: str


DEEDS = {
    "grant": Deed("Gave a right", "gave", "give", "{whom} the right to {detail}: {on}"),
    "revoke": Deed("Took a right back", "took", "take", "from {whom} the right to {detail}: {on}"),
    "group.create": Deed("Made a group", "made", "make", "{on}"),
    "group.describe": Deed("Described a group", "described", "describe", "{on}"),
    "group.delete": Deed("Deleted a group", "deleted", "delete", "{on}"),
    "group.invite": Deed("Invited", "invited", "invite", "{whom} to {on} as {detail}"),
    "group.accept": Deed("Accepted", "accepted", "accept", "the invitation of {whom} to {on}"),
    "group.decline": Deed("Declined", "declined", "decline", "the invitation of {whom} to {on}"),
    "group.withdraw": Deed("Withdrew", "withdrew", "withdraw", "the invitation of {whom} to {on}"),
    "group.join": Deed("Joined", "let", "let", "{whom} join {on}"),
    "group.leave": Deed("Left", "took", "take", "{whom} out of {on}"),
    "group.remove": Deed("Removed", "removed", "remove", "{whom} from {on}"),
    "group.role": Deed("Changed a role", "made", "make", "{whom} {detail} of {on}"),
    "group.transfer": Deed("Offered a group", "offered", "offer", "{on} to {whom}, to own it"),
    "group.unix": Deed("Decided on a Unix group", "wanted", "want", "{detail} for {on}"),
    "unix.made": Deed(
        "Made a Unix group", "made in the directory", "make in the directory", "{on}: {detail}"
    ),
    "unix.changed": Deed("Followed in a Unix group", "followed", "follow", "{on} in the directory: {detail}"),
    "unix.removed": Deed("Removed a Unix group", "took", "take", "{on} out of the directory: {detail}"),
    "service.create": Deed("Made a service account", "made", "make", "{on} for {whom}"),
    "service.describe": Deed("Described a service account", "described", "describe", "{on}"),
    "service.disable": Deed("Disabled a service account", "disabled", "disable", "{on}"),
    "service.enable": Deed("Enabled a service account", "enabled", "enable", "{on}"),
    "service.delete": Deed("Deleted a service account", "deleted", "delete", "{on}"),
    "service.token": Deed("Made a service token", "made", "make", "a token of {on}, {detail}"),
    "service.rotate": Deed("Rotated a service token", "rotated", "rotate", "the token {detail} of {on}"),
    "service.revoke": Deed("Revoked a service token", "revoked", "revoke", "the token {detail} of {on}"),
    "disk.applied": Deed("Applied rights on disk", "applied on disk", "apply on disk", "{on}: {detail}"),
    "disk.repaired": Deed("Repaired rights on disk", "repaired on disk", "repair on disk", "{on}: {detail}"),
    "support.begin": Deed(
        "Began to look as somebody", "began to look as", "look as", "{whom}, for support: {detail}"
    ),
    "support.look": Deed(
        "Looked as somebody", "looked as", "look as", "{whom} at pages of the group {detail}"
    ),
    "support.end": Deed(
        "Ended to look as somebody", "no longer looks as", "end to look as", "{whom}: {detail}"
    ),
    "site.add": Deed("Added to the site", "added", "add", "{on} to the site"),
    "site.change": Deed("Changed the site", "changed", "change", "{on}: {detail}"),
    "site.remove": Deed("Removed from the site", "removed", "remove", "{on} from the site"),
}
LIMITS = {
    "site.add": Deed("", "set", "set", "the {detail}, for {whom} in {on}"),
    "site.change": Deed("", "changed", "change", "the {detail}, for {whom} in {on}"),
    "site.remove": Deed("", "removed", "remove", "the {detail}, for {whom} in {on}"),
}
"""What is said of the site's limits, which are for somebody."""

THEMSELVES = {
    "group.accept": Deed("", "accepted", "accept", "the invitation to {on}"),
    "group.decline": Deed("", "declined", "decline", "the invitation to {on}"),
    "group.join": Deed("", "joined", "join", "{on}"),
    "group.leave": Deed("", "left", "leave", "{on}"),
    "revoke": Deed("", "gave back", "give back", "the right to {detail}: {on}"),
}
"""What is said otherwise of somebody who did it about themselves."""


def init_app(app: Flask) -> None:
    """Offer them to templates."""
    app.jinja_env.globals.update(deed=sentence, DEEDS=DEEDS)


def sentence(entry: Entry, here: Resource | None = None) -> Markup:
    """Who did what, or tried to, with links to groups and jobs; `here` is not named again."""
    about_self = entry.whom is not None and entry.whom == asking(entry.who)
    unknown = Deed("", entry.act, entry.act, "{on} {whom} {detail}")
    other = (LIMITS if entry.whom is not None else {}) | (THEMSELVES if about_self else {})
    deed = other.get(entry.act) or DEEDS.get(entry.act, unknown)
    verb = deed.did if entry.outcome is Outcome.DONE else f"tried to {deed.do}"
    parts = {
        "whom": _whom(entry.whom),
        "on": Markup("the {}").format(THINGS[entry.on.kind].lower()) if entry.on == here else _on(entry.on),
        "detail": Markup("<strong>{}</strong>").format(_detail(entry)),
    }
    return Markup("<strong>{}</strong> {} ").format(entry.who, verb) + escape(deed.rest).format(**parts)


def _detail(entry: Entry) -> str:
    """Actions with commas between; an end to the minute."""
    text = visible(entry.detail)
    if entry.act not in ("grant", "revoke"):
        return text
    actions, _, end = text.partition(" until ")
    listed = ", ".join(RIGHTS[Action(one)].removeprefix("may ") for one in actions.split())
    return f"{listed} until {end[:16].replace('T', ' ')} UTC" if end else listed


def _whom(subject: Subject | None) -> Markup:
    if subject is None:
        return Markup("")
    if subject.kind is SubjectKind.PORTAL_GROUP:
        return _on(Resource.model_construct(kind=ResourceKind.GROUP, name=subject.name))
    words = {
        SubjectKind.GROUP: "directory group ",
        SubjectKind.SERVICE: "service account ",
        SubjectKind.EVERYONE: "everyone",
    }
    return escape(words.get(subject.kind, "") + visible(subject.name))


def _on(thing: Resource) -> Markup:
    if thing.name == EVERYWHERE:
        return escape(f"all {THINGS[thing.kind].lower()}s")
    if thing == THE_SITE:
        return escape(str(thing))
    number = "#" if thing.kind is ResourceKind.JOB else ""
    at, name = address(thing), breakable(number + visible(thing.name))
    shown = Markup('<a href="{}">{}</a>').format(at, name) if at else name
    return Markup("{} {}").format(THINGS[thing.kind].lower(), shown)
