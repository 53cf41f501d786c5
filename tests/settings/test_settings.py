"""Reading the settings, and refusing bad ones with a sentence."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sciserver_hpc.domain.errors import Invalid
from sciserver_hpc.settings import Settings, check_secrets, load
from sciserver_hpc.settings_page import reference, show

GOOD_KEY = "0123456789abcdef" * 4

MINIMAL = """
[portal]
url = "https://portal.example.org"
secret_key_file = "{key}"
[directory]
url = "ldaps://ldap.example.org"
user_base = "ou=people,dc=example,dc=org"
group_base = "ou=groups,dc=example,dc=org"
"""


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SCISERVER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "portal.key"
    path.write_text(GOOD_KEY + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def file(tmp_path: Path, key: Path) -> Path:
    path = tmp_path / "sciserver.toml"
    path.write_text(MINIMAL.format(key=key))
    return path


def problem(file: Path) -> str:
    with pytest.raises(Invalid) as caught:
        load(file)
    return str(caught.value)


def test_a_short_file_is_enough(file: Path) -> None:
    settings = load(file)
    assert settings.portal.url == "https://portal.example.org"
    assert settings.clusters["default"].kind == "slurm"
    assert settings.claim_url() == settings.portal.url


def test_the_variable_names_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCISERVER_CONFIG", str(file))
    monkeypatch.setenv("SCISERVER_DEV_STATE", "/somewhere")
    assert load().portal.url == "https://portal.example.org"


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCISERVER_PORTAL__URL", "https://other.example.org")
    monkeypatch.setenv("SCISERVER_PORTAL__WORKERS", "7")
    monkeypatch.setenv("SCISERVER_CLUSTERS__DEFAULT__TIMEOUT_S", "3")
    settings = load(file)
    assert (settings.portal.url, settings.portal.workers) == ("https://other.example.org", 7)
    assert settings.portal.secret_key_file == file.parent / "portal.key"
    assert settings.clusters["default"].timeout_s == 3


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ("[portal2]\nx = 1", "portal2"),
        ("[jobs]\nclaim_ur = 'x'", "jobs.claim_ur"),
        ("[broker]\ntick_s = 0", "broker.tick_s"),
        ("[database]\nurl = 'mysql://x'", "database.url"),
        ("[database]\nurl = 'postgresql+psycopg://me:pw@db/x'", "holds a password"),
        ("[jobs]\nca_file = 'ca.pem'", "give the whole path, from /"),
        ("[images]\napptainer = ''", "cluster default is a Slurm cluster"),
        ("[clusters.a]\n[clusters.b]", "one portal serves one Slurm cluster"),
        ("[clusters]", "clusters"),
        ("[mail]\nhost = 'mail.example.org'", "host needs `sender`"),
        ("[mail]\nhost = 'mail.example.org'\nsender = 'a@x\\nBcc: b@y'", "host needs `sender`"),
        ("[mail]\nsender = 'a@example.org'", "sender is set, but no `host`"),
        ("[mail]\nhost = 'm'\nsender = 'a@x'\nusername = 'u'", "username and password_file go together"),
        ("[mail]\nhost = 'm'\nsender = 'a@x'\nsecurity = 'none'", "mail would travel in the clear"),
        ("[webhooks]\nallowed_networks = ['10.0.0.1/8']", "webhooks.allowed_networks"),
        ("[webhooks]\nallowed_networks = '10.0.0.0/8'", "webhooks.allowed_networks"),
        ("[clusters.'a b']", "clusters"),
        ("nonsense", "is not TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place(file: Path, added: str, words: str) -> None:
    file.write_text(f"{file.read_text()}\n{added}\n")
    assert words in problem(file)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ldaps://", "ldap://", "passwords would travel in the clear"),
        ('url = "ldaps://ldap.example.org"', "", "kind ldap needs `url`"),
        ("[directory]", '[directory]\nkind = "static"', "needs `users_file`"),
        ("[directory]", '[directory]\nbind_dn = "cn=x"', "needs `bind_password_file`"),
        ("https://portal", "ftp://portal", "portal.url"),
    ],
)
def test_a_contradiction_is_told(file: Path, old: str, new: str, words: str) -> None:
    file.write_text(file.read_text().replace(old, new))
    assert words in problem(file)


UNIX = """
[unix_groups]
branch = "ou=portal,dc=example,dc=org"
bind_dn = "cn=writer,dc=example,dc=org"
bind_password_file = "{secret}"
first_gid = 70000
last_gid = 79999
"""


@pytest.fixture
def with_unix_groups(file: Path, tmp_path: Path) -> Path:
    secret = tmp_path / "writer"
    secret.write_text("wr1ter-s3cret")
    secret.chmod(0o600)
    file.write_text(file.read_text() + UNIX.format(secret=secret))
    return file


def test_unix_groups_are_off_unless_all_of_it_is_set(file: Path, with_unix_groups: Path) -> None:
    settings = load(with_unix_groups)
    assert (settings.unix_groups.prefix, settings.unix_groups.all) == ("portal-", False)
    assert settings.secret("unix_groups.bind_password_file") == "wr1ter-s3cret"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("branch = ", "# ", "bind_dn is set, but no `branch`"),
        ("bind_dn = ", "# ", "branch needs `bind_dn`"),
        ("bind_password_file = ", "# ", "branch needs `bind_password_file`"),
        ("first_gid = 70000", "", "branch needs `first_gid`"),
        ("first_gid = 70000", "first_gid = 999", "bound no range"),
        ("last_gid = 79999", "last_gid = 69999", "bound no range"),
        ("last_gid = 79999", "last_gid = 4294967295", "bound no range"),
        ("first_gid = 70000", "first_gid = 65000", "stand for nobody"),
        ("last_gid = 79999", 'last_gid = 79999\nprefix = "-x"', "unix_groups.prefix"),
        ("last_gid = 79999", 'last_gid = 79999\nprefix = "adm"', "directory.admin_group begins with"),
        (
            "last_gid = 79999",
            'last_gid = 79999\n[sharing]\neveryone_group = "portal-all"',
            "sharing.everyone_group begins with",
        ),
        (
            "[unix_groups]",
            'bind_dn = "CN=Writer,dc=example,dc=org"\nbind_password_file = "/x"\n[unix_groups]',
            "an entry of its own",
        ),
    ],
)
def test_half_a_branch_is_told(with_unix_groups: Path, old: str, new: str, words: str) -> None:
    text = with_unix_groups.read_text()
    assert old in text
    head, _, tail = text.partition("[unix_groups]")
    if old == "[unix_groups]":
        with_unix_groups.write_text(f"{head}{new}{tail}")
    else:
        with_unix_groups.write_text(f"{head}[unix_groups]{tail.replace(old, new)}")
    assert words in problem(with_unix_groups)


def test_a_writers_secret_that_others_may_read_is_refused(with_unix_groups: Path, tmp_path: Path) -> None:
    (tmp_path / "writer").chmod(0o644)
    with pytest.raises(Invalid, match=r"unix_groups\.bind_password_file.*chmod 600"):
        check_secrets(load(with_unix_groups))


def test_starttls_is_no_clear_text(file: Path) -> None:
    file.write_text(file.read_text().replace("ldaps://", "ldap://") + "starttls = true\n")
    assert load(file).directory.starttls


def test_a_missing_file_is_told_with_the_way_out(tmp_path: Path) -> None:
    assert "SCISERVER_CONFIG" in problem(tmp_path / "none.toml")


def test_a_good_secret_is_read_without_its_line_end(file: Path) -> None:
    settings = load(file)
    check_secrets(settings)
    assert settings.secret("portal.secret_key_file") == GOOD_KEY
    assert settings.secret("database.password_file") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("changeme", "anybody can guess"),
        ("ChangeMe123!", "anybody can guess"),
        ("secret", "anybody can guess"),
        ("dev", "anybody can guess"),
        ("a" * 64, "anybody can guess"),
        ("x7" * 15, "is shorter than 32 bytes"),
    ],
)
def test_a_poor_key_is_refused(file: Path, key: Path, text: str, words: str) -> None:
    key.write_text(text)
    assert_refused(load(file), str(key), words, "openssl rand")


def test_a_missing_key_is_refused(file: Path, key: Path) -> None:
    key.unlink()
    assert_refused(load(file), str(key), "is missing", "openssl rand")


def test_a_key_that_is_no_text_is_refused(file: Path, key: Path) -> None:
    key.write_bytes(b"\xff\xfe" * 40)
    assert_refused(load(file), str(key), "is not text", "openssl rand")


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o606, 0o620, 0o602, 0o601])
def test_a_key_others_may_read_or_change_is_refused(file: Path, key: Path, mode: int) -> None:
    key.chmod(mode)
    assert_refused(load(file), str(key), "by others", f"chmod 600 {key}")


def test_a_key_its_own_group_may_read_is_fine(file: Path, key: Path) -> None:
    os.chown(key, -1, os.getegid())
    key.chmod(0o640)
    check_secrets(load(file))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(
    ("owner", "mode", "words"),
    [((65534, -1), 0o600, "belongs to another user"), ((-1, 65534), 0o640, "by another group")],
)
def test_a_key_of_somebody_else_is_refused(
    file: Path, key: Path, owner: tuple[int, int], mode: int, words: str
) -> None:
    os.chown(key, *owner)
    key.chmod(mode)
    assert_refused(load(file), str(key), words)


def test_every_bad_secret_is_told_at_once(file: Path, key: Path) -> None:
    key.write_text("dev")
    file.write_text(f"{file.read_text()}[database]\npassword_file = '{file.parent}/none'\n")
    with pytest.raises(Invalid) as caught:
        check_secrets(load(file))
    assert set(caught.value.problems) == {"portal.secret_key_file", "database.password_file"}


def test_what_is_shown_reads_back_and_holds_no_secret(file: Path, tmp_path: Path) -> None:
    settings = load(file)
    shown = show(settings)
    assert GOOD_KEY not in shown
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert load(again) == settings


def test_every_field_is_described_on_the_reference_page() -> None:
    page = reference()
    assert "| |" not in page
    assert "[clusters.<name>]" in page
    assert all(f"## [{name}" in page for name in Settings.model_fields)


def test_the_reference_page_is_the_one_kept() -> None:
    kept = Path(__file__).parents[2] / "docs/reference/settings.md"
    assert kept.read_text() == reference(), (
        "run: python -m sciserver_hpc.settings_page > docs/reference/settings.md"
    )


def assert_refused(settings: Any, *words: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_secrets(settings)
    for word in words:
        assert word in str(caught.value)


def test_defaults_are_toml(file: Path) -> None:
    assert tomllib.loads(show(load(file)))["images"]["apptainer"] == "/usr/bin/apptainer"


def test_mail_and_webhooks(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load(file).mail.host, load(file).webhooks.enabled) == ("", False)
    with file.open("a") as more:
        more.write(
            "[mail]\nhost = 'localhost'\nport = 25\nsecurity = 'none'\nsender = 'portal@example.org'\n"
        )
        more.write("[webhooks]\nenabled = true\nallowed_networks = ['10.1.0.0/16', 'fd00::/8']\n")
    monkeypatch.setenv("SCISERVER_WEBHOOKS__TIMEOUT_S", "3")
    settings = load(file)
    assert (settings.mail.port, settings.webhooks.timeout_s) == (25, 3)
    assert list(map(str, settings.webhooks.allowed_networks)) == ["10.1.0.0/16", "fd00::/8"]
    shown = tomllib.loads(show(settings))
    assert shown["webhooks"]["allowed_networks"] == ["10.1.0.0/16", "fd00::/8"]
