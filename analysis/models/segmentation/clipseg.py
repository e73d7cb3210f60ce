"""CLIPSeg (Lueddecke and Ecker 2022): a segmenter of any list of words, from a folder of Hugging Face.

Each word has a probability of its own at each pixel, so the probabilities of several do not sum to one. A
pixel carries the most probable word, if that is over the threshold. Words become tokens once, when the
segmenter is added.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from analysis.models.checkpoints import State
from analysis.models.choice import Choice
from analysis.models.families.family import Config
from analysis.models.segmentation import hub
from analysis.models.segmentation.family import Files, SegmenterFamily, answers
from analysis.models.segmentation.network import GRID_CHOICE, NetworkSegmenter, Scores
from analysis.models.segmentation.pixels import CHOICES, Pixels
from analysis.models.vocabularies import of_names
from analysis.shared.errors import GanatomyError

MOST_WORDS, LONGEST = 64, 60


def _opens(path: Path) -> bool:
    """Whether a folder holds a CLIPSeg."""
    return (path / "config.json").is_file() and hub.plain(path / "config.json").get("model_type") == "clipseg"


def words_of(text: str) -> list[str]:
    """The words of a list such as "sky, tree, front door".

    Raises:
        GanatomyError: there are none, too many, or one stands there twice.
    """
    words = [" ".join(word.split()) for word in text.split(",") if word.strip()]
    if not 1 <= len(words) <= MOST_WORDS or not all(
        re.fullmatch(rf"[\w' -]{{1,{LONGEST}}}", w) for w in words
    ):
        raise GanatomyError(
            f"CLIPSeg names what it is told; say --set words=sky,tree,door, with up to {MOST_WORDS} words."
        )
    if len({word.lower() for word in words}) < len(words):
        raise GanatomyError("A word stands twice in the list for CLIPSeg; name each once.")
    return words


def _read(path: Path, chosen: Mapping[str, str]) -> Files:
    beside = hub.read_beside(path)
    words = words_of(chosen.get("words", ""))
    ids, mask = hub.tokens(path, words)
    beside |= {"words": words, "tokens": ids, "mask": mask}
    return Files(hub.read_weights(path), beside)


def _recognises(state: State, config: Config) -> bool:
    beside = config.get("config", {})
    return isinstance(beside, Mapping) and "words" in beside


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < 1:
        raise GanatomyError(f"'{text[:40]}' is no threshold; give one between 0 and 1, such as 0.5.")
    return value


def _build(state: State, config: Config, name: str, device: str) -> NetworkSegmenter:
    beside = config.get("config", {})
    told = answers(FAMILY, config)
    network, notes = hub.network(beside.get("config", {}), state)
    side = int(network.config.vision_config.image_size)
    pixels = Pixels.of_processor(beside.get("preprocessor", {}), side).overridden(told)
    words = list(beside["words"])
    scores = WordScores(network, beside["tokens"], beside["mask"], _threshold(told["threshold"]))
    # Class 0 is "none of the words"; it is what is left below the threshold.
    return NetworkSegmenter(
        scores,
        scores.classes,
        pixels,
        of_names(words, first_label=1),
        len(words) + 1,
        name=name,
        family="clipseg",
        device=device,
        grid=told["grid"],
        about={"tokens": beside["tokens"], "threshold": told["threshold"]},
        notes=notes,
    )


class WordScores(nn.Module):
    """A CLIPSeg network with its words' embeddings, which are made once."""

    words: Tensor

    def __init__(self, network: Any, tokens: Any, mask: Any, threshold: float) -> None:
        super().__init__()
        self.network, self.threshold = network, threshold
        with torch.no_grad():
            ids, known = torch.tensor(tokens), torch.tensor(mask)
            made = network.get_conditional_embeddings(len(ids), input_ids=ids, attention_mask=known)
        self.register_buffer("words", made, persistent=False)

    def classes(self, pixels: Tensor) -> Scores:
        """The threshold, and the logits of each word, (N, 1 + words, h, w)."""
        # The network's own forward pass runs its vision tower without gradients, so the tower is called here.
        seen = self.network.clip.vision_model(
            pixel_values=pixels, output_hidden_states=True, interpolate_pos_encoding=True
        )
        layers = [seen.hidden_states[number + 1] for number in self.network.extract_layers]
        maps = []
        for word in self.words:
            logits = self.network.decoder(layers, word.expand(len(pixels), -1)).logits
            maps.append(logits.reshape(len(pixels), *logits.shape[-2:]))
        words = torch.stack(maps, 1)
        least = math.log(self.threshold / (1 - self.threshold))
        return Scores(torch.cat([torch.full_like(words[:, :1], least), words], 1), torch.sigmoid)


FAMILY = SegmenterFamily(
    "CLIPSeg, by a list of words",
    _recognises,
    _build,
    (
        Choice("words", "What is looked for: sky,tree,front door.", (), ""),
        Choice("threshold", "The probability from which a pixel carries a word.", (), "0.5"),
        GRID_CHOICE,
        *CHOICES,
    ),
    opens=_opens,
    read=_read,
)
