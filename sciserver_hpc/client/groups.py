"""Groups of people, over the portal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..domain import notation
from ..domain.access import Subject
from ..domain.errors import Invalid
from ..domain.groups import Accessibility, Membership, Role
from .models import GroupInfo, PersonInfo, UnixGroupInfo, read
from .transport import Transport

Who = Subject | str
"""Somebody; text is read as `bob`, `group:survey`, `directory:astro` or `svc:ci` (a service account)."""


class Groups:
    """Verbs about groups, their members and invitations. Any may raise NotFound, Refused, Conflict."""

    _http: Transport

    # the group itself ---------------------------------------------------------------------------------
    def groups(self) -> list[GroupInfo]:
        """Groups one is in, at any depth."""
        return [read(GroupInfo, row) for row in self._http.json("GET", "/groups")["groups"]]

    def public_groups(self) -> Iterator[GroupInfo]:
        """Groups anybody may join, by name."""
        return (read(GroupInfo, row) for row in self._pages("/groups/public", "groups"))

    def group(self, name: str) -> GroupInfo:
        """One group."""
        return read(GroupInfo, self._http.json("GET", _path(name))["group"])

    def make_group(self, name: str, description: str = "", *, public: bool = False) -> GroupInfo:
        """A new group, owned by the asker; the same once more is the one there is. Raises Invalid."""
        _path(name)
        body = {"name": name, "description": description, "accessibility": _accessibility(public)}
        return read(GroupInfo, self._http.json("POST", "/groups", safe=True, json=body)["group"])

    def describe_group(
        self, name: str, description: str | None = None, *, public: bool | None = None
    ) -> GroupInfo:
        """Other words, open or closed to all; None leaves it as it is."""
        access = None if public is None else _accessibility(public)
        body = {"description": description, "accessibility": access}
        asked = {field: value for field, value in body.items() if value is not None}
        return read(GroupInfo, self._http.json("PATCH", _path(name), safe=True, json=asked)["group"])

    def delete_group(self, name: str) -> None:
        """End a group, its memberships and the grants to it; its name is not given again."""
        self._http.json("DELETE", _path(name), safe=False)

    def unix_group(self, name: str) -> UnixGroupInfo:
        """Whether it is a Unix group, and how far that is; for its members."""
        return read(UnixGroupInfo, self._http.json("GET", f"{_path(name)}/unix"))

    def set_unix_group(self, name: str, *, on: bool) -> UnixGroupInfo:
        """Let it be one, or no more; for its owner."""
        return read(UnixGroupInfo, self._http.json("POST", f"{_path(name)}/unix", safe=True, json={"on": on}))

    # members and invitations --------------------------------------------------------------------------
    def members(self, name: str) -> Iterator[Membership]:
        """Who is in, for members."""
        return (read(Membership, row) for row in self._pages(f"{_path(name)}/members", "memberships"))

    def invitations(self, group: str | None = None) -> list[Membership]:
        """Open invitations to oneself and to groups one administers; or to `group`, for its admins."""
        path = "/invitations" if group is None else f"{_path(group)}/invitations"
        return [read(Membership, row) for row in self._http.json("GET", path)["memberships"]]

    def invite(self, group: str, member: Who, role: Role | str = Role.MEMBER) -> Membership:
        """Invite a person or a group of the portal; a group of the directory is in at once."""
        return self._change(group, "invite", member, role=Role(role).value)

    def withdraw(self, group: str, member: Who) -> Membership:
        """Take an invitation back."""
        return self._change(group, "withdraw", member, safe=True)

    def accept(self, group: str, in_place_of: str | None = None) -> Membership:
        """Accept an invitation to oneself, to a group one administers, or to a service account (`svc:ci`)."""
        return self._answer(group, "accept", in_place_of)

    def decline(self, group: str, in_place_of: str | None = None) -> Membership:
        """Decline one."""
        return self._answer(group, "decline", in_place_of)

    def join(self, group: str) -> Membership:
        """Join a public group."""
        return self._answer(group, "join", None)

    def leave(self, group: str, in_place_of: str | None = None) -> Membership:
        """Leave, or take a group or service account of one's own out of `group`."""
        return self._answer(group, "leave", in_place_of)

    def remove_member(self, group: str, member: Who) -> Membership:
        """Expel a person, who comes back by invitation only; or take a nested group out."""
        return self._change(group, "remove", member, safe=True)

    def set_role(self, group: str, member: Who, role: Role | str) -> Membership:
        """Promote to admin, or demote to member."""
        return self._change(group, "role", member, safe=True, role=Role(role).value)

    def transfer_group(self, group: str, member: Who) -> Membership:
        """Offer the group to a member: it is theirs once they `accept`; who owned it stays as an admin.

        The answer is the invitation; `decline` and `withdraw` end it.
        """
        return self._change(group, "transfer", member)

    def people(self, prefix: str) -> list[PersonInfo]:
        """A few people who logged in at the portal and whose name, or a part of it, starts with `prefix`."""
        answer = self._http.json("GET", "/people", params={"prefix": prefix})
        return [read(PersonInfo, row) for row in answer["people"]]

    # ----------------------------------------------------------------------------------------------------
    def _change(self, group: str, verb: str, member: Who, *, safe: bool = False, **more: str) -> Membership:
        body = {"member": subject(member, "member").model_dump(mode="json"), **more}
        answer = self._http.json("POST", f"{_path(group)}/{verb}", safe=safe, json=body)
        return read(Membership, answer["membership"])

    def _answer(self, group: str, verb: str, in_place_of: str | None) -> Membership:
        kind = "service" if in_place_of and in_place_of.startswith("svc:") else "group"
        query = {kind: in_place_of.removeprefix("svc:") if in_place_of else None}
        answer = self._http.json("POST", f"{_path(group)}/{verb}", safe=True, params=query)
        return read(Membership, answer["membership"])

    def _pages(self, path: str, field: str, turn: str = "after", **query: Any) -> Iterator[Any]:
        """The rows of every page. `turn`: the parameter that asks for the page after."""
        while True:
            page = self._http.json("GET", path, params=query)
            yield from page[field]
            if page.get("next") is None:
                return
            query[turn] = page["next"]


def subject(who: Who, field: str) -> Subject:
    """`who` as the portal names them. Raises Invalid."""
    try:
        return notation.subject(who) if isinstance(who, str) else who
    except ValueError as error:
        raise Invalid({field: f"{error}."}) from error


def _path(name: str) -> str:
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise Invalid({"group": f"{name[:80]!r} is no name of a group: letters, digits and ._- only."})
    return f"/groups/{name}"


def _accessibility(public: bool) -> str:
    return (Accessibility.PUBLIC if public else Accessibility.PRIVATE).value
