"""The page of licences names everything that is used, and nothing else."""

from __future__ import annotations

import re
import runpy
from email import message_from_string
from email.message import Message

from .pages import ROOT

PROGRAM = runpy.run_path(str(ROOT / "docs/licences.py"))
ADVICE = "run: python docs/licences.py > docs/licences.md"


def rows(title: str) -> dict[str, str]:
    """First and last cell of the table under the heading that begins with `title`."""
    text = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {title}")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in re.findall(r"^\|.*\|$", section, re.MULTILINE)]
    return {line[0]: line[-1] for line in lines[2:]}


def test_every_locked_package_has_its_licence() -> None:
    found = rows("Python packages")
    assert list(found) == sorted(PROGRAM["locked"]()), ADVICE
    assert "see the package" not in found.values()


def test_every_package_of_debian_has_its_licence() -> None:
    assert PROGRAM["DEBIAN"].keys() == PROGRAM["installed_by_dev"]()
    assert rows("Debian packages") == PROGRAM["DEBIAN"], ADVICE


def test_everything_vendored_is_named() -> None:
    vendored = {
        path for folder in ROOT.rglob("vendor") if ".git" not in folder.parts for path in folder.rglob("*.js")
    }
    named = {place for place, _ in PROGRAM["OTHER"].values()}
    for path in vendored:
        assert any(str(path.relative_to(ROOT)) in place for place in named), path


def test_a_licence_is_read_from_what_a_package_says() -> None:
    read = PROGRAM["licence"]
    assert read(metadata_of("License-Expression: MIT OR Apache-2.0")) == "MIT OR Apache-2.0"
    assert read(metadata_of("License: LGPL v3")) == "LGPL v3"
    assert read(metadata_of("Classifier: License :: OSI Approved :: BSD License")) == "BSD"
    assert read(metadata_of("Name: silent")) == "see the package"


def metadata_of(line: str) -> Message:
    return message_from_string(f"{line}\n")
