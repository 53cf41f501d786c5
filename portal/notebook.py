"""A notebook file (nbformat 4) as a still page: what it holds is hostile, nothing of it runs.

Three walls: markup is cleaned here, the page allows no script and no request (`POLICY`), and browsers give it
an origin of its own (sandbox). A fourth keeps the portal alive: this file is also a program, from the
notebook on standard input to the page on standard output, with limits of its own. Cleaning a megabyte of
markup can take minutes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

STYLE = (Path(__file__).parent / "static" / "notebook.css").read_text(encoding="utf-8")
POLICY = (
    "sandbox; default-src 'none'; img-src data:; frame-ancestors 'self'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
MAX_CELLS = 2_000
MAX_OUTPUTS = 200
MAX_TEXT = 100_000
"""Characters of one text shown."""

MAX_PAGE = 24_000_000
"""Characters of the whole page."""

CPU_S = 10
MEMORY = 2**30
"""What the program may use, in seconds and bytes."""

SCHEMES = {"http", "https", "mailto", "data"}
IMAGES = ("image/png", "image/jpeg")
_DATA_IMAGE = re.compile(r"data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*\Z")
_LINK = re.compile(r"(https?|mailto):", re.IGNORECASE)
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TAGS = nh3.ALLOWED_TAGS - {"map", "area", "rdf"}
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


def page(data: bytes) -> str:
    """Return the HTML document that shows the notebook, or says why it cannot be shown."""
    try:
        document = json.loads(data)
        cells = document["cells"]
        body = Markup("").join(_capped(cells if isinstance(cells, list) else []))
    except (ValueError, KeyError, TypeError, RecursionError):
        return notice("This file is not a notebook that can be shown. Download it instead.")
    return _document(body)


def notice(sentence: str) -> str:
    """Return the HTML document that says `sentence` in the notebook's place."""
    return _document(Markup("<p>{}</p>").format(sentence))


def _document(body: Markup) -> str:
    head = f'<meta charset="utf-8"><title>Notebook</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>'


def _capped(cells: list[Any]) -> Iterator[Markup]:
    """Cells until the page is full."""
    length = 0
    for index, cell in enumerate(cells):
        html = _cell(cell) if isinstance(cell, dict) else Markup("")
        length += len(html)
        if index >= MAX_CELLS or length > MAX_PAGE:
            yield Markup("<p>The rest is too long to show here. Download the notebook to see it.</p>")
            return
        yield html


def _cell(cell: dict[str, Any]) -> Markup:
    source = _text(cell.get("source"))
    if cell.get("cell_type") == "markdown":
        return Markup("<section>{}</section>").format(markdown_html(source))
    if cell.get("cell_type") != "code":
        return Markup("<section><pre>{}</pre></section>").format(_cut(source))
    outputs = cell.get("outputs")
    listed = outputs[:MAX_OUTPUTS] if isinstance(outputs, list) else []
    shown = [_output(output) for output in listed if isinstance(output, dict)]
    count = cell.get("execution_count")
    label = f"[{count}]" if isinstance(count, int) else "[ ]"
    return Markup(
        '<section class="code"><span class="count">{}</span>'
        '<pre class="in" tabindex="0"><code>{}</code></pre>{}</section>'
    ).format(label, _cut(source), Markup("").join(shown))


def _output(output: dict[str, Any]) -> Markup:
    kind = output.get("output_type")
    if kind == "stream":
        name = "err" if output.get("name") == "stderr" else "out"
        return _pre(name, _text(output.get("text")))
    if kind == "error":
        short = f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}"
        return _pre("err", _text(output.get("traceback"), "\n") or short)
    data = output.get("data")
    return _rich(data) if isinstance(data, dict) else Markup("")


def _rich(data: dict[str, Any]) -> Markup:
    """The best form we can show safely: an image, cleaned markup, text."""
    for mime in IMAGES:
        if mime in data:
            return _image(mime, _text(data[mime]))
    if "text/html" in data:
        return Markup('<div class="html" tabindex="0">{}</div>').format(_clean(_text(data["text/html"])))
    if "text/markdown" in data:
        return markdown_html(_text(data["text/markdown"]))
    text = _text(data.get("text/plain") or data.get("text/latex"))
    if not text and data:
        text = f"(an output of type {', '.join(str(key)[:60] for key in list(data)[:3])} is not shown)"
    return _pre("out", text)


def _pre(name: str, text: str) -> Markup:
    return Markup('<pre class="{}" tabindex="0">{}</pre>').format(name, _cut(_plain(text)))


def _image(mime: str, text: str) -> Markup:
    try:
        exact = base64.b64encode(base64.b64decode("".join(text.split()), validate=True)).decode()
    except (binascii.Error, ValueError):
        return Markup("<p>(an image that cannot be read)</p>")
    return Markup('<img alt="Output of the cell above" src="data:{};base64,{}">').format(mime, exact)


def markdown_html(text: str) -> Markup:
    """Markdown as clean HTML."""
    return _clean(_markdown.render(text[:MAX_TEXT]))


def _clean(html: str) -> Markup:
    """HTML without anything that acts; too long is shown as text's beginning."""
    if len(html) > MAX_TEXT * 10:
        return Markup("<pre>{}</pre>").format(_cut(html))
    cleaned = nh3.clean(html, tags=_TAGS, attribute_filter=_attribute, url_schemes=SCHEMES)
    return Markup(cleaned)  # noqa: S704 (cleaned on the line before)


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "href":
        return value if _LINK.match(value) else None
    if name == "src":
        return value if tag == "img" and _DATA_IMAGE.match(value) else None
    return value


def _text(value: Any, joint: str = "") -> str:
    """nbformat's multi-line string: a string, or a list of them; anything else is nothing."""
    if isinstance(value, list):
        return joint.join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _plain(text: str) -> str:
    """Without a terminal's colours, and with a progress bar's last state only."""
    lines = _TERMINAL.sub("", text[: MAX_TEXT * 10]).split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _cut(text: str) -> Markup:
    if len(text) <= MAX_TEXT:
        return escape(text)
    note = Markup("\n… {} more characters; download the notebook to see them.").format(len(text) - MAX_TEXT)
    return escape(text[:MAX_TEXT]) + note


def main() -> None:
    """Make a page within the limits, and out of the way of others."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.nice(10)
    html = page(sys.stdin.buffer.read())
    sys.stdout.buffer.write(html.encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
