"""The documents as tests read them: pages, links, fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "containers").rglob("*.md")], key=str
)
_MARK = re.compile(r"<!-- run: (\w+) -->\s*\Z")


@dataclass(frozen=True)
class Fence:
    """A fenced block: the language it names, its text, and what a comment above it says it is run as."""

    language: str
    text: str
    run: str


def name(page: Path) -> str:
    """A page's name in a test's id."""
    return str(page.relative_to(ROOT))


def targets(page: Path) -> Iterator[str]:
    """Where its links lead and its pictures lie."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        for child in token.children or ():
            yield from (str(child.attrs[key]) for key in ("href", "src") if key in child.attrs)


def fences(page: Path) -> list[Fence]:
    """Its fenced blocks, in order."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    found = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "fence":
            mark = _MARK.search(before.content) if before and before.type == "html_block" else None
            found.append(Fence(token.info.strip(), token.content, mark.group(1) if mark else ""))
    return found


def anchors(page: Path) -> set[str]:
    """The fragments of its headings, made as code forges make them."""
    titles = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
