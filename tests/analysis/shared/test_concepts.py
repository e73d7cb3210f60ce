"""Concepts: one name in two categories, and lists that are none."""

import pytest

from analysis.shared.concepts import Concept, concept_index, distinct
from analysis.shared.errors import GanatomyError

DOORS = (Concept("sky"), Concept("door"), Concept("door", "part"))


def test_one_name_in_two_categories_is_two_names() -> None:
    assert [concept.name for concept in distinct(DOORS)] == ["sky", "door (object)", "door (part)"]
    assert distinct(distinct(DOORS)) == distinct(DOORS)


def test_a_concept_is_found_by_itself_and_by_either_name() -> None:
    assert concept_index(DOORS, Concept("door", "part")) == 2
    assert concept_index(DOORS, "door (object)") == 1
    assert concept_index(distinct(DOORS), "door (part)") == 2
    assert concept_index(DOORS, Concept("sky", "part")) == 0  # by its name, which is unique
    with pytest.raises(GanatomyError, match=r"called 'door'; choose one of door \(object\), door \(part\)"):
        concept_index(DOORS, "door")


@pytest.mark.parametrize(
    ("concepts", "words"),
    [
        ([], "has no concepts"),
        (None, "has no concepts"),
        ("sky", "has no concepts"),
        (["sky", "tree"], "a concept 'sky' of type str; make each one a Concept"),
        ([Concept("")], "the name ''"),
        ([Concept(" ")], "the name ' '"),
        ([Concept(None)], "the name None"),  # type: ignore[arg-type]
        ([Concept("sky", "")], "the category ''"),
        ([Concept("sky"), Concept("sky")], "'sky' twice"),
        ([Concept("door"), Concept("door", "part"), Concept("door (part)")], r"'door \(part\)' twice"),
    ],
)
def test_what_is_no_list_of_concepts_is_one_sentence(concepts: object, words: str) -> None:
    with pytest.raises(GanatomyError, match=words):
        distinct(concepts)  # type: ignore[arg-type]
