"""LDAP's own dangers, against a real slapd."""

from __future__ import annotations

import gc
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.directory.ldap import LdapDirectory
from sciserver_hpc.directory.ldap_session import Server
from sciserver_hpc.domain.errors import BadCredentials, NotFound, Unavailable

from .slapd import GROUPS, PEOPLE, READER, Slapd, make_authority


@pytest.mark.parametrize("username", ["twin", "odd", "carol"])
def test_entries_that_are_no_one_account_are_nobody(slapd: Slapd, username: str) -> None:
    with pytest.raises(BadCredentials):
        slapd.directory().authenticate(username, f"{username}-secret")
    with pytest.raises(NotFound):
        slapd.directory().person(username)


def test_an_account_without_a_password_cannot_log_in(slapd: Slapd) -> None:
    assert slapd.directory().person("locked").uid == 2007
    with pytest.raises(BadCredentials):
        slapd.directory().authenticate("locked", "anything")


def test_the_readers_eyes_are_used_for_searching(slapd: Slapd) -> None:
    with pytest.raises(BadCredentials):
        slapd.directory().authenticate("hidden", "hidden-secret")
    assert slapd.directory(bind=READER).authenticate("hidden", "hidden-secret").uid == 2008


def test_a_refused_reader_is_the_sites_fault_not_the_users(slapd: Slapd) -> None:
    directory = slapd.directory(bind=(READER[0], "wrong"))
    with pytest.raises(Unavailable, match="bind_dn"):
        directory.authenticate("alice", "alice-secret")
    with pytest.raises(Unavailable, match="bind_dn"):
        directory.ping()


def test_a_reader_without_a_password_is_refused_at_once(slapd: Slapd) -> None:
    with pytest.raises(ValueError, match="anonymous"):
        slapd.directory(bind=(READER[0], ""))


def test_a_wrong_base_is_told_by_ping(slapd: Slapd) -> None:
    with pytest.raises(Unavailable, match="ou=nowhere"):
        LdapDirectory(slapd.ldaps(), "ou=nowhere,dc=example,dc=org", GROUPS).ping()


def test_the_admin_group_is_a_choice(slapd: Slapd) -> None:
    directory = LdapDirectory(slapd.ldaps(), PEOPLE, GROUPS, admin_group="astro")
    assert directory.person("alice").admin


def test_a_unix_group_has_its_number(slapd: Slapd) -> None:
    assert slapd.directory().gid("astro") == 3001


@pytest.mark.parametrize("name", ["nobody", "huge", "double"])
def test_a_number_that_is_none_is_told_as_absent(slapd: Slapd, name: str) -> None:
    with pytest.raises(NotFound, match="tells no gid"):
        slapd.directory().gid(name)


@pytest.mark.parametrize("kind", ["ldaps", "starttls"])
def test_another_ca_is_refused(slapd: Slapd, tmp_path: Path, kind: str) -> None:
    make_authority(tmp_path, "other")
    server = getattr(slapd, kind)(ca_file=str(tmp_path / "other.pem"))
    with pytest.raises(Unavailable, match="certificate verify failed"):
        slapd.directory(server).authenticate("alice", "alice-secret")


@pytest.mark.parametrize(
    ("kind", "scheme", "port"), [("ldaps", "ldaps", "tls"), ("starttls", "ldap", "plain")]
)
def test_a_certificate_for_another_name_is_refused(slapd: Slapd, kind: str, scheme: str, port: str) -> None:
    # 127.0.0.2 reaches the same server, but its certificate is for 127.0.0.1.
    with _Forward(getattr(slapd, f"{port}_port")) as elsewhere:
        server = getattr(slapd, kind)(url=f"{scheme}://127.0.0.2:{elsewhere.port}")
        with pytest.raises(Unavailable, match=r"certificate is not valid for '127\.0\.0\.2'"):
            slapd.directory(server).ping()


def test_a_name_with_several_addresses_is_reached_where_one_answers(
    slapd: Slapd, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def both(_host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        return real("::1", port, *more, **named) + real("127.0.0.1", port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", both)
    server = slapd.ldaps(url=f"ldaps://localhost:{slapd.tls_port}/")
    assert slapd.directory(server).authenticate("alice", "alice-secret").uid == 2001
    gc.collect()


def test_a_missing_ca_file_is_told(slapd: Slapd, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"absent\.pem"):
        slapd.directory(slapd.ldaps(ca_file=str(tmp_path / "absent.pem"))).ping()


@pytest.mark.parametrize(
    ("url", "allowed"),
    [("ldap://ldap.example.org", True), ("ldap://127.0.0.1", False), ("ldap://10.0.0.1:389", True)],
)
def test_plain_text_is_refused(url: str, allowed: bool) -> None:
    with pytest.raises(ValueError, match="in the clear"):
        Server(url, plain_on_loopback=allowed)


@pytest.mark.parametrize("url", ["", "https://x", "ldapi://%2Frun", "ldaps://", "example.org"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a directory"):
        Server(url)


def test_plain_text_to_this_machine_when_a_test_asks_for_it(slapd: Slapd) -> None:
    server = Server(f"ldap://127.0.0.1:{slapd.plain_port}", plain_on_loopback=True)
    assert slapd.directory(server).authenticate("alice", "alice-secret").uid == 2001


@pytest.mark.parametrize("kind", ["ldaps", "starttls"])
def test_a_server_that_stands_still_is_unavailable_in_time(slapd: Slapd, kind: str) -> None:
    directory = slapd.directory(getattr(slapd, kind)(timeout_s=0.5))
    slapd.process.send_signal(signal.SIGSTOP)
    raised: list[Exception] = []

    def ask() -> None:
        try:
            directory.authenticate("alice", "alice-secret")
        except Unavailable as error:
            raised.append(error)

    try:
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
    finally:
        slapd.process.send_signal(signal.SIGCONT)
    assert len(raised) == 1
    assert directory.person("alice").uid == 2001


@pytest.mark.parametrize(
    "answer",
    [
        b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04",
        b"\x30\x05\x02\x01\x01\x61\x00",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x05\x05\x05\x05\x05\x05",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_ldap_is_unavailable(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        thread = threading.Thread(target=babble)
        thread.start()
        server = Server(f"ldap://127.0.0.1:{listener.getsockname()[1]}", timeout_s=1, plain_on_loopback=True)
        with pytest.raises(Unavailable):
            LdapDirectory(server, PEOPLE, GROUPS).ping()
        thread.join(60)


class _Forward:
    """One connection to 127.0.0.2, passed on to `port` of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.2", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> _Forward:
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._thread.join(60)
        self._listener.close()

    def _serve(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._target))
        back = threading.Thread(target=_copy, args=(far, near))
        back.start()
        _copy(near, far)
        back.join(60)
        near.close()
        far.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
