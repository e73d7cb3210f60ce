"""The sentence about causes: an effect that may be none is never told as one."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.report import sentences

OWN = {"top_units": 8, "removed": 0.48, "removed_low": 0.38, "removed_high": 0.57}


def test_a_null_effect_is_told_as_null() -> None:
    none = OWN | {"removed": 0.02, "removed_low": -0.03, "removed_high": 0.06}
    said = sentences.causes("door", "layer3", none, 0.01, 99)
    assert said == "Switching off 8 units of layer3 removes no door that can be measured (2%, -3% to 6%)."
    unmeasured = OWN | {"removed": None, "removed_low": None, "removed_high": None}
    assert sentences.causes("door", "layer3", unmeasured, None, 0) == (
        "No unit of layer3 was found to cause door."
    )
    chance = sentences.causes("door", "layer3", OWN, 0.4, 99)
    assert chance.endswith("but random units may do as much (p = 0.4).")


@given(st.floats(-1, 1), st.floats(0, 0.5), st.none() | st.floats(0.001, 1), st.integers(0, 999))
def test_only_what_survives_its_control_is_said_to_do_more(
    removed: float, width: float, p: float | None, sets: int
) -> None:
    own = OWN | {"removed": removed, "removed_low": removed - width, "removed_high": removed + width}
    said = sentences.causes("door", "layer3", own, p, sets)
    sure = removed - width > 0 and p is not None and p <= sentences.CHANCE
    assert ("more than most random sets" in said or "removes as much" in said) == sure
