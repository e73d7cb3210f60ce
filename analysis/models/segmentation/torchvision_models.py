"""torchvision's segmentation networks from a state dict: DeepLabV3, FCN and LRASPP.

The network follows from the keys: its head, its backbone and the number of classes. What the classes mean is
asked: torchvision's own weights have Pascal VOC's 21, others need a vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor
from torchvision.models import segmentation

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Config
from analysis.models.segmentation.family import Choice, SegmenterFamily, answers
from analysis.models.segmentation.network import (
    BACKGROUND_CHOICE,
    GRID_CHOICE,
    IS_CLASS,
    NetworkSegmenter,
    Scores,
    class_vocabulary,
    softmax,
)
from analysis.models.segmentation.pixels import CHOICES, Pixels
from analysis.models.vocabularies import Vocabulary, named
from analysis.shared.errors import GanatomyError

SIDE = 520  # as in torchvision's training
UNNEEDED = "aux_classifier."  # of training
# The last weights of each head, and the key by which the head is told from the others.
HEADS = {
    "deeplabv3": ("classifier.4.weight", "classifier.0.convs.0.0.weight"),
    "fcn": ("classifier.4.weight", "classifier.0.weight"),
    "lraspp": ("classifier.high_classifier.weight", "classifier.cbr.0.weight"),
}
VOC, VOC_CLASSES = "voc-21", 21
CLASSES_CHOICE = Choice(
    "classes",
    "What the classes are, without a vocabulary: Pascal VOC's 21, as in torchvision's own weights.",
    (VOC,),
    "",
)
BLOCKS = {6: "resnet50", 23: "resnet101"}  # by blocks of layer3


class Architecture(NamedTuple):
    """What a state dict's keys say."""

    builder: str
    classes: int


def architecture(state: State) -> Architecture | None:
    """The name of torchvision's builder, and the number of classes; None for other state dicts."""
    for head, (last, mark) in HEADS.items():
        if last in state and mark in state and state[last].ndim == 4:
            backbone = _backbone(state)
            name = f"{head}_{backbone}"
            if backbone and callable(getattr(segmentation, name, None)):
                return Architecture(name, int(state[last].shape[0]))
    return None


def _backbone(state: State) -> str:
    if "backbone.0.0.weight" in state and "backbone.16.0.weight" in state:
        return "mobilenet_v3_large"
    blocks = re.compile(r"backbone\.layer3\.(\d{1,3})\.conv3\.weight")
    found = {match[1] for key in state if (match := blocks.fullmatch(key))}
    return BLOCKS.get(len(found), "")


def _recognises(state: State, config: Config) -> bool:
    return architecture(state) is not None


def _build(state: State, config: Config, name: str, device: str) -> NetworkSegmenter:
    found = architecture(state)
    if found is None:
        raise GanatomyError(
            "The weights are of no segmentation network of torchvision; it has DeepLabV3, FCN and LRASPP "
            "with ResNet-50, ResNet-101 or MobileNetV3."
        )
    told = answers(FAMILY, config)
    vocabulary = _vocabulary(found.classes, config, told)
    if found.classes > 10_000:
        raise GanatomyError(f"{found.classes:,} classes are too many; use a segmentation network's weights.")
    more: dict[str, Any] = {} if found.builder.startswith("lraspp") else {"aux_loss": False}
    network = getattr(segmentation, found.builder)(
        weights=None, weights_backbone=None, num_classes=found.classes, **more
    )
    used = {
        key: value.float() if value.is_floating_point() else value
        for key, value in state.items()
        if not key.startswith(UNNEEDED)
    }
    load_state(network, used, f"torchvision's {found.builder}")

    def scores(pixels: Tensor) -> Scores:
        return Scores(network(pixels)["out"], softmax)

    return NetworkSegmenter(
        network,
        scores,
        Pixels((SIDE, SIDE)).overridden(told),
        vocabulary,
        found.classes,
        name=name,
        family="torchvision",
        device=device,
        grid=told["grid"],
        about={"builder": found.builder},
    )


def _vocabulary(classes: int, config: Config, told: Mapping[str, str]) -> Vocabulary:
    """The concepts of a network with `classes` classes, which the file does not name."""
    if not told["classes"]:
        if classes == VOC_CLASSES and not config.get("vocabulary"):
            raise GanatomyError(
                f"The file does not name its {classes} classes; say --set classes={VOC} if they are Pascal "
                "VOC's, as in torchvision's own weights, or give --vocabulary."
            )
        return class_vocabulary(None, classes, config)
    if config.get("vocabulary"):
        raise GanatomyError(f"Both classes={VOC} and a vocabulary are given; choose one of them.")
    if classes != VOC_CLASSES:
        raise GanatomyError(
            f"The network has {classes} classes, and Pascal VOC {VOC_CLASSES}; give --vocabulary instead of "
            f"classes={VOC}."
        )
    if told["background"] == IS_CLASS:
        raise GanatomyError(
            f"With classes={VOC}, class 0 is the background; leave out background={IS_CLASS}, or give "
            "--vocabulary."
        )
    return named(VOC)


FAMILY = SegmenterFamily(
    "torchvision: DeepLabV3, FCN, LRASPP",
    _recognises,
    _build,
    (CLASSES_CHOICE, BACKGROUND_CHOICE, GRID_CHOICE, *CHOICES),
)
