"""Choosing a notebook's kernel."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.kernels import choose, language_of


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("python3", "python"),
        ("Python-3.11", "python"),
        ("ir", "r"),
        ("octave", "octave"),
        ("julia-1.10", "julia"),
        ("matlab_kernel", "matlab"),
    ],
)
def test_a_kernels_name_tells_its_language(name: str, language: str) -> None:
    assert language_of(name) == language


@pytest.mark.parametrize(
    ("metadata", "chosen"),
    [
        ({"kernelspec": {"name": "ir"}}, "ir"),
        ({"kernelspec": {"name": "conda-env-x", "language": "R"}}, "ir"),
        ({"language_info": {"name": "R"}}, "ir"),
        ({"kernelspec": {"name": "python"}}, "python3"),
        ({}, "python3"),
        ({"kernelspec": {"name": "julia-1.10"}}, None),
        ({"kernelspec": {"name": "octave", "language": "octave"}}, None),
        ({"kernelspec": "nonsense", "language_info": ["nonsense"]}, "python3"),
        ({"kernelspec": {"name": 3}}, "python3"),
        ("nonsense", "python3"),
    ],
)
def test_the_kernel_is_the_one_named_or_one_of_its_language(metadata: Any, chosen: str | None) -> None:
    assert choose({"metadata": metadata}, ("python3", "ir")) == chosen


def test_an_image_without_kernels_runs_no_notebook() -> None:
    assert choose({}, ()) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
)


@given(
    metadata=JSON,
    spec=JSON,
    info=JSON,
)
def test_hostile_metadata_never_chooses_what_is_not_offered(metadata: Any, spec: Any, info: Any) -> None:
    for document in ({"metadata": metadata}, {"metadata": {"kernelspec": spec, "language_info": info}}):
        assert choose(document, ("python3", "ir")) in {"python3", "ir", None}
