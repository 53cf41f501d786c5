"""Documents lead somewhere and show commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest

from sciserver_hpc.cli.reference import PROGRAMS
from sciserver_hpc.domain.catalogue import Site
from sciserver_hpc.settings import HistorySettings, SessionsSettings

from .pages import PAGES, ROOT, anchors, fences, name, targets

PNG = b"\x89PNG\r\n\x1a\n"
SHELL = ("sh", "bash", "console")
VERBS = re.findall(r"^  ([a-z]+)\b", subprocess.check_output([ROOT / "dev", "help"], text=True), re.MULTILINE)


def commands() -> list[tuple[str, list[str]]]:
    """Page and argv of every command of ours in a shell block."""
    found = []
    for page in PAGES:
        for fence in (one for one in fences(page) if one.language in SHELL):
            for line in fence.text.replace("\\\n", " ").splitlines():
                for text in re.findall(r"(?:^|\$\(|&& )((?:\./dev|sciserver)\b[^)|]*)", line.strip()):
                    found.append((name(page), words(text)))
    return found


def words(text: str) -> list[str]:
    """A command line's words, without its comment; quotes that a `)` cut open are left as they are."""
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for target in targets(page):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme in ("https", "mailto"), target
            continue
        file = (page.parent / parts.path).resolve() if parts.path else page
        if not file.exists() or (parts.fragment and parts.fragment not in anchors(file)):
            lost.append(target)
    assert not lost


@pytest.mark.parametrize(("page", "argv"), commands(), ids=str)
def test_commands_shown_exist(page: str, argv: list[str]) -> None:
    program, *rest = argv
    if program == "./dev":
        assert rest[0] in VERBS, f"{page}: ./dev has no {rest[0]}"
        return
    command: click.Command = PROGRAMS[program]
    while isinstance(command, click.Group) and rest:
        assert rest[0] in command.commands, f"{page}: {program} has no {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {word for one in command.params for word in (*one.opts, *one.secondary_opts)} | {"--help"}
    for word in rest:
        if re.match(r"--[a-z]", word):
            assert word.partition("=")[0] in known, f"{page}: {program} has no {word}"


def test_the_search_for_commands_finds_them() -> None:
    assert {argv[0] for page, argv in commands() if page == "README.md"} >= {"./dev", "sciserver-submit"}


@pytest.mark.parametrize("picture", sorted((ROOT / "docs/images").glob("*.png")), ids=lambda path: path.name)
def test_pictures_are_small_and_shown(picture: Path) -> None:
    assert picture.read_bytes().startswith(PNG)
    assert picture.stat().st_size < 150_000
    assert any(picture.name in page.read_text(encoding="utf-8") for page in PAGES)


def test_every_document_is_in_the_index() -> None:
    index = ROOT / "docs/README.md"
    linked = {(index.parent / urlsplit(target).path).resolve() for target in targets(index)}
    pages = {
        page for page in (ROOT / "docs").rglob("*.md") if page != index and page.parent.name != "decisions"
    }
    assert pages <= linked


def test_decisions_are_numbered_once_and_listed() -> None:
    folder = ROOT / "docs/decisions"
    notes = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [note[:4] for note in notes] == [f"{number:04}" for number in range(1, len(notes) + 1)]
    assert set(notes) <= set(targets(folder / "README.md"))
    for note in notes:
        assert (folder / note).read_text(encoding="utf-8").startswith(f"# {note[:4]} ")


@pytest.mark.parametrize("page", [p for p in PAGES if any(f.language == "toml" for f in fences(p))], ids=name)
def test_catalogues_shown_are_well_formed(page: Path) -> None:
    for fence in fences(page):
        if fence.language == "toml":
            shown = tomllib.loads(fence.text)
            if "sessions" in shown:
                assert SessionsSettings.model_validate(shown["sessions"]).domain
            elif "history" in shown:
                assert HistorySettings.model_validate(shown["history"]).keep_days
            else:
                assert Site.model_validate(shown).grants
