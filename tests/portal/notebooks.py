"""Notebooks to render: a plain one, and what an enemy would upload."""

from __future__ import annotations

from typing import Any

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def code(*outputs: Any, source: Any = "1") -> dict[str, Any]:
    """A code cell."""
    return {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "source": source,
        "outputs": list(outputs),
    }


def rich(**data: Any) -> dict[str, Any]:
    """A display output; `text_html` stands for text/html."""
    named = {key.replace("_", "/", 1): value for key, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": named}


def markdown(source: Any) -> dict[str, Any]:
    """A markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def book(*cells: Any) -> dict[str, Any]:
    """A notebook of these cells."""
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}


STREAM = {"output_type": "stream", "name": "stdout", "text": ["10.9\n", "years\n"]}
ERROR = {"output_type": "error", "ename": "E", "traceback": ["\x1b[31mValueError\x1b[0m: no"]}
PLAIN = book(
    markdown("# The cycle\n\nIts period, from **309** years."),
    code(
        {"output_type": "stream", "name": "stdout", "text": ["10.9\n", "years\n"]},
        source=["print(1)\n", "print(2)"],
    ),
    code(rich(image_png=PNG, text_plain="<Figure>")),
    code(rich(text_html="<table><tr><th>year</th></tr><tr><td>1700</td></tr></table>")),
    code(
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mValueError\x1b[0m: no"]}
    ),
)

HOSTILE_HTML = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVa\tScript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<iframe src='https://evil.example'></iframe>",
    "<img src='https://evil.example/track.png'>",
    "<form action='https://evil.example'><input name=p><button>go</button></form>",
    "<style>@import 'https://evil.example'</style>",
    "<div style='background:url(https://evil.example)'>x</div>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example'>",
    "<object data='x'></object><embed src='x'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "</main></body><script>alert(1)</script>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
)
