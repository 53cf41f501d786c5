"""The portal's error answers as the house's exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from ..domain.errors import (
    AgentError,
    BadCredentials,
    Conflict,
    Invalid,
    LockedOut,
    NotFound,
    Refused,
    SciServerError,
    Unavailable,
)

Details = dict[str, Any]
Maker = Callable[[str, Details], SciServerError]


def _plainly(kind: type[SciServerError]) -> Maker:
    return lambda message, _: kind(message)


def _unavailable(message: str) -> Unavailable:
    system, _, detail = message.partition(" does not answer: ")
    return Unavailable(system, detail) if detail else Unavailable("the portal", message)


_BY_CODE: dict[str, Maker] = {
    "invalid": lambda message, of: Invalid(of.get("problems") or {"request": message}),
    "refused": lambda message, of: Refused(of.get("items") or {"request": message}),
    "not_found": _plainly(NotFound),
    "conflict": _plainly(Conflict),
    "unauthorized": lambda *_: BadCredentials("You are not logged in, or your token is over."),
    "bad_credentials": _plainly(BadCredentials),
    "unavailable": lambda message, _: _unavailable(message),
    "agent": lambda message, _: AgentError("failed", message),
}
_BY_STATUS = {
    400: "invalid",
    401: "bad_credentials",
    403: "refused",
    404: "not_found",
    409: "conflict",
    413: "invalid",
    422: "invalid",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}


def error_of(response: requests.Response) -> SciServerError:
    """The exception an answer with status ≥ 300 stands for."""
    details = _details(response)
    if response.status_code == 429:
        return LockedOut(_wait(response))
    if details.get("code") not in _BY_CODE:
        details = details | {"code": _BY_STATUS.get(response.status_code, "")}
    return error_in(details, _plain(response))


def error_in(details: Details, otherwise: str = "The portal gives no reason.") -> SciServerError:
    """The exception that an answer's `error` stands for; `otherwise`: its message where it has none."""
    message = str(details.get("message") or otherwise)
    make = _BY_CODE.get(str(details.get("code")))
    return make(message, details) if make else SciServerError(message)


def _details(response: requests.Response) -> Details:
    try:
        details = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return details if isinstance(details, dict) else {}


def _plain(response: requests.Response) -> str:
    if response.is_redirect:
        return f"The portal points to {response.headers.get('Location', '?')}; log in there."
    return f"HTTP {response.status_code}, {response.reason}."


def _wait(response: requests.Response) -> int:
    text = response.headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdecimal() else 60
