"""A comparison as a job: what is refused, that dissections come first, and that the tables are theirs."""

import pytest
import sqlalchemy as sa
from program import run

from analysis.shared.errors import GanatomyError
from db import store
from db.layout import Layout
from db.queries import comparison as queries
from db.schema.comparison import comparison_layer
from jobs.kinds.comparison import ComparisonRequest
from jobs.kinds.requests import parse

SMALL = ("churches-small-1", "churches-small-2")


def test_one_generator_or_the_same_twice_is_refused(layout: Layout) -> None:
    for named in ("churches", "churches,churches"):
        with pytest.raises(GanatomyError, match="generators: name at least two generators, and each once"):
            parse("compare", {"generators": named})
    with pytest.raises(GanatomyError, match="nobody"):
        parse("compare", {"generators": "churches,nobody"}).resolve(layout)


def test_every_generator_is_seen_by_one_segmenter_on_one_sample(layout: Layout) -> None:
    request, _ = ComparisonRequest(generators=SMALL).resolve(layout)
    needed = [each.given() for each in request.before()]
    assert [(each["generator"], each["control"]) for each in needed] == [
        *((name, "none") for name in SMALL),
        *((name, "random-weights") for name in SMALL),
        *((name, "rotation") for name in SMALL),
    ]
    same = ("segmenter", "seed", "images", "calibration", "threshold", "sides")
    assert len({tuple(each[name] for name in same) for each in needed}) == 1
    again, _ = parse("compare", request.model_dump(mode="json")).resolve(layout)
    assert again == request


def test_other_data_sets_are_seen_by_their_own_segmenters(layout: Layout) -> None:
    """Scenes built by hand have the concepts of churches, from another segmenter; a planted disc has none."""
    request, _ = ComparisonRequest(generators=("churches", "planted-scenes")).resolve(layout)
    assert request.segmenter is None
    segmenters = [each.resolve(layout)[0].segmenter for each in request.dissections()]
    assert segmenters == ["church-parts", "scene-colours"]
    with pytest.raises(GanatomyError, match="share no concept; name one segmenter for all"):
        ComparisonRequest(generators=("churches", "planted")).resolve(layout)
    one, _ = ComparisonRequest(generators=("churches", "planted"), segmenter="church-parts").resolve(layout)
    assert one.segmenter == "church-parts"


def test_a_comparison_waits_for_its_dissections_and_holds_them_beside_each_other(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", *SMALL, "--images", "64", "--calibration", "64", "--controls", "rotation"]
    at = ["--store", str(layout.root)]
    status, said, error = run(capsys, *words, "--wait", *at)
    assert status == 0, error
    assert "It waits for 4 dissections." in said
    snapshot = store.open(layout)
    made = queries.comparisons(snapshot)
    assert made["generator"].tolist() == list(SMALL)
    dissections = made["dissection"].tolist()
    status, said, error = run(capsys, *words, *at)
    assert "Already there" in said

    units = queries.detecting(snapshot, dissections)
    counted = snapshot.read(sa.select(comparison_layer))
    for row in counted.to_dict("records"):
        own = units[units["generator"] == row["generator"]]
        own = own if row["layer"] == "all" else own[own["layer"] == row["layer"]]
        own = own if row["category"] == "all" else own[own["category"] == row["category"]]
        assert (row["detectors"], row["concepts"]) == (own["detectors"].sum(), own["concept"].nunique())
    sizes = {"images": 64, "calibration": 64}
    request, _ = parse("compare", {"generators": ",".join(SMALL), **sizes}).resolve(layout)
    controls = [each for each in request.before() if each.given()["control"] == "rotation"]
    rotated = queries.detecting(snapshot, [each.resolve(layout)[1] for each in controls])
    for row in counted.query("category == 'all'").to_dict("records"):
        own = rotated[rotated["generator"] == row["generator"] + "-rotated"]
        own = own if row["layer"] == "all" else own[own["layer"] == row["layer"]]
        assert (row["rotated_detectors"], row["twin_detectors"]) == (own["detectors"].sum(), None)
    means = queries.means(snapshot, str(made["run_id"].iloc[0]))
    whole = means.query("layer == 'all' and category == 'all' and measure == 'detectors'").iloc[0]
    both = counted.query("layer == 'all' and category == 'all'")
    assert whole["mean"] == pytest.approx((both["detectors"] / both["units"]).mean())
    assert (whole["trainings"], whole["low"] < whole["mean"] < whole["high"]) == (2, True)
