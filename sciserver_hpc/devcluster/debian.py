"""The machine's Debian mirror, and packages of another suite fetched from it without touching the machine's
apt.

Formats: sources.list(5), one-line and deb822 style; apt.conf(5).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import Failed

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = {"bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable"}
"""Suites of the main archive: other vendors' sources carry none of these names alone."""


@dataclass(frozen=True)
class Source:
    """One place packages come from."""

    uri: str
    suite: str
    components: tuple[str, ...]


def mirror(etc: Path = Path("/etc/apt")) -> Source:
    """The first source of the machine that is a whole Debian archive, a dated snapshot included.

    Raises Failed when apt knows none.
    """
    for source in sources(etc):
        if (
            source.suite in SUITES
            and "main" in source.components
            and source.uri.startswith(("http", "file:"))
        ):
            return source
    raise Failed("mirror", f"no Debian mirror in {etc}", "add one to /etc/apt/sources.list (type deb, main)")


def sources(etc: Path) -> Iterator[Source]:
    """Every enabled source of binary packages, in apt's order of files."""
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    for path in files:
        if path.suffix == ".list" and path.is_file():
            yield from _one_line(path.read_text().splitlines())
        elif path.suffix == ".sources" and path.is_file():
            yield from _deb822(path.read_text().splitlines())


def _one_line(lines: Iterable[str]) -> Iterator[Source]:
    for line in lines:
        text = line.partition("#")[0].strip()
        kind, _, rest = text.partition(" ")
        if kind != "deb":
            continue
        rest = rest.strip()
        if rest.startswith("["):
            rest = rest.partition("]")[2]
        words = rest.split()
        if len(words) >= 2:
            yield Source(words[0], words[1], tuple(words[2:]))


def _deb822(lines: Iterable[str]) -> Iterator[Source]:
    for stanza in _stanzas(lines):
        if "deb" not in stanza.get("types", ()) or stanza.get("enabled", ("yes",))[0].lower() == "no":
            continue
        for uri in stanza.get("uris", ()):
            for suite in stanza.get("suites", ()):
                yield Source(uri, suite, stanza.get("components", ()))


def _stanzas(lines: Iterable[str]) -> Iterator[dict[str, tuple[str, ...]]]:
    """Field name in lower case → its words."""
    stanza: dict[str, tuple[str, ...]] = {}
    field = ""
    for line in [*lines, ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if stanza:
                yield stanza
            stanza, field = {}, ""
        elif line[0].isspace():
            stanza[field] = (*stanza.get(field, ()), *line.split())
        else:
            name, _, value = line.partition(":")
            field = name.strip().lower()
            stanza[field] = tuple(value.split())


def fetch(suite: str, packages: Iterable[str], into: Path) -> list[Path]:
    """Unpack `packages` of `suite` from the machine's mirror, each in a directory of its name below `into`.

    apt verifies the archive's signature with Debian's own keyring. It works on lists, cache and state of its
    own below `into`, with the machine's proxy settings, and needs no root. Raises Failed.
    """
    names = list(packages)
    environment = _apt(suite, into)
    _run(["apt-get", "update", "--quiet", "--error-on=any"], into, environment)
    _run(["apt-get", "download", "--quiet", *names], into, environment)
    found = []
    for name in names:
        (archive,) = into.glob(f"{name}_*.deb")
        _run(["dpkg-deb", "--extract", archive.name, name], into, environment)
        found.append(into / name)
    return found


def _apt(suite: str, into: Path) -> dict[str, str]:
    """Write apt's configuration; return the environment that makes apt use it."""
    for name in ("lists/partial", "cache/archives/partial"):
        (into / name).mkdir(parents=True)
    (into / "status").touch()
    uri = mirror().uri
    (into / "sources.list").write_text(f"deb [signed-by={KEYRING}] {uri} {suite} main\n")
    settings = {
        "Dir::State": into,
        "Dir::State::lists": into / "lists",
        "Dir::State::status": into / "status",
        "Dir::Cache": into / "cache",
        "Dir::Etc::sourcelist": into / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        # A mirror that is a dated snapshot keeps its Release file past the date it names.
        "Acquire::Check-Valid-Until": "false",
    }
    (into / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    return os.environ | {"APT_CONFIG": str(into / "apt.conf"), "LC_ALL": "C.UTF-8"}


def _run(argv: list[str], directory: Path, environment: dict[str, str]) -> None:
    step = "fetching Debian packages"
    again = "look at the network and /etc/apt, then run it again"
    try:
        done = subprocess.run(
            argv, cwd=directory, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
    except FileNotFoundError:
        raise Failed(step, f"{argv[0]} is missing", "this needs Debian's apt and dpkg") from None
    except subprocess.TimeoutExpired:
        raise Failed(step, f"{' '.join(argv[:2])} took over 600 s", again) from None
    if done.returncode:
        raise Failed(step, f"{' '.join(argv[:2])}: {done.stderr.strip()[-1500:]}", again)
