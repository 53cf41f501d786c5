"""Every error the house raises on purpose.

SciServerError ├── Invalid            the request is not well formed: one message per field ├── Refused
well formed, but not allowed: every failing item with its reason ├── NotFound           no such thing, or the
asker may not know of it ├── Conflict           the thing changed, or an idempotency key was used for another
request ├── BadCredentials     user name or password wrong (never says which) ├── LockedOut          too many
wrong passwords; carries seconds to wait ├── Unavailable        an outside system did not answer; transient,
try again └── AgentError         the user's agent answered with an error; carries its code

Messages are sentences for the person who asked, and say what to do next.
"""

from __future__ import annotations


class SciServerError(Exception):
    """Base of all errors raised on purpose; `str(error)` is fit to show to the asker."""

    code = "error"


class Invalid(SciServerError):
    """Not well formed.

    `problems` maps a field's dotted path to a sentence.
    """

    code = "invalid"

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{field}: {text}" for field, text in problems.items()))


class Refused(SciServerError):
    """Not allowed.

    `items` maps each failing item (`image python`, `volume Storage/bob/x:rw`) to its reason.
    """

    code = "refused"

    def __init__(self, items: dict[str, str]) -> None:
        self.items = dict(items)
        super().__init__("; ".join(f"{item}: {reason}" for item, reason in items.items()))


class NotFound(SciServerError):
    """No such thing, or the asker may not know of it: both look the same from outside."""

    code = "not_found"


class Conflict(SciServerError):
    """The thing is not, or no longer, in the state the request was made for."""

    code = "conflict"


class BadCredentials(SciServerError):
    """User name or password is wrong.

    Never says which.
    """

    code = "bad_credentials"


class LockedOut(SciServerError):
    """Too many wrong passwords.

    `wait_s`: seconds until the next try is looked at.
    """

    code = "locked_out"

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        super().__init__(f"Too many failed logins. Try again in {max(1, round(wait_s / 60))} min.")


class Unavailable(SciServerError):
    """An outside system (`system`: slurm, ldap, database, agent) did not answer.

    Trying again is right.
    """

    code = "unavailable"

    def __init__(self, system: str, detail: str) -> None:
        self.system = system
        self.detail = detail
        super().__init__(f"{system} does not answer: {detail}")


class AgentError(SciServerError):
    """The user's agent answered with an error.

    `reason`: not_found, denied, no_space, too_large, invalid, unsupported, failed.
    """

    code = "agent"

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)
