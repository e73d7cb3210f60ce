import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.editing.edits import OPERATIONS, Box, Edit, Step, Unit, boxes
from analysis.shared.errors import GanatomyError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
BOXES = st.tuples(*[st.integers(0, 99)] * 4).map(
    lambda b: Box(min(b[:2]), max(b[:2]), min(b[2:]), max(b[2:]))  # type: ignore[arg-type]
)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    operation = draw(st.sampled_from(OPERATIONS))
    numbers = draw(st.lists(st.integers(0, 1023), min_size=1, max_size=12, unique=True))
    valued = operation in ("insert", "scale") or (operation == "mean" and draw(st.booleans()))
    return Step(
        operation,
        draw(st.sampled_from(["layer1", "layer12", "main.2"])),
        tuple(Unit(number, draw(FINITE) if valued else None) for number in numbers),
        tuple(draw(st.lists(BOXES, max_size=3))),
        draw(st.floats(0, 1)),
        draw(st.integers(0, 10**9)) if operation == "interpolate" else None,
    )


@given(st.lists(steps(), max_size=4).map(lambda listed: Edit(tuple(listed))))
def test_text_and_back_is_the_same_edit(edit: Edit) -> None:
    assert Edit.parse(str(edit)) == edit
    assert str(Edit.parse(str(edit))) == str(edit)


def test_the_short_texts() -> None:
    assert str(Edit()) == ""
    assert str(Edit.ablate("layer3", [31, 4, 17])) == "ablate layer3 4,17,31"
    assert str(Edit.ablate("layer3", range(8))) == "ablate layer3 0-7"
    assert str(Edit.insert("layer4", {40: 2, 12: 3.5}, [Box(8, 11, 3, 6)], 0.5)) == (
        "insert layer4 12=3.5,40=2 at 8-11:3-6 by 0.5"
    )
    assert str(Edit.interpolate("layer2", [3], latent=12)) == "interpolate layer2 3 to 12"
    both = Edit.ablate("layer3", [4]).then(Edit.scale("layer1", {7: 2}))
    assert str(both) == "ablate layer3 4; scale layer1 7=2"
    assert both.layers == ("layer3", "layer1")
    assert [step.operation for step in both.at("layer1")] == ["scale"]


def test_blanks_and_order_of_options_do_not_matter() -> None:
    assert Edit.parse("  ablate  layer3 17,4 by 0.5 at 1:2 ;") == Edit.parse(
        "ablate layer3 4,17 at 1:2 by 0.5"
    )
    assert Edit.parse("") == Edit()


@pytest.mark.parametrize(
    "text",
    [
        "ablate",
        "ablate layer3",
        "destroy layer3 4",
        "ablate layer3 x",
        "ablate layer3 7-4",
        "ablate layer3 4,4",
        "ablate layer3 -1",
        "ablate layer3 4=1",
        "insert layer3 4",
        "insert layer3 4=nan",
        "scale layer3 4=inf",
        "ablate layer3 4 by 2",
        "ablate layer3 4 by",
        "ablate layer3 4 at 3",
        "ablate layer3 4 at 5-3:1",
        "ablate layer3 4 with 3",
        "ablate layer3 4 by 0.5 by 0.5",
        "interpolate layer3 4",
        "ablate layer3 4 to 9",
        "ablate ../x 4",
        "ablate layer3 0-999999",
        "__import__('os').system('true')",
    ],
)
def test_what_is_no_edit_is_one_sentence(text: str) -> None:
    with pytest.raises(
        GanatomyError, match=r"^The edit '.*' (cannot be read|is not possible): .*\.$"
    ) as caught:
        Edit.parse(text)
    assert "\n" not in str(caught.value)


@given(st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12))))
def test_boxes_hold_exactly_the_cells(cells: set[tuple[int, int]]) -> None:
    found = boxes(cells)
    held = [
        (row, column)
        for box in found
        for row in range(box.top, box.bottom + 1)
        for column in range(box.left, box.right + 1)
    ]
    assert sorted(held) == sorted(cells)
    assert boxes(reversed(sorted(cells))) == found


def test_a_rectangle_is_one_box() -> None:
    assert boxes((row, column) for row in range(3, 7) for column in range(2, 9)) == (Box(3, 6, 2, 8),)
