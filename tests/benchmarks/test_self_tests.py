"""The cases of docs/self-tests.md, with bounds."""

import pytest

from benchmarks import self_tests


def rows(found: list[self_tests.Row], key: str) -> dict[object, self_tests.Row]:
    return {row[key]: row for row in found}


def test_scores_that_names_go_by_notice_wrong_labels_whatever_the_frequency() -> None:
    found = rows(self_tests.wrong_labels(), "score")
    for score in ("IoU", "lift", "information quality", "average precision over frequency", "correlation"):
        assert found[score]["notices both"], score
    for score in ("AUROC (not offered)", "balanced accuracy (not offered)", "accuracy", "recall"):
        assert not found[score]["notices both"], score


@pytest.mark.slow
def test_true_pairs_rank_first() -> None:
    found = rows(self_tests.planted_pairs(), "score")
    for score in ("lift", "average_precision_lift", "correlation"):
        assert found[score]["average precision of true pairs"] >= 0.9, score  # type: ignore[operator]
    assert found["accuracy"]["average precision of true pairs"] <= 0.7  # type: ignore[operator]


@pytest.mark.slow
def test_true_causes_rank_first() -> None:
    found = rows(self_tests.planted_effects(), "ranking")
    assert found["alpha"]["average precision of true causes"] >= 0.95  # type: ignore[operator]
    assert found["IoU"]["average precision of true causes"] <= 0.8  # type: ignore[operator]


@pytest.mark.slow
def test_units_that_know_nothing_are_no_detectors() -> None:
    for row in self_tests.true_nulls():
        assert row["runs with a false detector"] <= 0.05, row  # type: ignore[operator]


@pytest.mark.slow
def test_intervals_cover() -> None:
    for row in self_tests.coverage():
        for name, share in row.items():
            if name != "sample" and share is not None:
                assert 0.89 <= share <= 0.985, (row, name)  # type: ignore[operator]


@pytest.mark.slow
def test_scores_go_with_effects() -> None:
    for row in self_tests.scores_and_effects(["layer4"]):
        assert row["lift"] > 0, row  # type: ignore[operator]
