"""Unified parsing (Xiao et al. 2018), the segmenter of GAN Dissection: objects, parts and materials at once.

Reads the folders that GAN Dissection used: encoder_epoch_40.pth, decoder_epoch_40.pth and labels.json. A
ResNet feeds a pyramid with a head for objects, one for the parts of each object, and one for materials. The
head for scenes says nothing of pixels and is left out. A part is named only where its object is, as in GAN
Dissection; there a door of a building counted as the object door, and here the two are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State, load_state, read_apart, weights_sha256
from analysis.models.choice import Choice
from analysis.models.families.family import Config
from analysis.models.segmentation import hub
from analysis.models.segmentation.family import Files, SegmenterFamily, answers
from analysis.models.segmentation.network import GRID, GRID_CHOICE, chosen_grid
from analysis.models.segmentation.pixels import Pixels
from analysis.models.vocabularies import colour
from analysis.shared.concepts import Concept, concept_index, distinct
from analysis.shared.errors import GanatomyError

LABELS = "labels.json"
FILE = re.compile(r"(encoder|decoder)_epoch_(\d{1,6})\.pth")
SCALES = (1, 2, 3, 6)  # of the pyramid of pooled maps
MEAN = (102.9801, 115.9465, 122.7717)  # of blue, green and red in 0 to 255
SIDE = 256  # at which GAN Dissection judged images
OF_PAPER = ("sky", "building", "person")  # whose parts GAN Dissection named
BATCH = 4


def _epoch(path: Path) -> int | None:
    """The last epoch of which a folder has both files."""
    found: dict[str, set[int]] = {"encoder": set(), "decoder": set()}
    for file in path.iterdir():
        if match := FILE.fullmatch(file.name):
            found[match[1]].add(int(match[2]))
    return max(found["encoder"] & found["decoder"], default=None)


def _opens(path: Path) -> bool:
    """Whether a folder holds a unified parsing network."""
    return (path / LABELS).is_file() and _epoch(path) is not None


def _read(path: Path, chosen: Mapping[str, str]) -> Files:
    labels, epoch = hub.plain(path / LABELS), _epoch(path)
    state: State = {}
    for part in ("encoder", "decoder"):
        loaded = read_apart(path / f"{part}_epoch_{epoch}.pth")
        state |= {f"{part}.{key}": value for key, value in loaded.items()}
    return Files(state, {"labels": labels})


def _recognises(state: State, config: Config) -> bool:
    return {"decoder.part_head.1.weight", "encoder.layer4.0.conv1.weight"} <= set(state)


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions, of the shapes under a prefix."""

    def __init__(self, state: State, prefix: str, stride: int) -> None:
        super().__init__()
        shapes = [state[f"{prefix}.conv{number}.weight"].shape for number in (1, 2, 3)]
        inner = shapes[0][0]
        self.conv1 = nn.Conv2d(shapes[0][1], inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        groups = max(1, inner // shapes[1][1])
        self.conv2 = nn.Conv2d(inner, shapes[1][0], 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(shapes[1][0])
        self.conv3 = nn.Conv2d(shapes[2][1], shapes[2][0], 1, bias=False)
        self.bn3 = nn.BatchNorm2d(shapes[2][0])
        self.downsample: nn.Module | None = None
        if f"{prefix}.downsample.0.weight" in state:
            self.downsample = nn.Sequential(
                nn.Conv2d(shapes[0][1], shapes[2][0], 1, stride, bias=False), nn.BatchNorm2d(shapes[2][0])
            )

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        return functional.relu(self.bn3(self.conv3(x)) + kept)


class Encoder(nn.Module):
    """A ResNet whose stem has three convolutions: maps at 1/4, 1/8, 1/16 and 1/32 of the image's size."""

    def __init__(self, state: State) -> None:
        super().__init__()
        for number in (1, 2, 3):
            after, before = state[f"encoder.conv{number}.weight"].shape[:2]
            stride = 2 if number == 1 else 1
            setattr(self, f"conv{number}", nn.Conv2d(before, after, 3, stride, 1, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(after))
        for level in (1, 2, 3, 4):
            prefix = f"encoder.layer{level}"
            numbers = [key.split(".")[2] for key in state if key.startswith(prefix + ".")]
            count = len(set(numbers))
            blocks = [
                Bottleneck(state, f"{prefix}.{number}", 2 if level > 1 and number == 0 else 1)
                for number in range(count)
            ]
            setattr(self, f"layer{level}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        for number in (1, 2, 3):
            x = functional.relu(getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x)))
        x = functional.max_pool2d(x, 3, 2, 1)
        maps = []
        for level in (1, 2, 3, 4):
            x = getattr(self, f"layer{level}")(x)
            maps.append(x)
        return maps


def _convolution(before: int, after: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, padding=size // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


def _head(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(_convolution(width, width, 3), nn.Conv2d(width, classes, 1))


class Decoder(nn.Module):
    """A pyramid over the encoder's maps, with the heads for objects, parts and materials."""

    def __init__(self, state: State, precise: bool) -> None:
        super().__init__()
        self.precise = precise
        width = state["decoder.ppm_last_conv.0.weight"].shape[0]
        pooled, deepest = state["decoder.ppm_conv.0.0.weight"].shape[:2]
        levels = [state[f"decoder.fpn_in.{number}.0.weight"].shape[1] for number in range(3)]
        self.ppm_conv = nn.ModuleList(_convolution(deepest, pooled, 1) for _ in SCALES)
        self.ppm_last_conv = _convolution(deepest + len(SCALES) * pooled, width, 3)
        self.fpn_in = nn.ModuleList(_convolution(level, width, 1) for level in levels)
        self.fpn_out = nn.ModuleList(nn.Sequential(_convolution(width, width, 3)) for _ in levels)
        self.conv_fusion = _convolution(4 * width, width, 3)
        for name in ("object", "part", "material"):
            classes = state[f"decoder.{name}_head.1.weight"].shape[0]
            setattr(self, f"{name}_head", _head(width, classes))

    def forward(self, maps: list[Tensor]) -> dict[str, Tensor]:
        deepest = maps[-1]
        size = tuple(deepest.shape[2:])
        pooled = [deepest]
        for scale, convolution in zip(SCALES, self.ppm_conv, strict=True):
            small = (
                mean_pool(deepest, scale) if self.precise else functional.adaptive_avg_pool2d(deepest, scale)
            )
            pooled.append(convolution(_resized(small, size)))
        f = self.ppm_last_conv(torch.cat(pooled, 1))
        levels = [f]
        for number in (2, 1, 0):
            side = self.fpn_in[number](maps[number])
            f = side + _resized(f, tuple(side.shape[2:]))
            levels.insert(0, self.fpn_out[number](f))
        fine = tuple(levels[0].shape[2:])
        x = self.conv_fusion(torch.cat([_resized(level, fine) for level in levels], 1))
        heads: dict[str, Any] = {
            name: getattr(self, f"{name}_head") for name in ("object", "part", "material")
        }
        return {name: head(levels[0] if name == "material" else x) for name, head in heads.items()}


def _resized(x: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(x.shape[2:]) == size:
        return x
    return functional.interpolate(x, size, mode="bilinear", align_corners=False)


def mean_pool(x: Tensor, bins: int) -> Tensor:
    """Means of a map (N, C, h, w) over bins x bins equal parts, by precise RoI pooling (Jiang et al. 2018).

    The map is taken as a surface through its values at whole coordinates 0, 1, ..., linear between them and
    falling to zero at -1 and h; parts of 0 to h are integrated exactly.
    """
    rows, columns = (_integrals(length, bins).to(x) for length in x.shape[2:])
    return torch.einsum("bh,nchw,dw->ncbd", rows, x, columns)


def _integrals(length: int, bins: int) -> Tensor:
    """The weight of each of `length` values in the mean of each bin, (bins, length)."""
    edges = torch.arange(bins + 1, dtype=torch.float64) * length / bins
    away = edges[:, None] - torch.arange(length, dtype=torch.float64)
    # The integral of max(0, 1 - |t|) up to t.
    low, high = (away.clamp(-1, 0) + 1).square() / 2, 0.5 - (1 - away.clamp(0, 1)).square() / 2
    return (low + high).diff(dim=0) * bins / length


class Unified(nn.Module):
    """Images, as the network takes them, to class scores at 1/4 of their size, by head."""

    def __init__(self, state: State, precise: bool) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(state), Decoder(state, precise)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.decoder(self.encoder(x))
        return found


class Names:
    """What labels.json says: names by head, and which channels of the part head are parts of which object."""

    def __init__(self, labels: Mapping[str, Any], owners: Sequence[str] | None) -> None:
        lists = [labels.get(key) for key in ("object", "material")]
        parts = labels.get("object_part")
        if (
            not all(map(_is_names, lists))
            or not isinstance(parts, Mapping)
            or not all(map(_is_names, parts.values()))
        ):
            raise GanatomyError(
                f"{LABELS} names no objects, materials and parts; use the one of this network."
            )
        self.objects, self.materials = [list(map(str, each)) for each in lists if each is not None]
        unknown = [name for name in parts if name not in self.objects]
        if unknown:
            raise GanatomyError(
                f"{LABELS} has parts of '{unknown[0][:60]}', which is no object of it; correct it."
            )
        self.channels: dict[str, list[str]] = {}  # names by channel, of each object that has parts
        self.starts: dict[str, int] = {}
        for owner in sorted(parts, key=self.objects.index):
            self.starts[owner] = sum(map(len, self.channels.values()))
            self.channels[owner] = list(parts[owner])
        self.owners = [name for name in self.channels if owners is None or name in owners]
        self.parts = list(dict.fromkeys(chain.from_iterable(self.channels[owner] for owner in self.owners)))
        if "-" in self.parts:
            self.parts.remove("-")
        named = [("object", name) for name in self.objects[1:]]
        named += [("part", name) for name in self.parts] + [("material", name) for name in self.materials[1:]]
        self.kinds = [kind for kind, _name in named]
        self.plain = [name for _kind, name in named]
        self.concepts = distinct([Concept(name, kind) for kind, name in named], LABELS)


def _is_names(value: object) -> bool:
    return (
        isinstance(value, list) and 1 < len(value) < 10_000 and all(isinstance(each, str) for each in value)
    )


class UnifiedSegmenter:
    """The segmenter protocol over the three heads: labels (N, 3, h, w), of objects, parts and materials."""

    family = "unified-parsing"

    def __init__(self, network: Unified, names: Names, name: str, device: str, size: int, grid: str) -> None:
        self.name, self.names, self.concepts = name, names, names.concepts
        self.colours = tuple(colour(number) for number in range(len(names.concepts)))
        self.device = torch.device(device)
        own = weights_sha256(network.state_dict())
        told = f"{own} {size} {grid} {network.decoder.precise} {names.owners}"
        self.weights_sha256 = weights_sha256({"": torch.tensor(list(told.encode()), dtype=torch.uint8)})
        self._network = network.eval().requires_grad_(False).to(self.device)
        self._pixels = Pixels((size, size), MEAN, (1.0, 1.0, 1.0), 255.0, flip=True)
        self._grid = chosen_grid(grid)

    def labels(self, images: Tensor) -> Tensor:
        """Labels (N, 3, h, w), int64: 0 is nothing, i + 1 is concepts[i]."""
        with torch.no_grad():
            parts = [self._labels(self._scores(part)) for part in images.split(BATCH)]
        return torch.cat(parts)

    def _labels(self, scores: Mapping[str, Tensor]) -> Tensor:
        names = self.names
        objects = scores["object"].argmax(1)
        materials = scores["material"].argmax(1)
        parts = torch.zeros_like(objects)
        first = len(names.objects) - 1
        for owner in names.owners:
            here = self._of_owner(scores, owner).argmax(1)
            numbers = [
                0 if each == "-" else first + 1 + names.parts.index(each) for each in names.channels[owner]
            ]
            table = torch.tensor(numbers, device=here.device)
            parts = torch.where(objects == names.objects.index(owner), table[here], parts)
        shift = first + len(names.parts)
        return torch.stack([objects, parts, torch.where(materials > 0, materials + shift, 0)], 1)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """How probable the concept is at each pixel, (N, h, w), differentiable in the images.

        A part's probability is the sum over its objects of the object's and that of the part in it.
        """
        number = concept_index(self.concepts, concept)
        kind, plain = self.names.kinds[number], self.names.plain[number]
        return torch.cat([self._probable(self._scores(part), kind, plain) for part in images.split(BATCH)])

    def _probable(self, scores: Mapping[str, Tensor], kind: str, plain: str) -> Tensor:
        names = self.names
        if kind != "part":
            listed = names.objects if kind == "object" else names.materials
            return scores[kind].softmax(1)[:, listed.index(plain)]
        objects, found = scores["object"].softmax(1), []
        for owner in names.owners:
            if plain in names.channels[owner]:
                within = self._of_owner(scores, owner).softmax(1)[:, names.channels[owner].index(plain)]
                found.append(objects[:, names.objects.index(owner)] * within)
        return torch.stack(found).sum(0)

    def _of_owner(self, scores: Mapping[str, Tensor], owner: str) -> Tensor:
        start = self.names.starts[owner]
        return scores["part"][:, start : start + len(self.names.channels[owner])]

    def _scores(self, images: Tensor) -> dict[str, Tensor]:
        height, width = images.shape[2:]
        factor = (self._grid or min(max(height, width), GRID)) / max(height, width)
        grid = (max(1, round(height * factor)), max(1, round(width * factor)))
        found: dict[str, Tensor] = self._network(self._pixels(images.to(self.device)))
        return {name: _resized(each, grid) for name, each in found.items()}


def _build(state: State, config: Config, name: str, device: str) -> UnifiedSegmenter:
    told = answers(FAMILY, config)
    beside = config.get("config", {})
    if config.get("vocabulary"):
        raise GanatomyError(
            f"The concepts of unified parsing are in {LABELS} of its folder; leave --vocabulary out."
        )
    names = Names(beside.get("labels", {}), OF_PAPER if told["parts"] == "paper" else None)
    if not told["size"].isdecimal() or not 32 <= int(told["size"][:6]) <= 2048:
        raise GanatomyError(f"'{told['size'][:40]}' is no size; give 32 to 2048 pixels.")
    used = {
        key: value
        for key, value in state.items()
        if not key.startswith(("decoder.scene_head.", "encoder.fc."))
    }
    try:
        with torch.device("meta"):
            network = Unified(used, told["pooling"] == "precise")
    except (KeyError, IndexError, ValueError, RuntimeError, TypeError) as error:
        raise GanatomyError(
            "The weights are not those of a unified parsing network; use both files."
        ) from error
    load_state(network, used, "a unified parsing network")
    for key, value in list(network.named_buffers()):
        if value.is_meta:  # counters that older files lack
            module = network.get_submodule(key.rpartition(".")[0])
            module.register_buffer(key.rpartition(".")[2], torch.zeros((), dtype=torch.long))
    wanted = {"object": len(names.objects), "material": len(names.materials)}
    wanted["part"] = sum(map(len, names.channels.values()))
    for head, count in wanted.items():
        classes = used[f"decoder.{head}_head.1.weight"].shape[0]
        if classes != count:
            raise GanatomyError(
                f"{LABELS} names {count} {head}s, but the network has {classes}; use the one of this network."
            )
    return UnifiedSegmenter(network, names, name, device, int(told["size"]), told["grid"])


FAMILY = SegmenterFamily(
    "Unified parsing (objects, parts, materials), of GAN Dissection",
    _recognises,
    _build,
    (
        Choice(
            "parts",
            "Whose parts are named: of sky, building and person, as in the paper, or of all.",
            ("paper", "all"),
            "paper",
        ),
        Choice(
            "pooling",
            "How the deepest map is pooled: precise as in GAN Dissection, or adaptive.",
            ("precise", "adaptive"),
            "precise",
        ),
        Choice("size", "The size at which images are judged.", (), str(SIDE)),
        GRID_CHOICE,
    ),
    opens=_opens,
    read=_read,
)
