"""One connection to an LDAP server: TLS with verification, time-outs, no referrals, plain answers.

ldap3's own errors end here.
"""

from __future__ import annotations

import math
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ..domain.errors import Unavailable

with warnings.catch_warnings():
    # ldap3 2.9.1, the last release, asks pyasn1 for names that have new ones.
    warnings.filterwarnings("ignore", r"\w+ is deprecated\. Please use", DeprecationWarning)
    import ldap3
    from ldap3.core.exceptions import LDAPException
    from ldap3.core.results import (
        RESULT_CONSTRAINT_VIOLATION,
        RESULT_INAPPROPRIATE_AUTHENTICATION,
        RESULT_INSUFFICIENT_ACCESS_RIGHTS,
        RESULT_INVALID_CREDENTIALS,
        RESULT_NO_SUCH_OBJECT,
        RESULT_SIZE_LIMIT_EXCEEDED,
        RESULT_SUCCESS,
        RESULT_UNWILLING_TO_PERFORM,
    )
    from ldap3.utils.conv import escape_filter_chars
    from ldap3.utils.dn import parse_dn

_REFUSALS = {
    RESULT_CONSTRAINT_VIOLATION,  # locked by a password policy
    RESULT_INAPPROPRIATE_AUTHENTICATION,  # the entry has no password
    RESULT_INSUFFICIENT_ACCESS_RIGHTS,
    RESULT_INVALID_CREDENTIALS,
    RESULT_NO_SUCH_OBJECT,
    RESULT_UNWILLING_TO_PERFORM,  # account disabled
}
"""Answers to a bind that mean no; any other than success means that the server could not say."""

SYSTEM = "ldap"
ADD, DELETE = ldap3.MODIFY_ADD, ldap3.MODIFY_DELETE


@dataclass(frozen=True)
class Entry:
    """An entry of the directory: its name, and the values of the attributes asked for."""

    dn: str
    attributes: dict[str, list[str]]

    def first(self, attribute: str, default: str = "") -> str:
        """The first value of `attribute`, or `default`."""
        return next(iter(self.attributes.get(attribute, ())), default)


class VerifiedTls(ldap3.Tls):
    """TLS by a standard library context, which checks chain and host name itself.

    ldap3's own way does not check by default, and checks names by a function Python 3.12 took away.
    """

    def __init__(self, ca_file: str | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = ssl.create_default_context(cafile=ca_file)

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Called by ldap3, for LDAPS and StartTLS alike."""
        # Each request is one small packet: do not hold it back for the answer to the one before.
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket = self._context.wrap_socket(
            connection.socket, do_handshake_on_connect=do_handshake, server_hostname=connection.server.host
        )


@dataclass(frozen=True)
class Server:
    """Where the directory is, and how to trust it.

    Raises ValueError when passwords would travel in the clear; `plain_on_loopback` allows that to an address
    of this very machine.
    """

    url: str
    starttls: bool = False
    ca_file: str | None = None
    timeout_s: float = 5.0
    plain_on_loopback: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"ldap", "ldaps"} or not parts.hostname:
            raise ValueError(f"{self.url!r} is no address of a directory; write ldaps://host[:port]")
        plain = parts.scheme == "ldap" and not self.starttls
        if plain and not (self.plain_on_loopback and _is_loopback(parts.hostname)):
            raise ValueError("passwords would travel in the clear; use an ldaps:// url, or StartTLS")

    @cached_property
    def _tls(self) -> VerifiedTls:
        try:
            return VerifiedTls(self.ca_file)
        except OSError as error:
            raise Unavailable(SYSTEM, f"CA file {self.ca_file} cannot be used: {error}") from error

    @contextmanager
    def session(self, dn: str = "", password: str = "", *, writes: bool = False) -> Iterator[Session | None]:
        """Connected and bound as `dn` (empty: anonymously); None when the server refuses these credentials.

        Raises Unavailable.
        """
        connection = self._connection(dn, password, read_only=not writes)
        try:
            yield Session(connection, self) if self._bind(connection) else None
        except (LDAPException, OSError) as error:
            # ldap3 wraps what happened two or three times; here are its plain words.
            raise Unavailable(SYSTEM, connection.last_error or str(error)) from error
        except (LookupError, TypeError, ValueError) as error:
            # Its decoder takes a malformed answer for a whole one.
            raise Unavailable(SYSTEM, "its answer cannot be read") from error
        finally:
            _close(connection)

    def _connection(self, dn: str, password: str, *, read_only: bool) -> ldap3.Connection:
        parts = urlsplit(self.url)
        seconds = math.ceil(self.timeout_s)
        secret: Any = password.encode("utf-8") or None  # ldap3 alters text (SASLprep), but not bytes
        server = ldap3.Server(
            parts.hostname or "",
            port=parts.port,
            use_ssl=parts.scheme == "ldaps",
            tls=self._tls if parts.scheme == "ldaps" or self.starttls else None,
            get_info=ldap3.NONE,
            mode=ldap3.IP_V4_PREFERRED,  # servers often listen on 127.0.0.1 alone, and localhost is ::1 first
            allowed_referral_hosts=[],
            connect_timeout=seconds,
        )
        return ldap3.Connection(
            server,
            user=dn or None,
            password=secret,
            authentication=ldap3.SIMPLE if dn else ldap3.ANONYMOUS,
            auto_referrals=False,
            check_names=False,
            read_only=read_only,
            receive_timeout=seconds,
        )

    def _bind(self, connection: ldap3.Connection) -> bool:
        connection.open(read_server_info=False)
        if self.starttls and urlsplit(self.url).scheme == "ldap":
            connection.start_tls(read_server_info=False)
        connection.bind(read_server_info=False)
        result = connection.result["result"]
        if result != RESULT_SUCCESS and result not in _REFUSALS:
            raise Unavailable(SYSTEM, f"it answers {connection.result['description']}")
        return bool(result == RESULT_SUCCESS)


class Session:
    """A bound connection."""

    def __init__(self, connection: Any, server: Server) -> None:
        self._connection = connection
        self._seconds = math.ceil(server.timeout_s)

    def search(self, base: str, query: str, attributes: tuple[str, ...], limit: int = 0) -> list[Entry]:
        """Entries below `base` that match the filter `query`; values that are no UTF-8 are left out.

        Raises Unavailable when the server does not say all it knows (but for `limit`).
        """
        self._connection.search(
            base, query, attributes=list(attributes), size_limit=limit, time_limit=self._seconds
        )
        result = self._connection.result
        if result["result"] not in {RESULT_SUCCESS, RESULT_SIZE_LIMIT_EXCEEDED if limit else RESULT_SUCCESS}:
            raise Unavailable(SYSTEM, f"searching {base}: it answers {result['description']}")
        found = self._connection.response or []
        return [_entry(item) for item in found if item["type"] == "searchResEntry"]

    def add(self, dn: str, attributes: dict[str, list[str]]) -> None:
        """A new entry. Raises Unavailable, here and below also when the server will not."""
        self._connection.add(dn, attributes=attributes)
        self._must(f"adding {dn}")

    def change(self, dn: str, how: str, attribute: str, values: list[str]) -> None:
        """ADD some values of an attribute, or DELETE them."""
        self._connection.modify(dn, {attribute: [(how, values)]})
        self._must(f"changing {dn}")

    def delete(self, dn: str) -> None:
        """The entry goes."""
        self._connection.delete(dn)
        self._must(f"removing {dn}")

    def _must(self, what: str) -> None:
        result = self._connection.result
        if result["result"] != RESULT_SUCCESS:
            raise Unavailable(SYSTEM, f"{what}: it answers {result['description']}")


def _close(connection: ldap3.Connection) -> None:
    """Also the socket ldap3 forgets when it could not connect."""
    left = connection.socket
    connection.strategy.close()
    if left is not None:
        left.close()


def _entry(item: dict[str, Any]) -> Entry:
    attributes = {name: list(_texts(values)) for name, values in item["raw_attributes"].items()}
    return Entry(item["dn"], attributes)


def _texts(values: list[bytes]) -> Iterator[str]:
    for value in values:
        try:
            yield value.decode("utf-8")
        except UnicodeDecodeError:
            continue


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def escaped(value: str) -> str:
    """`value` for use in a filter (RFC 4515)."""
    return str(escape_filter_chars(value))


def parts(dn: str) -> tuple[tuple[str, str], ...]:
    """A distinguished name (RFC 4514) for comparison. Raises ValueError for what is none."""
    try:
        found = parse_dn(dn, escape=False, strip=True)
    except LDAPException as error:
        raise ValueError(f"{dn!r} is no distinguished name: {error}") from error
    if not found:
        raise ValueError("a distinguished name is empty")
    return tuple((attribute.casefold(), value.casefold()) for attribute, value, _ in found)


def is_below(dn: str, base: str) -> bool:
    """Does the entry stand beneath `base`? Raises ValueError."""
    mine, above = parts(dn), parts(base)
    return len(mine) > len(above) and mine[-len(above) :] == above
