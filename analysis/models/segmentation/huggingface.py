"""Segmentation networks of Hugging Face: a folder with config.json and model.safetensors, or a revision.

Semantic ones (SegFormer, UPerNet, BEiT, DPT, ...) score each class at each pixel. Universal ones
(Mask2Former, OneFormer, EoMT, MaskFormer) return masks with classes, which are summed as their papers do.
Nothing but tensors and plain values is read: no code of the folder is run, and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State
from analysis.models.families.family import Config
from analysis.models.segmentation import hub
from analysis.models.segmentation.family import Files, SegmenterFamily, answers
from analysis.models.segmentation.network import (
    BACKGROUND_CHOICE,
    GRID_CHOICE,
    NetworkSegmenter,
    Scores,
    class_vocabulary,
    softmax,
)
from analysis.models.segmentation.pixels import CHOICES, Pixels
from analysis.shared.errors import GanatomyError

LONGEST_TASK = 1000  # tokens of OneFormer's question
MASKS = 384  # Mask2Former's masks are compared at this size, whatever the image's
FIXED = {"beit", "data2vec-vision", "eomt", "eomt_dinov3"}  # networks that take images of one size alone


def _opens(path: Path) -> bool:
    """Whether a folder holds a segmentation network of Hugging Face."""
    config = hub.plain(path / "config.json") if (path / "config.json").is_file() else {}
    return config.get("model_type") not in (None, "clipseg")


def _read(path: Path, chosen: Mapping[str, str]) -> Files:
    beside = hub.read_beside(path)
    if beside["config"].get("model_type") == "oneformer":
        beside["tokens"] = _task(path, beside)
    return Files(hub.read_weights(path), beside)


def _task(path: Path, beside: Mapping[str, Any]) -> list[int]:
    """The tokens of OneFormer's question, which is always the same."""
    length = beside["config"].get("task_seq_len", 77)
    if type(length) is not int or not 1 <= length <= LONGEST_TASK:
        raise GanatomyError(
            f"config.json gives no possible task_seq_len ({str(length)[:40]}); it is a whole number from 1 "
            f"to {LONGEST_TASK:,}, and 77 in published models."
        )
    ids, mask = hub.tokens(path, ["the task is semantic"], length)
    return [token * known for token, known in zip(ids[0], mask[0], strict=True)]


def _recognises(state: State, config: Config) -> bool:
    beside = config.get("config", {})
    return isinstance(beside, Mapping) and "preprocessor" in beside and "words" not in beside


def _build(state: State, config: Config, name: str, device: str) -> NetworkSegmenter:
    beside = config.get("config", {})
    told = answers(FAMILY, config)
    network, notes = hub.network(beside.get("config", {}), state)
    settings, processor = network.config, beside.get("preprocessor", {})
    kind = str(settings.model_type)
    fixed = settings.image_size if kind in FIXED and isinstance(settings.image_size, int) else None
    pixels = Pixels.of_processor(processor, fixed).overridden(told)
    reduced = bool(processor.get("do_reduce_labels", processor.get("reduce_labels", False)))
    names = hub.class_names(settings)
    vocabulary = class_vocabulary(names, settings.num_labels, config, reduced)
    if not processor:
        notes.append(
            "The folder has no preprocessor_config.json: images are judged at "
            f"{'x'.join(map(str, pixels.shape(512, 512)))} with ImageNet's mean and deviation."
        )
    return NetworkSegmenter(
        network,
        _scores(network, kind, beside.get("tokens")),
        pixels,
        vocabulary,
        settings.num_labels,
        name=name,
        family="huggingface",
        device=device,
        grid=told["grid"],
        about={"tokens": beside.get("tokens")},
        notes=notes,
    )


def _scores(network: nn.Module, kind: str, tokens: list[int] | None) -> Any:
    def of_classes(pixels: Tensor) -> Scores:
        return Scores(network(pixel_values=pixels).logits, softmax)

    def of_masks(pixels: Tensor) -> Scores:
        more = {}
        if kind == "oneformer":
            task = torch.tensor(tokens, device=pixels.device, dtype=torch.float32)
            more["task_inputs"] = task.expand(len(pixels), -1)
        found = network(pixel_values=pixels, **more)
        masks = found.masks_queries_logits
        size = pixels.shape[2:] if kind.startswith("eomt") else (MASKS, MASKS)
        if kind == "mask2former" or kind.startswith("eomt"):
            masks = functional.interpolate(masks, tuple(size), mode="bilinear", align_corners=False)
        # The last class is "no object". Sums over masks may exceed 1, where several masks hold one class.
        classes = found.class_queries_logits.softmax(-1)[..., :-1]
        sums = torch.einsum("nqk,nqhw->nkhw", classes, masks.sigmoid())
        return Scores(sums, lambda values: values / values.sum(1, keepdim=True).clamp(min=1))

    return of_masks if hub.is_universal(network) else of_classes


FAMILY = SegmenterFamily(
    "Hugging Face (SegFormer, UPerNet, Mask2Former, OneFormer, EoMT, ...)",
    _recognises,
    _build,
    (BACKGROUND_CHOICE, GRID_CHOICE, *CHOICES),
    opens=_opens,
    read=_read,
)
