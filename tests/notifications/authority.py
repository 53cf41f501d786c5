"""A certificate for `localhost` and `hooks.test`, which is its own authority."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

NAMES = "subjectAltName=DNS:localhost,DNS:hooks.test"


def certificate(folder: Path) -> tuple[Path, Path]:
    """The files of certificate and key, made in `folder`."""
    made, key = folder / "tls.pem", folder / "tls.key"
    kind = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -addext"
    command = ["openssl", "req", "-x509", *kind.split(), NAMES, "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return made, key


def context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the file its clients trust."""
    made, key = certificate(folder)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(made, key)
    return serving, made
