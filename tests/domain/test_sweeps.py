"""Sweeps: what they become, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sciserver_hpc.domain.jobs import JobRequest, Kind
from sciserver_hpc.domain.options import values_of
from sciserver_hpc.domain.sweeps import Sweep, from_csv, to_csv

NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,5}\Z")
CELLS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    | st.lists(st.integers(), max_size=2)
)


def test_a_grid_is_all_combinations_the_last_name_fastest() -> None:
    sweep = Sweep(grid={"a": (1, 2), "b": ("x", "y")}, at_once=3)
    assert sweep.rows() == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]
    assert (sweep.array, sweep.names()) == ("0-3%3", ("a", "b"))


def test_a_part_of_a_sweep_keeps_its_numbers() -> None:
    assert Sweep(table=({"a": 1}, {"a": 2}, {"a": 3}), only="0,2", at_once=1).array == "0,2%1"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "one of them"),
        ({"table": [{"a": 1}], "grid": {"a": [1]}}, "one of them"),
        ({"table": []}, "at least 1 item"),
        ({"table": [{}]}, "row 0 gives no parameter"),
        ({"table": [{"a b": 1}]}, "pattern"),
        ({"table": [{"PATH=": 1}]}, "pattern"),
        ({"table": [{"a": "x\0"}]}, "NUL"),
        ({"table": [{"a": float("nan")}]}, "not finite"),
        ({"table": [{"a": "x" * 100_001}]}, "larger than 100 kB"),
        ({"table": [{"a": "x" * 99_000}] * 41}, "larger than 4 MB"),
        ({"table": [{f"a{n}": 1 for n in range(101)}]}, "100 parameters"),
        ({"table": [{"a": 1}] * 10_001}, "at most 10000"),
        ({"grid": {"a": [0] * 101, "b": [0] * 100}}, "10000 combinations"),
        ({"grid": {"a": []}}, "needs a value"),
        ({"table": [{"a": 1}], "only": "1"}, "no row 1"),
        ({"table": [{"a": 1}], "only": "0%2"}, "at_once"),
    ],
)
def test_what_a_sweep_refuses(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Sweep.model_validate(fields)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert Sweep(table=({"a": r"\u0000"},)).rows() == [{"a": r"\u0000"}]


def test_a_sweep_is_no_second_array_and_no_session() -> None:
    sweep = {"table": [{"a": 1}]}
    with pytest.raises(ValidationError, match="an array by itself"):
        JobRequest(kind=Kind.SHELL, command="true", array="0-1", sweep=sweep)
    with pytest.raises(ValidationError, match="a session takes no `sweep`"):
        JobRequest(kind=Kind.SESSION, app="lab", sweep=sweep)
    assert JobRequest(kind=Kind.SHELL, command="true", sweep=sweep).indices == "0"


@given(st.lists(st.dictionaries(NAMES, CELLS, min_size=1, max_size=3), min_size=1, max_size=5))
def test_a_table_comes_back_from_its_text(rows: list[dict[str, Any]]) -> None:
    assert from_csv(to_csv(rows)) == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,x\n", [{"a": 1, "b": "x"}]),
        ("\ufeffa;b\r\n1,5;x y\r\n\r\n;z\r\n", [{"a": "1,5", "b": "x y"}, {"b": "z"}]),
        ("a\tb\n0.5\t\n", [{"a": 0.5}]),
        ('a\n"two\nlines"\n', [{"a": "two\nlines"}]),
    ],
)
def test_tables_as_people_write_them(text: str, rows: list[dict[str, Any]]) -> None:
    assert from_csv(text) == rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a\n", "no row"),
        ("a,a\n1,2\n", "twice"),
        ("a b\n1\n", "no name"),
        ("a\n1,2\n", "line 2 of the table has 2 cells"),
        ('a\n"x\n', "cannot be read"),
    ],
)
def test_tables_that_are_none(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_csv(text)


def test_values_of_a_grid() -> None:
    assert values_of("n=1,2.5,x") == ("n", [1, 2.5, "x"])
    assert values_of('n=["a,b", 1]') == ("n", ["a,b", 1])
    with pytest.raises(ValueError, match="no part of a grid"):
        values_of("n")
