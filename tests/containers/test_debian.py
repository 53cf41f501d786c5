"""Finding the Debian mirror in apt's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sciserver_hpc.devcluster import debian
from sciserver_hpc.devcluster.errors import Failed

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb-src http://sources.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example/apt vendor-bookworm main
deb http://security.example/debian-security bookworm-security main
deb [ arch=amd64 ] http://mirror.example/debian bookworm main contrib  # ours
"""
DEB822 = """\
Types: deb
URIs: https://vendor.example/node_20.x
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main

# A dated snapshot.
Types: deb deb-src
URIs: http://snapshot.example/archive/debian/20250520T000000Z
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def etc(tmp_path: Path, files: dict[str, str]) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "uri"),
    [
        ({"sources.list": ONE_LINE}, "http://mirror.example/debian"),
        ({"sources.list.d/a.list": ONE_LINE}, "http://mirror.example/debian"),
        (
            {"sources.list.d/debian.sources": DEB822},
            "http://snapshot.example/archive/debian/20250520T000000Z",
        ),
        ({"sources.list": ONE_LINE, "sources.list.d/z.sources": DEB822}, "http://mirror.example/debian"),
    ],
)
def test_the_mirror_is_the_first_whole_debian_archive(
    tmp_path: Path, files: dict[str, str], uri: str
) -> None:
    assert debian.mirror(etc(tmp_path, files)).uri == uri


def test_every_suite_of_a_stanza_is_a_source(tmp_path: Path) -> None:
    found = list(debian.sources(etc(tmp_path, {"sources.list.d/debian.sources": DEB822})))
    assert [source.suite for source in found] == ["nodistro", "bookworm", "bookworm-updates"]


def test_files_apt_ignores_are_ignored(tmp_path: Path) -> None:
    assert list(debian.sources(etc(tmp_path, {"sources.list.d/debian.sources.bak": DEB822}))) == []


def test_no_mirror_is_told_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="no Debian mirror") as failure:
        debian.mirror(etc(tmp_path, {}))
    assert "sources.list" in failure.value.do
