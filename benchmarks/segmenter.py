"""What church-parts costs: its processor time over that of the churches generator's own forward pass.

python -m benchmarks.segmenter
"""

from collections.abc import Callable
from typing import Annotated

import torch
import typer

from analysis.models import generators, segmenters
from analysis.shared.latents import latents
from benchmarks.timing import interleaved, ratio, report


def main(
    images: Annotated[int, typer.Option(help="Images in a batch.")] = 32,
    repeats: Annotated[int, typer.Option()] = 15,
    write: Annotated[bool, typer.Option(help="Make the figures the baseline.")] = False,
) -> None:
    """Times the generator, labels, and one concept's probability with its gradient in turn, at one thread."""
    torch.set_num_threads(1)
    made, parts = generators.load("churches", None), segmenters.load("church-parts", None)
    z = latents(1, 0, images, made.latent_shape)
    shown = made.images(z)

    def learned() -> torch.Tensor:
        given = shown.clone().requires_grad_()
        parts.probability(given, "door").mean().backward()
        assert given.grad is not None
        return given.grad

    runs: dict[str, Callable[[], object]] = {
        "generator": lambda: made.images(z),
        "labels": lambda: parts.labels(shown),
        "gradient": learned,
    }
    seconds = interleaved(runs, repeats, "cpu")
    figures = {
        "labels over the generator's pass": ratio(seconds, "labels", "generator"),
        "probability and its gradient over the generator's pass": ratio(seconds, "gradient", "generator"),
    }
    report(f"segmenter-churches-{images}", figures, write)


if __name__ == "__main__":
    typer.run(main)
