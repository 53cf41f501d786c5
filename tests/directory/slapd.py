"""A throw-away slapd(8) with people to log in, over LDAPS and StartTLS, by a throw-away CA."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

from sciserver_hpc.directory.ldap import LdapDirectory
from sciserver_hpc.directory.ldap_groups import LdapGroups
from sciserver_hpc.directory.ldap_session import Server

BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"
READER = (f"cn=reader,{BASE}", "reader-secret")
WRITER = (f"cn=writer,{BASE}", "writer-secret")
BRANCH = f"ou=portal,{GROUPS}"

_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
suffix "{base}"
directory {folder}/data
maxsize 16777216
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=hidden,ou=people,{base}" by dn.exact="{reader}" read by anonymous auth by * none
access to dn.subtree="{branch}" by dn.exact="{writer}" write by * read
access to * by * read
"""

_TREE = """\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=reader,dc=example,dc=org
objectClass: person
cn: reader
sn: reader
userPassword: reader-secret

dn: cn=writer,dc=example,dc=org
objectClass: person
cn: writer
sn: writer
userPassword: writer-secret

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=hidden,ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: hidden

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: cn=astro,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: astro
gidNumber: 3001
memberUid: alice
memberUid: bob

dn: cn=nobody,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: nobody
gidNumber: 4294967295

dn: cn=huge,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: huge
gidNumber: 99999999999999999999

dn: cn=double,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: double
gidNumber: 3002

dn: gidNumber=3003,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: double
gidNumber: 3003

dn: ou=portal,ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: portal

dn: cn=portal-foreign,ou=portal,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: portal-foreign
gidNumber: 7999
memberUid: bob

dn: cn=smuggled,ou=portal,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: smuggled
gidNumber: 7997
memberUid: bob

dn: cn=portal-outside,ou=groups,dc=example,dc=org
objectClass: posixGroup
cn: portal-outside
gidNumber: 7998
memberUid: bob

dn: cn=admins,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: admins
member: uid=bob,ou=people,dc=example,dc=org
"""


def _person(username: str, uid: int, *more: str, unit: str = "", key: str = "") -> str:
    return "\n".join(
        [
            "",
            f"dn: {key or f'uid={username}'},{unit}ou=people,{BASE}",
            "objectClass: inetOrgPerson",
            "objectClass: posixAccount",
            f"uid: {username}",
            "sn: x",
            f"uidNumber: {uid}",
            f"gidNumber: {uid}",
            f"homeDirectory: /home/{username}",
            *more,
            "",
        ]
    )


_ALL = (
    _person("alice", 2001, "cn: Alice Adams", "mail: alice@example.org", "userPassword: alice-secret"),
    _person("bob", 2002, "cn: Bob Brown", "userPassword:: YsO2YiBzZWNyZXQ="),
    _person("Carol", 2003, "cn: Carol", "userPassword: carol-secret"),
    _person("twin", 2004, "cn: One", "userPassword: twin-secret"),
    _person("twin", 2005, "cn: Two", "userPassword: twin-secret", key="cn=Two"),
    _person("odd", -5, "cn: Odd", "userPassword: odd-secret"),
    _person("locked", 2007, "cn: Without a password"),
    _person("hidden", 2008, "cn: Hidden", "userPassword: hidden-secret", unit="ou=hidden,"),
)


@dataclass(frozen=True)
class Slapd:
    """The running server."""

    process: subprocess.Popen[bytes]
    folder: Path
    plain_port: int
    tls_port: int

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    def ldaps(self, **fields: object) -> Server:
        """LDAPS, verified, unless `fields` say otherwise."""
        return Server(**{"url": f"ldaps://127.0.0.1:{self.tls_port}", "ca_file": self.ca} | fields)  # type: ignore[arg-type]

    def starttls(self, **fields: object) -> Server:
        """StartTLS, verified, unless `fields` say otherwise."""
        given = {"url": f"ldap://127.0.0.1:{self.plain_port}", "starttls": True, "ca_file": self.ca}
        return Server(**given | fields)  # type: ignore[arg-type]

    def directory(self, server: Server | None = None, bind: tuple[str, str] = ("", "")) -> LdapDirectory:
        """The adapter under test. The portal's own groups are left out, as a site with some has it."""
        return LdapDirectory(
            server or self.ldaps(),
            PEOPLE,
            GROUPS,
            bind_dn=bind[0],
            bind_password=bind[1],
            apart=(BRANCH, "portal-"),
        )

    def groups(self, server: Server | None = None, bind: tuple[str, str] = WRITER) -> LdapGroups:
        """The one that writes."""
        where = (PEOPLE, GROUPS)
        return LdapGroups(server or self.ldaps(), BRANCH, where, bind_dn=bind[0], bind_password=bind[1])


def make_authority(folder: Path, name: str) -> None:
    """`<name>.pem` and `<name>.key` of a new CA."""
    subject = ["-subj", f"/CN={name} for tests", "-days", "2"]
    out = ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"]
    _run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *out)


def _make_certificate(folder: Path) -> None:
    request = ["-subj", "/CN=localhost", "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.csr"]
    _run("openssl", "req", "-newkey", "rsa:2048", "-nodes", *request)
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    signer = ["-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", "2"]
    files = ["-in", f"{folder}/server.csr", "-out", f"{folder}/server.pem", "-extfile", f"{folder}/names"]
    _run("openssl", "x509", "-req", *signer, *files)


def _run(*words: str, text: str = "") -> None:
    subprocess.run(words, check=True, input=text, text=True, capture_output=True, timeout=60)


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running() -> Iterator[Slapd]:
    """Start one, end it by its PID; skips where there is none."""
    program = shutil.which("slapd", path="/usr/sbin:/usr/bin:/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no slapd on this machine: apt-get install slapd")
    folder = Path(mkdtemp(prefix="sciserver-ldap-"))
    try:
        make_authority(folder, "ca")
        _make_certificate(folder)
        (folder / "data").mkdir(0o700)
        conf = folder / "slapd.conf"
        conf.write_text(
            _CONF.format(folder=folder, base=BASE, reader=READER[0], writer=WRITER[0], branch=BRANCH)
        )
        _run(program, "-Tadd", "-q", "-f", str(conf), text=_TREE + "".join(_ALL))
        plain, tls = free_port(), free_port()
        urls = f"ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{tls}/"
        with (folder / "log").open("wb") as log:
            words = [program, "-f", str(conf), "-h", urls, "-d", "0"]
            process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            _wait(process, tls, folder / "log")
            yield Slapd(process, folder, plain, tls)
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"slapd did not start: {log.read_text()}")
