"""Vocabulary files: those that come along, what is written in one, and what is wrong with others."""

import json
from pathlib import Path

import pytest

from analysis.models import vocabularies
from analysis.models.vocabularies import FACES, FACES_MERGED
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError


@pytest.mark.parametrize(
    ("name", "concepts", "classes", "first", "last"),
    [
        ("ade20k-150", 150, 151, "wall", "flag"),
        ("unified-parsing", 512, 336, "wall (object)", "wood (material)"),
        ("voc-21", 20, 21, "aeroplane", "tv monitor"),
        ("cityscapes-19", 19, 19, "road", "bicycle"),
        ("celebamask-hq", 18, 19, "skin", "hat"),
        ("celebamask-hq-merged", 14, 19, "skin", "hat"),
    ],
)
def test_what_comes_along(name: str, concepts: int, classes: int, first: str, last: str) -> None:
    found = vocabularies.named(name)
    assert (len(found.concepts), found.classes) == (concepts, classes)
    assert (found.concepts[0].name, found.concepts[-1].name) == (first, last)
    assert len({concept.name for concept in found.concepts}) == concepts
    assert len(set(found.colours)) == concepts
    # The labels of each map are every number from the first on, each once.
    for level in range(len(found.map_names)):
        groups = [group for group, own in zip(found.groups, found.maps, strict=True) if own == level]
        numbers = sorted(label for group in groups for label in group)
        assert numbers == list(range(found.first_label, found.first_label + len(numbers)))
    assert vocabularies.parse(found.as_json(), "it") == found


def test_faces_are_merged_as_they_were_published() -> None:
    assert FACES.concepts[1] == Concept("left brow", "part")
    assert FACES_MERGED.groups[FACES_MERGED.concepts.index(Concept("eye", "part"))] == (4, 5)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    rows = [
        "sky",
        {"name": "door", "labels": [7, 9]},
        {"name": "door", "category": "part", "colour": "#102030"},
        {"name": "brick", "category": "material"},
    ]
    file.write_text(json.dumps({"concepts": rows, "maps": ["object", "part", "material"]}))
    found = vocabularies.read(file)
    assert [concept.name for concept in found.concepts] == ["sky", "door (object)", "door (part)", "brick"]
    assert found.groups == ((1,), (7, 9), (1,), (1,))  # numbers count within each map
    assert found.maps == (0, 0, 1, 2)
    assert found.colours[2] == "#102030"


def test_class_names_become_concepts() -> None:
    found = vocabularies.of_names(["wall, brick", "screen, silver screen", "screen, CRT screen", "Tree"])
    names = [concept.name for concept in found.concepts]
    assert names == ["wall", "screen, silver screen", "screen, CRT screen", "Tree"]
    assert found.groups == ((0,), (1,), (2,), (3,))
    assert found.synonyms[0] == ("brick",)


def test_a_vocabulary_merges_the_classes_of_a_network() -> None:
    names = ["wall, brick", "building;edifice", "blind, screen", "tree", "palm, palm tree"]
    wanted = vocabularies.parse(
        [
            {"name": "masonry", "synonyms": ["wall", "Edifice"]},
            {"name": "plant", "synonyms": ["tree", "palm"]},
        ],
        "it",
    )
    assert wanted.grouped(names) == ((0, 1), (3, 4))
    with pytest.raises(GanatomyError, match="class 'wall, brick' to 'wall' and to 'brick'"):
        vocabularies.parse(["wall", "brick"], "it").grouped(names)
    with pytest.raises(GanatomyError, match="'sea' is none of the segmenter's 5 classes"):
        vocabularies.parse(["sea"], "it").grouped(names)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("{}", "holds no vocabulary"),
        ('"sky"', "holds no vocabulary"),
        ("[]", "holds 0 concepts"),
        ("[1]", "has a concept 1; write its name"),
        ('[{"name": "sky", "__class__": "os"}]', "write its name, or an object with"),
        ('[" "]', "the name ' '"),
        ('[""]', "the name ''"),
        ('[{"name": null}]', "write its name"),
        ('["sky", "sky"]', "'sky' twice"),
        ('[{"name": "sky", "category": 3}]', "no text as the category"),
        ('[{"name": "sky", "colour": "blue"}]', "no colour for 'sky'"),
        ('[{"name": "sky", "labels": []}]', "no labels for 'sky'"),
        ('[{"name": "sky", "labels": [-1]}]', "no labels for 'sky'"),
        ('[{"name": "sky", "labels": [true]}]', "no labels for 'sky'"),
        ('[{"name": "sky", "labels": [2]}, "sea"]', "label 2 to 'sky' and to 'sea'"),
        ('{"concepts": ["sky"], "first_label": 2}', "is 0 or 1"),
        ('{"concepts": ["sky"], "maps": ["a", "b"]}', "its maps are a, b"),
        ('{"concepts": ["sky"], "maps": []}', "names no label maps"),
    ],
)
def test_what_is_no_vocabulary_is_one_sentence(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(content)
    with pytest.raises(GanatomyError, match=words):
        vocabularies.read(file)


def test_a_missing_vocabulary_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(GanatomyError, match="no vocabulary file"):
        vocabularies.read(tmp_path / "none.json")
    with pytest.raises(GanatomyError, match="no vocabulary 'x'; choose one of ade20k-150"):
        vocabularies.named("x")
