"""Looking at the portal as somebody else, for support: reading only, for a while, with a reason. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, StringConstraints

from .administration import Power
from .errors import Refused
from .model import Model
from .names import Username, printable
from .people import Person
from .tokens import Scope, Token, TokenKind

Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(printable)
]

SCOPES = frozenset({Scope.JOBS_READ, Scope.GROUPS_READ, Scope.GRANTS_READ})
"""What a support session may ask of the API: what is in files is the person's."""


class SupportSession(Model):
    """`actor` looks as `username`.

    login: id of the actor's login token, with which it ends; digest: sha256 hex of its own secret; seen: the
    groups of pages that were looked at.
    """

    id: int
    actor: Username
    username: Username
    reason: Reason
    login: int
    digest: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    seen: frozenset[str] = frozenset()

    @property
    def token(self) -> Token:
        """What its requests come with."""
        return Token(
            id=self.id,
            username=self.username,
            kind=TokenKind.SUPPORT,
            name=f"support by {self.actor}",
            scopes=SCOPES,
            digest=self.digest,
            created_at=self.created_at,
            expires_at=self.expires_at,
        )


def refuse_look(actor: Person, mine: frozenset[Power], whom: Person, theirs: frozenset[Power]) -> None:
    """Raise Refused unless `actor` may look as `whom`: as nobody who administers anything here."""
    if Power.SUPPORT not in mine:
        raise Refused({f"look as {whom.username}": "it takes the power support; ask an administrator for it"})
    if whom.username == actor.username:
        raise Refused({f"look as {whom.username}": "that is you"})
    if theirs:
        words = "they administer this site themselves; nobody looks as an administrator"
        raise Refused({f"look as {whom.username}": words})
