"""The development certificate authority, made by openssl(1) at first start and kept in the state."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .errors import Failed
from .state import State

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_NAMES = "subjectAltName=DNS:localhost,DNS:*.sessions.localhost,IP:127.0.0.1"
_DAYS = "825"


def authority(state: State) -> Path:
    """The authority's certificate, readable by all; made when absent."""
    certificate, key = state.etc / "ca.pem", state.secrets / "ca.key"
    if not certificate.exists():
        _openssl("req", "-x509", *_CURVE, "-keyout", key, "-out", certificate, "-days", _DAYS,
                 "-subj", "/CN=SciServer HPC development CA",
                 "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
        certificate.chmod(0o644)
    return certificate


def certificate(state: State, service: str, owner: tuple[int, int]) -> tuple[Path, Path]:
    """Certificate and key of a service at localhost, signed by the authority; `owner` alone reads the key."""
    ca = authority(state)
    crt, key = state.etc / f"{service}.crt", state.secrets / f"{service}.key"
    if not crt.exists():
        request, extension = state.run / f"{service}.csr", state.run / f"{service}.ext"
        extension.write_text(_NAMES)
        _openssl("req", *_CURVE, "-keyout", key, "-out", request, "-subj", "/CN=localhost")
        _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", state.secrets / "ca.key",
                 "-CAserial", state.run / "ca.srl", "-CAcreateserial", "-extfile", extension,
                 "-days", _DAYS, "-out", crt)  # fmt: skip
        request.unlink()
        extension.unlink()
        crt.chmod(0o644)
    os.chown(key, *owner)
    return crt, key


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(
        ["openssl", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        umask=0o077,
    )
    if done.returncode:
        raise Failed("certificate authority", done.stderr.strip(), "./dev clean, then try again")
