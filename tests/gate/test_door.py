"""Who may come in: strangers, wrong certificates, and crowds."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sciserver_hpc.gate.connections import STRANGERS_MAX
from sciserver_hpc.session_ca import create

from .app import App, everything
from .conftest import MakeGate
from .peers import Running, head, start_app, until


def attempt(gate: Running, context: ssl.SSLContext) -> bytes:
    """What one gets who shakes hands so; with TLS 1.3 a client learns only then that it was refused."""
    with suppress(OSError), context.wrap_socket(gate.plain()) as client:
        client.sendall(head())
        return client.recv(100)
    return b""


def careless(certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A client that trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


def refused(gate: Running, why: str) -> None:
    """It said so."""
    until(lambda: why in gate.log.read_text())
    assert gate.log.read_text().startswith("gate: refused ")
    assert "127.0.0.1 port " in gate.log.read_text()


def test_without_a_certificate_nobody_comes_in(gate: Running, app: App) -> None:
    assert attempt(gate, careless()) == b""
    refused(gate, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
    assert not app.requests


def test_a_client_of_another_authority_is_refused(gate: Running, app: App, tmp_path: Path) -> None:
    create(tmp_path / "other", datetime.now(UTC))
    assert attempt(gate, careless(tmp_path / "other/proxy.pem", tmp_path / "other/proxy.key")) == b""
    refused(gate, "its certificate: ")
    assert not app.requests


def test_a_gates_own_certificate_is_none_of_a_client(gate: Running, app: App) -> None:
    assert attempt(gate, careless(gate.place / "gate.pem")) == b""
    refused(gate, "unsuitable certificate purpose")
    assert not app.requests


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (["stranger"], "stranger"),
        (["Proxy"], "Proxy"),
        (["proxy\n"], "proxy\n"),
        (["proxy.gate"], "proxy.gate"),
        (["broker", "proxy"], ""),
        ([], ""),
    ],
)
def test_a_client_of_another_name_is_refused(
    gate: Running, app: App, authority: Path, tmp_path: Path, names: list[str], read: str
) -> None:
    path = client_of(authority, names, tmp_path / "x.pem")
    assert attempt(gate, careless(path)) == b""
    refused(gate, f"its certificate is {read!r}'s")
    assert not app.requests


def client_of(authority: Path, names: list[str], path: Path) -> Path:
    """A client's certificate with these common names, signed by the authority itself."""
    signer = load_pem_private_key((authority / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate((authority / "ca.pem").read_bytes()).subject
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer, public_key=key.public_key(), serial_number=1)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]))
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
        .sign(signer, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


def test_old_tls_is_refused(gate: Running, app: App, authority: Path) -> None:
    context = careless(authority / "proxy.pem", authority / "proxy.key")
    with pytest.warns(DeprecationWarning):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    assert attempt(gate, context) == b""
    refused(gate, "UNSUPPORTED_PROTOCOL")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_serve(
    gate: Running, app: App, authority: Path, version: ssl.TLSVersion
) -> None:
    context = careless(authority / "proxy.pem", authority / "proxy.key")
    context.minimum_version = context.maximum_version = version
    assert attempt(gate, context).startswith(b"HTTP/1.1 200 ")


def test_a_resumed_handshake_is_known_again(gate: Running, app: App, authority: Path) -> None:
    """Nginx resumes TLS sessions; the name has to be there then, too."""
    context = careless(authority / "proxy.pem", authority / "proxy.key")
    with context.wrap_socket(gate.plain()) as client:
        client.sendall(head())
        everything(client)
        known = client.session
    with context.wrap_socket(gate.plain(), session=known) as client:
        client.sendall(head())
        assert everything(client).startswith(b"HTTP/1.1 200 ")
        assert client.session_reused


def test_other_talk_than_tls_is_refused(gate: Running, app: App) -> None:
    with gate.plain() as client:
        client.sendall(head())
        everything(client)
    refused(gate, "HTTP_REQUEST")
    assert not app.requests


def test_a_slow_handshake_is_given_up(make_gate: MakeGate) -> None:
    gate = make_gate({"HANDSHAKE_S": "0.5"})
    app = start_app(gate)
    gate.start()
    gate.ready()
    with gate.plain() as client:
        client.sendall(b"\x16\x03\x01")
        assert everything(client) == b""
    refused(gate, "timed out")
    app.close()


def test_a_slow_head_is_given_up(make_gate: MakeGate) -> None:
    gate = make_gate({"HEAD_S": "0.5"})
    app = start_app(gate)
    gate.start()
    gate.ready()
    assert gate.send(head()[:-2]).startswith(b"HTTP/1.1 431 ")
    assert not app.requests
    app.close()


def test_a_crowd_of_strangers_keeps_nobody_out(gate: Running, app: App) -> None:
    with gate.open_websocket() as client, ExitStack() as crowd:
        strangers = [crowd.enter_context(gate.plain()) for _ in range(500)]
        assert gate.get().startswith(b"HTTP/1.1 200 ")
        client.sendall(b"still there")
        assert client.recv(100) == b"still there"
        for stranger in strangers[: 500 - STRANGERS_MAX]:  # the last of them may still wait for their turn
            assert everything(stranger) == b""
    assert len(gate.log.read_text().splitlines()) <= 20 * 2


def test_a_crowd_from_one_address_costs_no_other_its_handshake(
    gate: Running, app: App, authority: Path
) -> None:
    context = careless(authority / "proxy.pem", authority / "proxy.key")
    with (
        socket.create_connection(("127.0.0.1", gate.port), 20, ("127.0.0.2", 0)) as first,
        ExitStack() as crowd,
    ):
        for _ in range(3 * STRANGERS_MAX):
            crowd.enter_context(gate.plain())
        assert gate.get().startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(first) as client:
            client.sendall(head())
            assert everything(client).startswith(b"HTTP/1.1 200 ")


def test_a_full_gate_still_hears_the_broker(make_gate: MakeGate) -> None:
    gate = make_gate({"KNOWN_MAX": "2"})
    app = start_app(gate)
    gate.start()
    gate.ready()
    with gate.open_websocket(pass_id=1), gate.open_websocket(pass_id=1):
        with gate.connect() as third:
            assert everything(third) == b""
        refused(gate, "too many connections")
        assert gate.ask({"do": "status"})["passes"] == {"1": 2}
    app.close()


def test_it_listens_on_ipv6_too(gate: Running, app: App, authority: Path) -> None:
    try:
        plain = socket.create_connection(("::1", gate.port), 20)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with careless(authority / "proxy.pem", authority / "proxy.key").wrap_socket(plain) as client:
        client.sendall(head())
        assert everything(client).startswith(b"HTTP/1.1 200 ")
