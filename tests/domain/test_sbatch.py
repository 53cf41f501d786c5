"""Values in sbatch's forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciserver_hpc.domain import arrays, sbatch


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("10:30", 630),
        ("1:30:00", 5400),
        ("2-12", 216_000),
        ("1-0:30", 88_200),
        ("1-00:00:05", 86_405),
    ],
)
def test_every_form_of_time_limit(text: str, seconds: int) -> None:
    assert sbatch.seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "x", "1:2:3:4", "-5", "1-", "1h", "٣", "5\n", "0", "0:00", "UNLIMITED", "9" * 5000]
)
def test_what_is_no_time_limit(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|name one"):
        sbatch.seconds(text)


@given(st.integers(min_value=1, max_value=366 * 86400))
def test_a_time_shown_is_read_back(total: int) -> None:
    assert sbatch.seconds(sbatch.time_text(total)) == total


@pytest.mark.parametrize(
    ("text", "megabytes"),
    [("512", 512), ("4G", 4096), ("4g", 4096), ("4GB", 4096), ("1T", 1048576), ("1025K", 2), ("7M", 7)],
)
def test_memory(text: str, megabytes: int) -> None:
    assert sbatch.megabytes(text) == megabytes


@given(st.integers(min_value=1, max_value=10**6), st.sampled_from("KMGT"))
def test_memory_is_never_rounded_down(number: int, unit: str) -> None:
    kib = number * 1024 ** "KMGT".index(unit)
    assert 0 <= sbatch.megabytes(f"{number}{unit}") * 1024 - kib < 1024


@pytest.mark.parametrize("text", ["", "0", "4X", "-1", "1.5G", "4 G", "٤"])
def test_what_is_no_memory(text: str) -> None:
    with pytest.raises(ValueError, match=r"as in 4G|write 4G"):
        sbatch.megabytes(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [("gpu", (1, "")), ("gpu:2", (2, "")), ("gpu:a100", (1, "a100")), ("gpu:a100:2", (2, "a100"))],
)
def test_gpus(text: str, found: tuple[int, str]) -> None:
    assert sbatch.gpus(text) == found


@pytest.mark.parametrize("text", ["", "cpu:2", "gpu:", "gpu:a:b", "gpu:a:1:2", "gpu:1,shard:2", "gpu:٢"])
def test_what_is_no_gpu(text: str) -> None:
    with pytest.raises(ValueError, match="gpu:"):
        sbatch.gpus(text)


PARTS = st.tuples(st.integers(0, 9999), st.integers(0, 999), st.integers(1, 99))


@given(st.lists(PARTS, min_size=1, max_size=9))
def test_array_indices(parts: list[tuple[int, int, int]]) -> None:
    text = ",".join(f"{a}-{a + b}:{step}" for a, b, step in parts)
    assert arrays.checked(text) == text
    assert arrays.checked(f"{text}%3") == f"{text}%3"


@given(st.lists(PARTS, min_size=1, max_size=9), st.integers(-1, 11_000))
def test_an_index_and_its_neighbours(parts: list[tuple[int, int, int]], task: int) -> None:
    text = ",".join(f"{a}-{a + b}:{step}" for a, b, step in parts)
    named = {index for a, b, step in parts for index in range(a, a + b + 1, step)}
    assert arrays.first_task(text) == min(named)
    assert arrays.has_task(f"{text}%2", task) == (task in named)
    below, above = [i for i in named if i < task], [i for i in named if i > task]
    assert arrays.beside(text, task) == (max(below, default=None), min(above, default=None))


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "3-1", "1,,2", "1-5:0", "1%0", "1%", "1-5%x", "1 2", "٣", "0-9999999"]
)
def test_what_is_no_array(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|as in"):
        arrays.checked(text)


def test_dependencies() -> None:
    expected = (("afterok", 12), ("afterok", 13), ("afterany", 14))
    assert sbatch.dependencies("afterok:12:13,afterany:14") == expected


@pytest.mark.parametrize(
    "text", ["", "afterok", "afterok:", "afterok:x", "afterok:0", "singleton", "afterok:1?afterany:2"]
)
def test_what_is_no_dependency(text: str) -> None:
    with pytest.raises(ValueError, match=r"supported|needs job ids"):
        sbatch.dependencies(text)


@given(st.text())
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    for read in (sbatch.seconds, sbatch.megabytes, sbatch.gpus, arrays.checked, sbatch.dependencies):
        try:
            read(text)
        except ValueError as error:
            assert str(error)
