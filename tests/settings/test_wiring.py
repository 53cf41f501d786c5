"""Everything fits together."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from sciserver_hpc import wiring
from sciserver_hpc.directory.ldap import LdapDirectory
from sciserver_hpc.directory.ldap_groups import LdapGroups
from sciserver_hpc.directory.static import StaticDirectory
from sciserver_hpc.domain.errors import Invalid, Unavailable
from sciserver_hpc.domain.notifications import Channel
from sciserver_hpc.mailing import SmtpMailer
from sciserver_hpc.scheduler.local import LocalScheduler
from sciserver_hpc.scheduler.slurm import SlurmCommands
from sciserver_hpc.settings import Settings


def settings(tmp_path: Path, **sections: dict[str, object]) -> Settings:
    key = tmp_path / "portal.key"
    key.write_text("0123456789abcdef" * 4)
    key.chmod(0o600)
    tables: dict[str, dict[str, object]] = {
        "portal": {"url": "https://portal", "secret_key_file": key, "runtime_dir": tmp_path / "run"},
        "database": {"url": f"sqlite:///{tmp_path}/sciserver.db"},
        "directory": {
            "url": "ldaps://127.0.0.1:1",
            "user_base": "ou=people,dc=example,dc=org",
            "group_base": "ou=groups,dc=example,dc=org",
        },
    }
    return Settings(**{**tables, **sections})  # type: ignore[arg-type]


def test_a_cluster_of_slurm_with_ldap(tmp_path: Path) -> None:
    services = wiring.build(settings(tmp_path))
    assert isinstance(services.directory, LdapDirectory)
    assert isinstance(services.schedulers["default"], SlurmCommands)
    services.close()


def test_single_user_mode(tmp_path: Path) -> None:
    services = wiring.build(
        settings(
            tmp_path,
            directory={"kind": "static", "users_file": tmp_path / "users.toml"},
            agents={"transport": "self"},
            clusters={"default": {"kind": "local"}},
            images={"apptainer": ""},
        )
    )
    assert isinstance(services.directory, StaticDirectory)
    assert isinstance(services.schedulers["default"], LocalScheduler)
    services.close()


def test_building_asks_nobody_so_that_each_part_can_be_checked(tmp_path: Path) -> None:
    services = wiring.build(settings(tmp_path))
    with pytest.raises(Unavailable):
        services.store.ping()
    with pytest.raises(Unavailable):
        services.directory.ping()
    services.close()


def test_a_bad_secret_stops_the_start(tmp_path: Path) -> None:
    bad = settings(tmp_path)
    bad.portal.secret_key_file.write_text("dev")
    with pytest.raises(Invalid, match="anybody can guess"):
        wiring.build(bad)


def test_a_runtime_directory_too_deep_for_a_socket_is_told(tmp_path: Path) -> None:
    deep = settings(tmp_path)
    portal = deep.portal.model_copy(update={"runtime_dir": tmp_path / ("x" * 120)})
    with pytest.raises(Invalid) as caught:
        wiring.build(deep.model_copy(update={"portal": portal}))
    assert set(caught.value.problems) == {"portal.runtime_dir"}


def test_the_longest_hand_over_follows_the_time_limit_of_slurms_commands(tmp_path: Path) -> None:
    assert wiring.rest_s(settings(tmp_path)) == 70
    slow = settings(tmp_path, clusters={"default": {"timeout_s": 100}, "here": {"kind": "local"}})
    assert wiring.rest_s(slow) == 310


def unix_groups(tmp_path: Path, branch: str) -> Settings:
    secret = tmp_path / "writer"
    secret.write_text("wr1ter-s3cret")
    secret.chmod(0o600)
    table = {
        "branch": branch,
        "bind_dn": "cn=writer,dc=example,dc=org",
        "bind_password_file": secret,
        "first_gid": 70000,
        "last_gid": 79999,
    }
    return settings(tmp_path, unix_groups=table)


def test_a_branch_of_its_own_is_written_and_any_other_refused(tmp_path: Path) -> None:
    services = wiring.build(unix_groups(tmp_path, "ou=portal,ou=groups,dc=example,dc=org"))
    assert isinstance(services.group_directory, LdapGroups)
    assert services.unix_groups.offered
    services.close()
    with pytest.raises(Invalid, match=r"unix_groups\.branch: .*a branch of its own"):
        wiring.build(unix_groups(tmp_path, "OU=Groups,dc=example,dc=org"))


def test_a_site_without_a_branch_offers_none(tmp_path: Path) -> None:
    services = wiring.build(settings(tmp_path))
    assert (services.group_directory, services.unix_groups.offered) == (None, False)
    services.close()


def test_a_site_offers_by_which_way_it_can_reach_people(tmp_path: Path) -> None:
    services = wiring.build(settings(tmp_path))
    assert (services.mailer, services.notifying._ways.offered) == (None, ())
    services.close()
    mail = {"host": "mail.example.org", "sender": "portal@example.org"}
    services = wiring.build(settings(tmp_path, mail=mail, webhooks={"enabled": True}))
    assert isinstance(services.mailer, SmtpMailer)
    assert services.notifying._ways.offered == (Channel.MAIL, Channel.WEBHOOK)
    services.close()


@pytest.mark.parametrize("sender", ["a,b@example.org", "a@example.org@x", "<a>@example.org"])
def test_a_sender_that_is_no_address_stops_the_start(tmp_path: Path, sender: str) -> None:
    with pytest.raises((Invalid, ValidationError), match="mail"):
        wiring.build(settings(tmp_path, mail={"host": "mail.example.org", "sender": sender}))
