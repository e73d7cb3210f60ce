"""Whose job is next."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.queue.fairness import STEP, Place, number, urgency


def order(asked: list[tuple[str, int]]) -> list[str]:
    """Owners in the order their jobs would run, when all ask before any runs."""
    places: list[Place] = []
    for owner, urgent in asked:
        places.append(Place(owner, number(urgent, owner, places), running=False))
    return [place.owner for place in sorted(places, key=lambda place: place.number)]


def test_one_job_is_not_behind_a_hundred() -> None:
    names = order([("ada", 5)] * 100 + [("bob", 5)])
    assert names.index("bob") <= 1


def test_owners_take_turns() -> None:
    names = order([("ada", 5)] * 3 + [("bob", 5)] * 3)
    assert [set(names[i : i + 2]) for i in (0, 2, 4)] == [{"ada", "bob"}] * 3


def test_urgency_comes_first() -> None:
    assert order([("ada", 5), ("bob", 5), ("eve", 1)])[0] == "eve"


def test_who_comes_late_is_not_put_before_what_ran() -> None:
    places = [Place("ada", number(5, "ada", []) + 7, running=True)]
    late = number(5, "bob", places)
    assert late >= places[0].number


def test_who_waits_long_is_not_passed_by_everyone_who_comes_later() -> None:
    waiting = [Place("ada", 5 * STEP + turn, running=False) for turn in range(40, 80)]
    places = list(waiting)
    for _ in range(40):
        places.append(Place("bob", number(5, "bob", places), running=False))
    names = [place.owner for place in sorted(places, key=lambda place: place.number)]
    assert names[:4].count("ada") == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), min_size=1, max_size=60))
def test_numbers_keep_urgency_and_stay_in_range(asked: list[tuple[str, int]]) -> None:
    places: list[Place] = []
    for owner, urgent in asked:
        place = Place(owner, number(urgent, owner, places), running=False)
        assert urgency(place.number) == urgent
        assert 1 <= place.number < 2**31
        places.append(place)
