"""Credentials: where they are looked for, and who may read them."""

from __future__ import annotations

import string
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.client import credentials
from sciserver_hpc.client.credentials import Credentials
from sciserver_hpc.client.transport import checked
from sciserver_hpc.domain.errors import BadCredentials, Invalid

PORTAL = Credentials("https://portal.example.org", "secret", "/etc/ca.pem", "alice")


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from(string.printable), min_size=1)
)
def test_what_is_saved_is_loaded(text: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "sciserver" / "credentials.toml"
        kept = Credentials("https://portal.example.org", text, f"/{text}", text)
        credentials.save(kept, file)
        assert credentials.load(file) == kept
        assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "credentials.toml"
    credentials.save(PORTAL, file)
    file.chmod(mode)
    with pytest.raises(Invalid, match="chmod 600"):
        credentials.load(file)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "credentials.toml"
    file.write_text("url = ")
    file.chmod(0o600)
    with pytest.raises(Invalid, match="sciserver login"):
        credentials.load(file)


def test_arguments_win_over_environment_and_file(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(BadCredentials):
        credentials.find(environ=environ)
    credentials.save(PORTAL, credentials.path(environ))
    assert credentials.find(environ=environ) == PORTAL
    environ["SCISERVER_TOKEN"] = "from-environment"
    assert credentials.find(environ=environ).token == "from-environment"
    assert credentials.find(token="argument", environ=environ).token == "argument"
    secret = tmp_path / "token"
    secret.write_text("from-file\n")
    secret.chmod(0o600)
    del environ["SCISERVER_TOKEN"]
    environ["SCISERVER_TOKEN_FILE"] = str(secret)
    assert credentials.find(environ=environ).token == "from-file"
    secret.unlink()
    with pytest.raises(Invalid, match="not there"):
        credentials.find(environ=environ)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://portal.example.org", "in the clear"),
        ("portal.example.org", "no address"),
        ("https://alice:pw@portal.example.org", "no user name"),
        ("file:///etc/passwd", "no address"),
    ],
)
def test_an_address_that_would_leak_is_refused(url: str, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        checked(url)


def test_loopback_needs_no_tls() -> None:
    assert checked("http://localhost:8000/") == "http://localhost:8000"
