"""Tables: aligned, clean, as wide as the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.cli import table


def test_columns_are_aligned_by_what_the_eye_sees(capsys: pytest.CaptureFixture[str]) -> None:
    table.show(("A", "N"), [("ﬁ日本", 7), ("x", 12)], right=("N",))
    assert capsys.readouterr().out == "A       N\nﬁ日本   7\nx      12\n"


def test_control_characters_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table.show(("A",), [("\x1b[2J\nx\u202e",)])
    table.pairs([("name", "\x07bell"), ("nothing", None)])
    assert capsys.readouterr().out == "A\n�[2J�x�\nname  �bell\n"


@given(st.lists(st.integers(1, 200), min_size=1, max_size=9), st.integers(40, 200))
def test_the_widest_column_gives_way(widths: list[int], columns: int) -> None:
    fitted = table.fit(widths, columns)
    assert all(new <= old and new >= min(old, 8) for new, old in zip(fitted, widths, strict=True))
    assert sum(fitted) + 2 * (len(fitted) - 1) <= columns or max(fitted) <= 8
