"""What toml.dumps writes, Python's own reader reads back."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain.toml import dumps

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = TEXT | st.integers(-(2**63), 2**63 - 1) | st.booleans()
TABLES = st.recursive(
    st.dictionaries(TEXT, SCALARS | st.lists(SCALARS)),
    lambda inner: st.dictionaries(TEXT, SCALARS | inner | st.lists(inner, min_size=1)),
    max_leaves=12,
)


@given(TABLES)
def test_written_and_read_back(values: dict[str, object]) -> None:
    assert tomllib.loads(dumps(values)) == values


def test_none_is_left_out() -> None:
    assert tomllib.loads(dumps({"a": None, "b": 1})) == {"b": 1}
