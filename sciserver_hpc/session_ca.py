"""The certificate authority of sessions: who is a gate, who is nginx, who is the broker.

Its directory holds, 0600 each, `ca.key` and `ca.pem`, and key and certificate of the two clients:
`proxy.key`, `proxy.pem`, `broker.key`, `broker.pem`. Certificates are X.509 of P-256 keys;
docs/decisions/0014-sessions.md says what their names mean.
"""

from __future__ import annotations

import fcntl
import os
import stat
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .domain.gates import BROKER, PROXY, gate_name
from .secret_files import SecretProblem, read_secret

SLACK = timedelta(days=1)
"""Certificates are good from so long before they were made: a node's clock may be behind."""

SESSION_LIFE = timedelta(days=400)
AUTHORITY_LIFE = timedelta(days=3650)
"""Also of the two clients' certificates; a new authority ends every session."""

_CERTIFICATE, _KEY = "{}.pem", "{}.key"
_AUTHORITY = "ca"


def create(directory: Path, now: datetime) -> None:
    """Make the authority and its two clients where `directory` holds none yet.

    Raises SecretProblem when others may use the directory, OSError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _demand_private(directory)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not (directory / _CERTIFICATE.format(_AUTHORITY)).exists():
            _make(directory, now)
    finally:
        os.close(handle)


class SessionCa:
    """The authority in `directory`. Raises SecretProblem where it is missing, or badly kept."""

    def __init__(self, directory: Path) -> None:
        _demand_private(directory)
        if not (directory / _CERTIFICATE.format(_AUTHORITY)).exists():
            raise SecretProblem(f"{directory} holds no certificate authority; it has to be made once")
        self._pem = read_secret(directory / _CERTIFICATE.format(_AUTHORITY)) + "\n"
        secret = read_secret(directory / _KEY.format(_AUTHORITY))
        try:
            self._certificate = x509.load_pem_x509_certificate(self._pem.encode())
            key = serialization.load_pem_private_key(secret.encode(), password=None)
        except (ValueError, TypeError):
            raise SecretProblem(f"the files of {directory} are no certificate authority") from None
        known = self._certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != known:
            raise SecretProblem(f"key and certificate in {directory} do not belong together")
        self._key = key

    def ca_pem(self) -> str:
        """The authority's certificate."""
        return self._pem

    def issue(self, uuid: str, now: datetime) -> str:
        """A new key with its certificate, PEM, for the gate of this session: good as a server alone."""
        name = gate_name(uuid)
        key = _new_key()
        builder = _signed_by(self._certificate, name, key, now, SESSION_LIFE, ExtendedKeyUsageOID.SERVER_AUTH)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return _pem_of_key(key) + _pem(builder.sign(self._key, hashes.SHA256()))


def _demand_private(directory: Path) -> None:
    """Who may write to it could become anybody; who may only read it has no business there either."""
    try:
        status = directory.lstat()
    except OSError as error:
        raise SecretProblem(f"{directory} cannot be entered ({error.strerror})") from None
    if not stat.S_ISDIR(status.st_mode):
        raise SecretProblem(f"{directory} is no directory")
    if status.st_uid != os.geteuid():
        owner = f"belongs to another user (uid {status.st_uid})"
        raise SecretProblem(f"{directory} {owner}; run this as the service's user, who owns it")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise SecretProblem(f"{directory} is open to others; run `chmod 700 {directory}`")


def _make(directory: Path, now: datetime) -> None:
    """The authority's certificate last: its file says that all are there."""
    key = _new_key()
    authority = _self_signed(key, now)
    for client in (PROXY, BROKER):
        own = _new_key()
        builder = _signed_by(authority, client, own, now, AUTHORITY_LIFE, ExtendedKeyUsageOID.CLIENT_AUTH)
        _write(directory, _KEY.format(client), _pem_of_key(own))
        _write(directory, _CERTIFICATE.format(client), _pem(builder.sign(key, hashes.SHA256())))
    _write(directory, _KEY.format(_AUTHORITY), _pem_of_key(key))
    _write(directory, _CERTIFICATE.format(_AUTHORITY), _pem(authority))


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("SciServer HPC sessions")
    builder = _builder(name, name, key, now, AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def _signed_by(
    authority: x509.Certificate,
    name: str,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    life: timedelta,
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    """What `authority` is to sign."""
    builder = _builder(_name(name), authority.subject, key, now, life)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    known = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return builder.add_extension(known, critical=False)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SLACK)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _write(directory: Path, name: str, text: str) -> None:
    """Whole or not at all, 0600."""
    fresh = directory / f".{name}.new"
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    fresh.replace(directory / name)
