"""The p-value of an artifact ranking, against counting by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.artifacts.significance import p_value

FALLS = st.integers(-5, 5).map(lambda number: number / 10)  # few values, so that ties occur


@given(FALLS, st.lists(FALLS, min_size=1, max_size=60))
def test_it_is_the_share_of_sets_that_fall_as_far(own: float, random: list[float]) -> None:
    every = [own, *random]
    assert p_value(own, np.array(random)) == sum(other >= own for other in every) / len(every)


def test_without_random_sets_nothing_is_known() -> None:
    assert np.isnan(p_value(0.3, None))
