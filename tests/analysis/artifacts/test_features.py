"""Which network's features a search for artifact units compares pictures by."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from analysis.artifacts.artifacts import _told
from analysis.artifacts.features import as_extractor, chosen_network, features_of, name_of
from analysis.artifacts.settings import ArtifactsSettings, feature_count
from analysis.models import efficientnet_lite, segmenters
from analysis.models.efficientnet_lite import EfficientNetLite
from analysis.shared.errors import GanatomyError


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder without weights, and no package index."""
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", tmp_path.joinpath("empty").as_uri())
    return tmp_path / "models"


def test_a_segmenter_with_features_of_its_own_is_used(nowhere: Path) -> None:
    church_parts = segmenters.load("church-parts", None)
    for features in ("auto", "segmenter"):
        assert chosen_network(features, church_parts, 1000, nowhere) is church_parts


def test_shares_and_colours_are_compared_where_they_are_asked_for(nowhere: Path) -> None:
    planted = segmenters.load("planted", None)
    assert chosen_network("segmenter", planted, 1000, nowhere) is planted
    assert as_extractor(planted)(torch.zeros(2, 3, 32, 32)).shape == (2, len(planted.concepts) + 48)


@pytest.mark.parametrize("features", ["auto", "imagenet"])
def test_weights_that_cannot_be_fetched_are_one_sentence_with_a_way_out(nowhere: Path, features: str) -> None:
    planted = segmenters.load("planted", None)
    with pytest.raises(GanatomyError, match="Or compare pictures by the segmenter's features") as caught:
        chosen_network(features, planted, 1000, nowhere)
    assert "\n" not in str(caught.value)


def test_an_unknown_kind_of_features_is_refused() -> None:
    with pytest.raises(GanatomyError, match="auto, imagenet, segmenter"):
        ArtifactsSettings(features="vgg")  # type: ignore[arg-type]


@pytest.mark.parametrize(("images", "expected"), [(1000, 128), (200, 40), (20, 4)])
def test_imagenet_gives_as_many_features_as_the_images_allow(
    pytestconfig: pytest.Config, images: int, expected: int
) -> None:
    models = pytestconfig.cache.mkdir("models")
    try:
        efficientnet_lite.fetch(models)
    except GanatomyError as error:
        pytest.skip(f"the ImageNet weights cannot be fetched here: {error}")
    network = chosen_network("auto", segmenters.load("planted", None), images, models)
    assert isinstance(network, EfficientNetLite)
    assert name_of(network) == "EfficientNet-Lite0 (ImageNet)"
    found: Tensor = as_extractor(network)(torch.zeros(1, 3, 32, 32))
    assert found.shape == (1, expected)


@pytest.mark.parametrize("name", ["church-parts", "planted"])
def test_the_number_of_features_is_known_before_a_network_is_loaded(name: str) -> None:
    about, network = segmenters.describe(name), segmenters.load(name, Path("unused"))
    height, width = (64, 64) if name == "church-parts" else (32, 32)
    found = features_of(as_extractor(network), torch.zeros(2, 3, height, width)).shape[1]
    assert feature_count("segmenter", about.family, len(about.concepts)) == found
    assert feature_count("imagenet", about.family, len(about.concepts)) is None


def test_reading_the_reference_tells_how_many_pictures_were_read() -> None:
    for pictures, expected in (
        (torch.zeros(70, 3, 2, 2), [32, 64, 70]),
        (iter([torch.zeros(50, 3, 2, 2), torch.zeros(20, 3, 2, 2)]), [50, 70]),
        ([torch.zeros(50, 3, 2, 2), torch.zeros(20, 3, 2, 2)], [50, 70]),
    ):
        read: list[int] = []
        assert sum(len(batch) for batch in _told(pictures, read.append)) == 70
        assert read == expected
