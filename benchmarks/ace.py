"""What one ACE costs beside its bare passes, and how many passes it makes.

    python -m benchmarks.ace --concept tree

The ratio is the whole call, with all evidence, over the number of passes times the bare cost of a pass: tail
and segmenter of 32 edited images at once, measured before and after in the same process. A step of the
learning goes forward and backward; it is counted at the bare cost of that, and once more as a plain pass.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from analysis import Generator, ace
from analysis.models import generators, segmenters
from analysis.models.segmenter import Segmenter
from analysis.shared.concepts import Concept
from analysis.shared.latents import latents
from benchmarks.timing import interleaved, report

TOGETHER = 32
FEW = {"seeds": 2, "steps": 2, "training": 16, "images": 8, "random_sets": 1, "cell_images": 2}
FEW |= {"choosing": 4, "single_images": 2, "first_steps": 2, "path_steps": 2, "needed_images": 2}


class Counted:
    """A segmenter that counts the images of which it was asked a gradient."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter, self.with_gradient = segmenter, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._segmenter, name)

    @property
    def concepts(self) -> Sequence[Concept]:
        return self._segmenter.concepts

    def labels(self, images: Tensor) -> Tensor:
        return self._segmenter.labels(images)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        self.with_gradient += len(images) if images.requires_grad else 0
        return self._segmenter.probability(images, concept)


def bare(generator: Generator, segmenter: Segmenter, layer: str, concept: str) -> dict[str, list[float]]:
    """Seconds of 32 images: the whole generator, an edited pass, and one forward and backward."""
    z = latents(1, 0, TOGETHER, generator.latent_shape)
    cut = generator.cut(z, layer)
    r = cut.r.contiguous(memory_format=torch.channels_last)

    def forward() -> Tensor:
        with torch.no_grad():
            return segmenter.labels(cut.tail(r))

    def backward() -> Tensor:
        edited = r.clone().requires_grad_()
        return torch.autograd.grad(segmenter.probability(cut.tail(edited), concept).mean(), [edited])[0]

    runs: dict[str, Callable[[], object]] = {"forward": forward, "backward": backward}
    runs["whole"] = lambda: generator.images(z)
    return interleaved(runs, 3, "cpu")


def main(
    generator: Annotated[str, typer.Option()] = "churches",
    layer: Annotated[str, typer.Option()] = "layer3",
    concept: Annotated[str, typer.Option()] = "tree",
    store: Annotated[Path, typer.Option()] = Path("store"),
    threads: Annotated[int, typer.Option()] = 1,
    seed: Annotated[int, typer.Option()] = 1,
    write: Annotated[bool, typer.Option(help="Make the figures the baseline.")] = False,
) -> None:
    """Runs it once at default settings, after a small one that compiles what is compiled."""
    torch.set_num_threads(threads)
    made = generators.load(generator, store / "models")
    name = generators.describe(generator, store / "models").default_segmenter or "church-parts"
    segmenter = Counted(segmenters.load(name, store / "models"))
    ace(made, segmenter, layer=layer, concept=concept, amounts=FEW)
    seconds = bare(made, segmenter, layer, concept)
    segmenter.with_gradient = 0
    wall, processor = time.perf_counter(), time.process_time()
    found = ace(made, segmenter, layer=layer, concept=concept, seed=seed)
    spent, waited = time.process_time() - processor, time.perf_counter() - wall
    again = bare(made, segmenter, layer, concept)
    cost = {run: sum(seconds[run] + again[run]) / 6 / TOGETHER for run in seconds}
    row = found.summary.iloc[0]
    passes, whole, backward = int(row["tail_passes"]), int(row["generator_passes"]), segmenter.with_gradient
    # An unedited image of a sample is one whole pass, and one of the tail and segmenter.
    least = whole * cost["whole"] + (passes - backward) * cost["forward"] + backward * cost["backward"]
    figures = {
        "over its bare passes": spent / least,
        "over as many plain passes": spent / (whole * cost["whole"] + passes * cost["forward"]),
        "passes": passes,
        "passes forward and backward": backward,
        "forward and backward over forward": cost["backward"] / cost["forward"],
        "ms of a pass": 1000 * cost["forward"],
        "processor seconds": spent,
        "seconds": waited,
        "removed": float(row["removed"]),
        "effect": float(row["effect"]),
        "top overlap": float(row["top_overlap"]),
        "start agreement": float(row["start_agreement"]),
    }
    report(f"ace-{generator}-{concept}-{threads}", figures, write)


if __name__ == "__main__":
    typer.run(main)
