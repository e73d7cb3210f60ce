"""A whole dissection over the bare forward pass of generator and segmenter.

    python -m benchmarks.dissection [--images 1000] [--calibration 500] [--threads 2] [--write]

A 704-unit random-weight DCGAN at 64x64 (256@4, 256@8, 128@16, 64@32) and a segmenter that costs almost
nothing: eight grey levels on 32x32 label maps, every pixel labelled, which is the
most that one map can ask for.
"""

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from analysis import Concept, Generator, Segmenter, dissect, latents
from analysis.models import generators, segmenters
from benchmarks.timing import interleaved, ratio, report

WIDTHS = (256, 256, 128, 64)


class Grey:
    """Labels 1 ... 8 by brightness."""

    concepts: Sequence[Concept] = [Concept(f"grey{level}") for level in range(8)]

    def __init__(self, images: Tensor) -> None:
        grey = self._grey(images).flatten()
        self._edges = torch.quantile(grey[:100_000], torch.linspace(0, 1, 9)[1:-1])

    def labels(self, images: Tensor) -> Tensor:
        return 1 + torch.bucketize(self._grey(images), self._edges)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return self._grey(images)[:, 0].sigmoid()

    @staticmethod
    def _grey(images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images, 2).mean(1, keepdim=True)


def dcgan(widths: Sequence[int] = WIDTHS) -> Generator:
    """The standard shape, with the usual random start."""
    torch.manual_seed(0)
    sizes = [100, *widths]
    steps: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise(sizes)):
        steps += [nn.ConvTranspose2d(before, after, 4, 2 if place else 1, 1 if place else 0, bias=False)]
        steps += [nn.BatchNorm2d(after), nn.ReLU()]
    steps += [nn.ConvTranspose2d(sizes[-1], 3, 4, 2, 1, bias=False), nn.Tanh()]
    module = nn.Sequential(*steps)
    with torch.no_grad():
        module.train()(torch.randn(256, 100, 1, 1))  # so that normalisation has seen something
    return Generator(module, latent_shape=(100, 1, 1), name="random704")


def pair(faces: Path | None) -> tuple[Generator, Segmenter]:
    """What is dissected: the random generator, or the real pair, whose segmenter costs nearly everything."""
    if faces is not None:
        return generators.load("faces", faces), segmenters.load("face-parts", faces)
    generator = dcgan()
    return generator, Grey(generator.images(latents(1, 0, 64, generator.latent_shape)))


def main() -> None:
    """Prints the ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("images", 1000), ("calibration", 500), ("threads", 2), ("repeats", 3)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options.add_argument("--write", action="store_true")
    options.add_argument("--faces", type=Path, help="the models folder of a store: the faces pair instead")
    chosen, _others = options.parse_known_args()
    torch.set_num_threads(chosen.threads)
    generator, segmenter = pair(chosen.faces)
    total = chosen.images + chosen.calibration
    z = latents(1, 0, total, generator.latent_shape)

    def bare() -> None:
        for part in z.split(64):
            segmenter.labels(generator.images(part))

    def whole() -> None:
        dissect(generator, segmenter, images=chosen.images, calibration=chosen.calibration).frame()

    seconds = interleaved({"bare": bare, "dissection": whole}, chosen.repeats, chosen.clock)
    best = {name: min(values) for name, values in seconds.items()}
    figures = {
        "ratio": ratio(seconds, "dissection", "bare"),
        "bare_ms_an_image": 1e3 * best["bare"] / total,
        "dissection_ms_an_image": 1e3 * best["dissection"] / total,
    }
    report(f"{generator.name}-{chosen.threads}-{chosen.clock}", figures, chosen.write)


if __name__ == "__main__":
    main()
