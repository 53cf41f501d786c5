"""What SQLAlchemy raises, in the house's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from ..domain.errors import Conflict, Invalid, SciServerError, Unavailable

_UPGRADE = "its tables are missing or of another version; an administrator runs `sciserver-hpc db upgrade`"


@contextmanager
def translated() -> Iterator[None]:
    """Let nothing of SQLAlchemy or a driver out of this block."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise _ours(error) from error
    except (OverflowError, UnicodeError) as error:
        raise Invalid({"request": "a number or text in it is one the database cannot hold."}) from error
    except OSError as error:
        raise Unavailable("database", f"its file cannot be opened: {error.strerror}") from error


def _ours(error: exc.SQLAlchemyError) -> SciServerError:
    if isinstance(error, exc.IntegrityError):
        return Conflict("The database holds another entry with this name already; load it again and retry.")
    if isinstance(error, exc.DataError):
        return Invalid({"request": "a number or text in it is one the database cannot hold."})
    if isinstance(error, exc.ProgrammingError) or "no such table" in str(error):
        return Unavailable("database", _UPGRADE)
    # The first line only: the rest is SQL and parameters, and those are nobody's business.
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    return Unavailable("database", cause[0] if cause else type(error).__name__)
