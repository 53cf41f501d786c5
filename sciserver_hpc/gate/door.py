"""Who may come in: TLS with a certificate of the portal's own CA, and a name that says what for."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time

TYPE_CHECKING = False  # importing typing would cost memory
if TYPE_CHECKING:
    from typing import Any

PROXY, BROKER = "proxy", "broker"
HANDSHAKE_S = 10.0
LINES_MAX = 1000
LINES_A_MINUTE = 20


def context(certificate: str, authority: str) -> ssl.SSLContext:
    """TLS 1.2 at the least, and no word with whom the CA has not signed as a client. Raises OSError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.load_cert_chain(certificate)
    made.load_verify_locations(authority)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def listener() -> socket.socket:
    """A port of the kernel's choice at all addresses, of IPv6 too where the node has it; bound, not
    listening yet.

    Without SO_REUSEADDR: with it, another process could take the same port in the meantime.
    """
    try:
        both = socket.socket(socket.AF_INET6)
        try:
            both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            both.bind(("::", 0))
        except OSError:
            both.close()
            raise
        return both
    except OSError:
        plain = socket.socket(socket.AF_INET)
        plain.bind(("", 0))
        return plain


def name_of(client: ssl.SSLSocket) -> str:
    """The common name in its certificate; "" without."""
    shown: dict[str, Any] = client.getpeercert() or {}
    names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    return str(names[0]) if len(names) == 1 else ""


class Refusals:
    """One line on standard error for each that was refused: so many a minute, and so many in all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = LINES_MAX
        self._minute = 0
        self._lines = 0
        self._unsaid = 0

    def tell(self, who: str, why: str) -> None:
        """Those left out are counted in the next line."""
        with self._lock:
            minute = int(time.monotonic() / 60)
            if minute != self._minute:
                self._minute, self._lines = minute, 0
            if self._lines >= LINES_A_MINUTE or not self._left:
                self._unsaid += 1
                return
            self._lines += 1
            self._left -= 1
            more = f" ({self._unsaid} more before)" if self._unsaid else ""
            self._unsaid = 0
            sys.stderr.write(f"gate: refused {who}: {why[:200]}{more}\n")
            sys.stderr.flush()


def reason(error: OSError) -> str:
    """Why a handshake failed, in OpenSSL's or the kernel's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate: {error.verify_message}"
    return str(getattr(error, "reason", None) or error.strerror or error)
