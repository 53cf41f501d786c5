"""Parameters mean the same to a JSON reader and to papermill's YAML reader."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.render import parameters_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"\A[a-z_]{1,8}\Z"), VALUES, max_size=5))
def test_json_and_yaml_agree(parameters: dict[str, object]) -> None:
    text = parameters_text(parameters)  # type: ignore[arg-type]
    assert json.loads(text) == parameters
    assert yaml.safe_load(text) == parameters


@pytest.mark.parametrize("value", [1e-7, 1e22, "1e5", "\U0001f31e", "a\u2028b", "\x7f", "=", "<<", "no"])
def test_values_that_yaml_would_read_otherwise(value: object) -> None:
    assert yaml.safe_load(parameters_text({"x": value})) == {"x": value}  # type: ignore[dict-item]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_lacks_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        parameters_text({"x": value})
