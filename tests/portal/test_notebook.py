"""Notebooks are shown, and nothing of them runs."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import notebook, notebook_process

from .notebooks import HOSTILE_HTML, PLAIN, PNG, book, code, markdown, rich

FORBIDDEN = frozenset(
    ("script", "iframe", "object", "embed", "form", "input", "button", "base", "link", "svg", "math")
)


class Tags(HTMLParser):
    """What a page holds."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def shown(document: Any) -> str:
    return notebook.page(json.dumps(document).encode())


def assert_harmless(html: str) -> None:
    """No element that acts, no handler, no address but data images and plain links."""
    tags = Tags(html).found
    assert not {tag for tag, _ in tags} & FORBIDDEN
    assert [tag for tag, _ in tags].count("style") == 1
    assert [tag for tag, _ in tags].count("meta") == 1
    for tag, attributes in tags:
        for name, value in attributes.items():
            assert not name.startswith("on") and name != "style"
            if name == "src":
                assert tag == "img" and (value or "").startswith("data:image/")
            if name == "href":
                assert (value or "").lower().startswith(("http:", "https:", "mailto:"))


def test_a_plain_notebook_is_shown() -> None:
    html = shown(PLAIN)
    assert "<h1>The cycle</h1>" in html and "10.9\nyears" in html and "<td>1700</td>" in html
    assert f'src="data:image/png;base64,{PNG}"' in html
    assert "ValueError: no" in html and "\x1b" not in html
    assert_harmless(html)


@pytest.mark.parametrize("evil", HOSTILE_HTML)
@pytest.mark.parametrize("place", ["html", "markdown", "markdown output", "text", "source", "stream", "mime"])
def test_hostile_markup_is_harmless_everywhere(evil: str, place: str) -> None:
    cells = {
        "html": code(rich(text_html=evil)),
        "markdown": markdown(evil),
        "markdown output": code(rich(text_markdown=evil)),
        "text": code(rich(text_plain=evil)),
        "source": code(source=evil),
        "stream": code({"output_type": "stream", "name": evil, "text": evil}),
        "mime": code({"output_type": "display_data", "data": {evil: evil}}),
    }
    assert_harmless(shown(book(cells[place])))


@pytest.mark.parametrize(
    "link",
    [
        "[x](javascript:alert(1))",
        "![x](https://evil.example/a.png)",
        "<javascript:alert(1)>",
        "[x](data:text/html,y)",
    ],
)
def test_markdown_links_lead_nowhere_bad(link: str) -> None:
    assert_harmless(shown(book(markdown(link))))


def test_an_image_that_is_none_is_told() -> None:
    html = shown(book(code(rich(image_png='"><script>alert(1)</script>'))))
    assert "cannot be read" in html
    assert_harmless(html)


def test_svg_and_javascript_outputs_are_not_shown() -> None:
    html = shown(book(code({"output_type": "display_data", "data": {"application/javascript": "alert(1)"}})))
    assert "application/javascript is not shown" in html and "alert" not in html


def test_the_gigantic_is_cut() -> None:
    stream = {"output_type": "stream", "text": "x" * 3_000_000}
    html = shown(book(*[code(stream) for _ in range(3)], *[markdown("m")] * 5000))
    assert "more characters" in html and "too long to show" in html
    assert len(html) < 2_000_000


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b'{"cells": 1}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_notebook_is_a_sentence_or_an_empty_page(data: bytes) -> None:
    assert notebook.page(data).startswith("<!doctype html>")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(HOSTILE_HTML),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
outputs = st.fixed_dictionaries(
    {},
    optional={
        "output_type": st.sampled_from(["stream", "error", "display_data", "execute_result"]) | values,
        "text": values,
        "traceback": values,
        "ename": values,
        "data": st.dictionaries(
            st.sampled_from(["text/html", "text/plain", "image/png", "text/markdown", "image/svg+xml"]),
            values,
        )
        | values,
    },
)
cells = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw"]) | values,
        "source": values,
        "outputs": st.lists(outputs | values, max_size=3) | values,
        "execution_count": values,
    },
)


@given(st.lists(cells | values, max_size=4))
def test_wrong_types_anywhere_are_harmless(found: list[Any]) -> None:
    assert_harmless(shown(book(*found)))


def test_a_page_is_made_in_a_process_of_its_own() -> None:
    data = json.dumps(PLAIN).encode()
    assert notebook_process.page(data) == notebook.page(data)


def test_markup_that_would_take_minutes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_process, "WAIT_S", 1.0)
    nested = json.dumps(book(code(rich(text_html="<div>" * 190_000)))).encode()
    assert notebook_process.TOO_COSTLY in notebook_process.page(nested)


def test_half_a_character_does_not_break_the_page() -> None:
    assert "a?b" in notebook_process.page(json.dumps(book(code(source="a\ud800b"))).encode())
