"""LDAP's own dangers in writing groups, against a real slapd."""

from __future__ import annotations

import pytest

from sciserver_hpc.directory.ldap_groups import LdapGroups
from sciserver_hpc.directory.ldap_session import is_below
from sciserver_hpc.domain.errors import NotFound, Unavailable

from .slapd import BRANCH, GROUPS, PEOPLE, READER, WRITER, Slapd


def test_who_may_only_read_is_told_so(slapd: Slapd) -> None:
    for ask in (slapd.groups(bind=READER).ping, lambda: slapd.groups(bind=READER).ensure("p-x", 7001, [])):
        with pytest.raises(Unavailable, match="insufficientAccessRights"):
            ask()


def test_a_wrong_password_is_the_sites_fault(slapd: Slapd) -> None:
    with pytest.raises(Unavailable, match=r"unix_groups\.bind_dn"):
        slapd.groups(bind=(WRITER[0], "wrong")).ping()
    with pytest.raises(ValueError, match="anonymous"):
        slapd.groups(bind=(WRITER[0], ""))


def test_a_branch_that_is_not_there_is_told(slapd: Slapd) -> None:
    nowhere = LdapGroups(
        slapd.ldaps(), f"ou=nowhere,{GROUPS}", (PEOPLE,), bind_dn=WRITER[0], bind_password=WRITER[1]
    )
    with pytest.raises(Unavailable, match="noSuchObject"):
        nowhere.ping()
    with pytest.raises(Unavailable, match="noSuchObject"):
        nowhere.ensure("portal-x", 7001, [])


@pytest.mark.parametrize("branch", [GROUPS, GROUPS.upper(), "dc=example, dc=org", "", "no name"])
def test_a_branch_that_holds_others_is_refused(slapd: Slapd, branch: str) -> None:
    with pytest.raises(ValueError, match=r"branch of its own|distinguished name"):
        LdapGroups(slapd.ldaps(), branch, (PEOPLE, GROUPS), bind_dn="cn=w", bind_password="x")


@pytest.mark.parametrize("name", ["", "a,ou=x", "a=b", "*", "a b", "a\0", "ü", "-a"])
def test_no_other_name_becomes_part_of_an_address(slapd: Slapd, name: str) -> None:
    with pytest.raises(Unavailable):
        slapd.groups().ensure(name, 7001, ["alice"])
    assert [one.name for one in slapd.groups().groups() if one.ours] == []


def test_the_portals_own_groups_are_none_of_the_directorys(slapd: Slapd) -> None:
    """bob stands in groups beneath the branch, and in one elsewhere that has the portal's prefix."""
    directory = slapd.directory()
    assert directory.person("bob").groups == {"astro", "admins"}
    for name in ("smuggled", "portal-foreign", "portal-outside"):
        assert not directory.has_group(name)
        with pytest.raises(NotFound):
            directory.gid(name)


@pytest.mark.parametrize(
    ("dn", "below"),
    [
        (f"cn=x,{BRANCH}", True),
        (f"CN=x, OU=Portal , {GROUPS}", True),
        (BRANCH, False),
        (f"cn=x,{GROUPS}", False),
        (f"cn=ou\\=portal\\,ou\\=groups,{GROUPS}", False),
    ],
)
def test_what_stands_beneath(dn: str, below: bool) -> None:
    assert is_below(dn, BRANCH) is below
