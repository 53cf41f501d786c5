"""The authority: what it signs, and how it is kept."""

from __future__ import annotations

import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sciserver_hpc.secret_files import SecretProblem
from sciserver_hpc.session_ca import SessionCa, create

from .peers import UUID

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
NAMES = {"ca.key", "ca.pem", "proxy.key", "proxy.pem", "broker.key", "broker.pem"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "sessions"
    create(path, NOON)
    return path


def certificate(text: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text)


def common_name(found: x509.Certificate) -> object:
    return found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def purposes(found: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_its_files_are_its_owners_alone(directory: Path) -> None:
    assert {path.name for path in directory.iterdir()} == NAMES
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_it_is_made_once(directory: Path) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    create(directory, NOON + timedelta(days=1))
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_it_is_made_once_by_several_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sessions"
    with ThreadPoolExecutor(4) as several:
        list(several.map(lambda _: create(path, NOON), range(4)))
    SessionCa(path)
    assert {file.name for file in path.iterdir()} == NAMES


def test_one_half_made_is_made_anew(directory: Path) -> None:
    (directory / "ca.pem").unlink()
    with pytest.raises(SecretProblem, match="holds no certificate authority"):
        SessionCa(directory)
    create(directory, NOON)
    SessionCa(directory)


def test_a_sessions_certificate_is_a_servers_alone(directory: Path) -> None:
    issued = SessionCa(directory).issue(UUID, NOON)
    found = certificate(issued[issued.index("-----BEGIN CERT") :].encode())
    assert common_name(found) == f"{UUID}.gate"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName(f"{UUID}.gate")]
    assert purposes(found) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert found.not_valid_before_utc == NOON - timedelta(days=1)
    assert found.not_valid_after_utc == NOON + timedelta(days=400)
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert issued.startswith("-----BEGIN PRIVATE KEY-----")


def test_no_two_certificates_are_alike(directory: Path) -> None:
    ca = SessionCa(directory)
    assert ca.issue(UUID, NOON) != ca.issue(UUID, NOON)


@pytest.mark.parametrize("name", ["proxy", "broker"])
def test_clients_are_clients_alone(directory: Path, name: str) -> None:
    found = certificate((directory / f"{name}.pem").read_bytes())
    assert (common_name(found), purposes(found)) == (name, [ExtendedKeyUsageOID.CLIENT_AUTH])


def test_openssl_takes_them_for_what_they_are(tmp_path: Path) -> None:
    directory = tmp_path / "sessions"
    create(directory, datetime.now(UTC))
    (directory / "gate.pem").write_text(SessionCa(directory).issue(UUID, datetime.now(UTC)))
    for name, purpose, good in (
        ("gate", "sslserver", True),
        ("gate", "sslclient", False),
        ("proxy", "sslclient", True),
        ("proxy", "sslserver", False),
    ):
        argv = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", "-purpose", purpose, f"{name}.pem"]
        done = subprocess.run(argv, cwd=directory, capture_output=True, check=False)
        assert (done.returncode == 0) == good, done


@pytest.mark.parametrize("mode", [0o710, 0o750, 0o701, 0o777])
def test_a_directory_open_to_others_is_refused(directory: Path, mode: int) -> None:
    directory.chmod(mode)
    for act in (SessionCa, lambda path: create(path, NOON)):
        with pytest.raises(SecretProblem, match="chmod 700"):
            act(directory)


def test_a_key_open_to_others_is_refused(directory: Path) -> None:
    (directory / "ca.key").chmod(0o644)
    with pytest.raises(SecretProblem, match="chmod 600"):
        SessionCa(directory)


@pytest.mark.skipif(os.getuid() != 0, reason="giving away takes root")
def test_anothers_directory_is_refused(directory: Path) -> None:
    os.chown(directory, 60001, -1)
    with pytest.raises(SecretProblem, match="another user"):
        SessionCa(directory)


def test_a_link_is_no_directory(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory)
    with pytest.raises(SecretProblem, match="no directory"):
        SessionCa(tmp_path / "link")


def test_files_that_are_none_or_of_two_authorities_are_refused(directory: Path, tmp_path: Path) -> None:
    create(tmp_path / "other", NOON)
    (directory / "ca.key").write_bytes((tmp_path / "other/ca.key").read_bytes())
    with pytest.raises(SecretProblem, match="do not belong together"):
        SessionCa(directory)
    (directory / "ca.key").write_text("no key, but long enough")
    with pytest.raises(SecretProblem, match="no certificate authority"):
        SessionCa(directory)
