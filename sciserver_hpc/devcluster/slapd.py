"""slapd(8): the directory with the demo people, over LDAPS, made from a plain slapd.conf(5)."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from . import ca
from .accounts import GROUPS, PEOPLE, Person, base, members, owner
from .daemon import Daemon, listens
from .namespace import Command, Namespace
from .state import State, directory

BASE = "dc=example,dc=org"
USERS = f"ou=people,{BASE}"
GROUPS_BASE = f"ou=groups,{BASE}"
BRANCH = f"ou=portal,{GROUPS_BASE}"
"""Groups of the portal as Unix groups."""

WRITER = f"cn=portal,{BASE}"
"""As whom the portal writes there, and nowhere else."""

_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
moduleload back_mdb
pidfile {run}/slapd.pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix "{base}"
directory {data}
maxsize 67108864
index objectClass eq
index uid,memberUid,uidNumber,gidNumber,cn eq
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="{branch}" by dn.exact="{writer}" write by * read
access to * by * read
"""


def url(state: State) -> str:
    """The directory's address."""
    return f"ldaps://localhost:{state.port('ldaps', 1636)}"


def password(state: State, username: str) -> str:
    """A demo person's password, made at first use."""
    return state.secret(f"password.{username}", 9)


def writer_secret(state: State) -> Path:
    """The file with the writer's password, made at first use."""
    state.secret("directory.writer", 24)
    return state.secrets / "directory.writer"


def prepare(namespace: Namespace) -> None:
    """Write the configuration; fill the database when it is new."""
    state, openldap = namespace.state, owner(namespace.state, "openldap")
    certificate, key = ca.certificate(state, "slapd", openldap)
    directory(state.run / "slapd", 0o755, openldap)
    data = directory(state.root / "ldap", 0o700, openldap)
    conf = _CONF.format(
        run=state.run / "slapd",
        ca=ca.authority(state),
        certificate=certificate,
        key=key,
        base=BASE,
        data=data,
        branch=BRANCH,
        writer=WRITER,
    )
    State.write(_conf(state), conf)
    if not (data / "data.mdb").exists():
        add = ["slapadd", "-f", str(_conf(state)), "-q"]
        namespace.check(Command(add, user="openldap"), "slapd", text=ldif(state))


def daemon(namespace: Namespace) -> Daemon:
    """slapd; any -d keeps it in the foreground."""
    state, port = namespace.state, namespace.state.port("ldaps", 1636)
    argv = ["slapd", "-f", str(_conf(state)), "-h", f"ldaps://127.0.0.1:{port}/", "-d", "0"]
    return Daemon("slapd", Command(argv, user="openldap"), lambda: listens(port))


def ldif(state: State) -> str:
    """The whole directory (RFC 2849): the suffix, its units, the portal as a writer, people, groups."""
    first = base(state)
    home = state.shared / "home"
    entries = [
        _entry(BASE, objectClass=["dcObject", "organization"], dc="example", o="Demo"),
        _entry(USERS, objectClass="organizationalUnit", ou="people"),
        _entry(GROUPS_BASE, objectClass="organizationalUnit", ou="groups"),
        _entry(BRANCH, objectClass="organizationalUnit", ou="portal"),
        _writer(writer_secret(state).read_text()),
        *(_person(p, first, home, _hashed(password(state, p.username))) for p in PEOPLE),
        *(_group(p.username, first + p.number, []) for p in PEOPLE),
        *(_group(name, first + number, members(name)) for name, number in GROUPS.items()),
    ]
    return "\n".join(entries)


def _person(person: Person, first: int, home: Path, hashed: str) -> str:
    return _entry(
        f"uid={person.username},{USERS}",
        objectClass=["inetOrgPerson", "posixAccount"],
        uid=person.username,
        cn=person.full_name,
        sn=person.full_name.split()[-1],
        mail=f"{person.username}@example.org",
        uidNumber=str(first + person.number),
        gidNumber=str(first + person.number),
        homeDirectory=str(home / person.username),
        loginShell="/bin/bash",
        userPassword=hashed,
    )


def _writer(password: str) -> str:
    return _entry(WRITER, objectClass="person", cn="portal", sn="portal", userPassword=_hashed(password))


def _group(name: str, number: int, people: list[str]) -> str:
    return _entry(
        f"cn={name},{GROUPS_BASE}", objectClass="posixGroup", cn=name, gidNumber=str(number), memberUid=people
    )


def _entry(dn: str, **attributes: str | list[str]) -> str:
    lines = [f"dn: {dn}"]
    for key, value in attributes.items():
        lines += [f"{key}: {one}" for one in ([value] if isinstance(value, str) else value)]
    return "\n".join([*lines, ""])


def _hashed(secret: str) -> str:
    """`{SSHA}` as slapd has it built in: SHA-1 over password and salt (RFC 2307's scheme, salted)."""
    salt = os.urandom(8)
    digest = hashlib.sha1(secret.encode() + salt).digest()  # noqa: S324 - slapd's own format
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def _conf(state: State) -> Path:
    return state.etc / "slapd.conf"
