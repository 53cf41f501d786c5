"""The one check both directories make before they look anybody up."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from ..domain.names import Username

_USERNAME: TypeAdapter[str] = TypeAdapter(Username)

WRONG = "User name or password is wrong."
"""The same words whatever was wrong."""


def is_username(text: str) -> bool:
    """True when a person could have this name."""
    try:
        _USERNAME.validate_python(text)
    except ValidationError:
        return False
    return True


def unknown(username: str) -> str:
    """The sentence for a name nobody has."""
    return f"The directory knows no user {username!r}."
