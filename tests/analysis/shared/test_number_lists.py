"""Lists of numbers as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.shared.errors import GanatomyError
from analysis.shared.number_lists import numbers


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("4, 17, 31", [4, 17, 31]),
        ("0-3", [0, 1, 2, 3]),
        ("3 - 4, 9", [3, 4, 9]),
        ("4,4", [4]),
        ("7,", [7]),
        ("", []),
    ],
)
def test_numbers_as_people_type_them(typed: str, meant: list[int]) -> None:
    assert numbers(typed) == meant


@pytest.mark.parametrize("typed", ["none", "9-3", "4 7", "3;4", "-1", "1.5", "0-999999", "1-2-3", "٣"])
def test_anything_else_is_a_sentence(typed: str) -> None:
    with pytest.raises(GanatomyError, match="is not a list of numbers such as 4,17-20"):
        numbers(typed)


@given(st.lists(st.integers(0, 4000), unique=True, max_size=50))
def test_every_list_is_read_as_it_was_written(wanted: list[int]) -> None:
    assert numbers(",".join(map(str, wanted))) == wanted
