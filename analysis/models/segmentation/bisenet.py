"""BiSeNet for face parsing (Yu et al. 2018) with a ResNet-18 backbone, 19 classes in CelebAMask-HQ's order.

Reads the widely used face-parsing checkpoints. Only the first of the network's three outputs is built: the
other two help in training alone. Images are judged at 512x512 (at 256 a quarter of the labels change), and a
cell of the result is the mean probability over the pixels that fall into it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from analysis.models.checkpoints import State, load_state, weights_sha256
from analysis.models.choice import Choice
from analysis.models.families.family import Config
from analysis.models.segmentation.family import SegmenterFamily, answers
from analysis.models.vocabularies import FACES, FACES_MERGED, Vocabulary
from analysis.shared.concepts import Concept, concept_index

SIDE = 512
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as in the network's training
BATCH, BATCH_GPU = 4, 32  # 512x512 activations of one image take about 0.2 GB
TRAINING_ONLY = ("conv_out16.", "conv_out32.")


def recognises(state: State, config: Config) -> bool:
    """Whether these are a face parser's keys, with its 19 classes."""
    last = state.get("conv_out.conv_out.weight")
    return (
        last is not None
        and tuple(last.shape) == (FACES.classes, 256, 1, 1)
        and {"cp.resnet.conv1.weight", "ffm.convblk.conv.weight"} <= set(state)
    )


def build(state: State, config: Config, name: str, device: str) -> "FaceSegmenter":
    """The segmenter of a checkpoint.

    Raises:
        GanatomyError: the weights are not such a BiSeNet's.
    """
    vocabulary = {"merged": FACES_MERGED, "all": FACES}[answers(FAMILY, config)["sides"]]
    used = {key: value for key, value in state.items() if not key.startswith(TRAINING_ONLY)}
    network = load_state(BiSeNet(FACES.classes), used, "a face-parsing BiSeNet of 19 classes")
    return FaceSegmenter(network, vocabulary, name, device)


FAMILY = SegmenterFamily(
    "BiSeNet for face parsing (CelebAMask-HQ)",
    recognises,
    build,
    (
        Choice(
            "sides",
            "Left and right as one concept (merged), or apart (all).",
            ("merged", "all"),
            "merged",
        ),
    ),
)


class FaceSegmenter:
    """Labels (N, 1, H, W) and differentiable probabilities, at the images' own size or 512 x 512."""

    family = "bisenet"

    def __init__(self, network: nn.Module, vocabulary: Vocabulary, name: str, device: str) -> None:
        self.name = name
        self.concepts: Sequence[Concept] = vocabulary.concepts
        self.device = torch.device(device)
        self.weights_sha256 = weights_sha256(network.state_dict())
        self._network = network.eval().requires_grad_(False).to(self.device)
        groups = torch.zeros(1 + len(vocabulary.groups), vocabulary.classes)
        for row, classes in enumerate(vocabulary.groups, start=1):
            groups[row, list(classes)] = 1
        groups[0] = 1 - groups.sum(0)  # background, and whatever no concept claims
        self._groups = groups.to(self.device)
        self._mean = torch.tensor(MEAN, device=self.device).view(3, 1, 1)
        self._deviation = torch.tensor(DEVIATION, device=self.device).view(3, 1, 1)

    def labels(self, images: Tensor) -> Tensor:
        """The most probable concept of each pixel, (N, 1, H, W) int64, 0 for none."""
        batch = BATCH if self.device.type == "cpu" else BATCH_GPU
        with torch.inference_mode():
            parts = [self.probabilities(part).argmax(1, keepdim=True) for part in images.split(batch)]
        return (
            torch.cat(parts).clone()
            if parts
            else images.new_zeros((0, 1, *_size(images.shape[2:])), dtype=torch.long)
        )

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """How probable the concept is at each pixel, (N, H, W), differentiable in the images."""
        return self.probabilities(images)[:, 1 + concept_index(self.concepts, concept)]

    def probabilities(self, images: Tensor) -> Tensor:
        """(N, 1 + concepts, H, W), summing to one; row 0 is no concept."""
        large = F.interpolate(images.to(self.device), (SIDE, SIDE), mode="bilinear", align_corners=False)
        logits = self._network(((large + 1) / 2 - self._mean) / self._deviation)
        probable = torch.einsum("gk,nkhw->nghw", self._groups, logits.softmax(1))
        return F.adaptive_avg_pool2d(probable, _size(images.shape[2:]))


def _size(image: Sequence[int]) -> tuple[int, int]:
    """The label maps' size: the images' own, but no finer than the network judges them."""
    return min(image[0], SIDE), min(image[1], SIDE)


class BiSeNet(nn.Module):
    """Images (N, 3, h, w), normalised, to class scores (N, classes, h, w). Names are the checkpoints'."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.cp = ContextPath()
        self.ffm = FeatureFusion()
        self.conv_out = Output(classes)

    def forward(self, x: Tensor) -> Tensor:
        fine, context = self.cp(x)
        scores = self.conv_out(self.ffm(fine, context))
        return F.interpolate(scores, x.shape[2:], mode="bilinear", align_corners=True)  # as it was trained


class Convolution(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, before: int, after: int, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, size, padding=size // 2, bias=False)
        self.bn = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    """ResNet's basic block."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        return F.relu(kept + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class ResNet18(nn.Module):
    """The maps at 1/8, 1/16 and 1/32 of the image's size, 128, 256 and 512 units."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        self.layer4 = nn.Sequential(Block(256, 512, 2), Block(512, 512, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class Attention(nn.Module):
    """Reweighs the units of a map by what they say of the whole image."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = Convolution(before, after, 3)
        self.conv_atten = nn.Conv2d(after, after, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * self.bn_atten(self.conv_atten(x.mean((2, 3), keepdim=True))).sigmoid()


class ContextPath(nn.Module):
    """Fine features beside a wide view, both at 1/8 of the image's size with 128 units."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.arm16, self.arm32 = Attention(256, 128), Attention(512, 128)
        self.conv_head32, self.conv_head16 = Convolution(128, 128, 3), Convolution(128, 128, 3)
        self.conv_avg = Convolution(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        eighth, sixteenth, last = self.resnet(x)
        wide = self.arm32(last) + self.conv_avg(last.mean((2, 3), keepdim=True))
        wide = self.conv_head32(F.interpolate(wide, sixteenth.shape[2:], mode="nearest"))
        wide = self.arm16(sixteenth) + wide
        return eighth, self.conv_head16(F.interpolate(wide, eighth.shape[2:], mode="nearest"))


class FeatureFusion(nn.Module):
    """Joins the fine and the wide view, and reweighs their units."""

    def __init__(self) -> None:
        super().__init__()
        self.convblk = Convolution(256, 256, 1)
        self.conv1 = nn.Conv2d(256, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 256, 1, bias=False)

    def forward(self, fine: Tensor, context: Tensor) -> Tensor:
        x = self.convblk(torch.cat([fine, context], 1))
        weight = self.conv2(F.relu(self.conv1(x.mean((2, 3), keepdim=True)))).sigmoid()
        return x * weight + x


class Output(nn.Module):
    """Class scores at 1/8 of the image's size."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv = Convolution(256, 256, 3)
        self.conv_out = nn.Conv2d(256, classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.conv_out(self.conv(x))
        return scores
