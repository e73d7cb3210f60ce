"""What an insertion of one concept costs, over its passes at the bare cost of tail and segmenter.

    python -m benchmarks.insertions --layer layer3 --concept tree

Three small runs give the cost of the stages before any insertion, of an image, and of an image that is
traced; the seconds of the whole case (64 images, default settings) are extrapolated from them.
"""

import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from analysis.context.context import insertion_context
from analysis.models import generators, segmenters
from analysis.models.generator import Generator, quick_layout
from analysis.models.segmenter import Segmenter
from analysis.shared.latents import latents
from benchmarks.timing import report
from jobs.system.processes import keep_memory

BATCHES = (8, 16, 32)


def bare(generator: Generator, segmenter: Segmenter, layer: str) -> float:
    """Processor seconds of one image through tail and segmenter at the best batch size."""
    best = float("inf")
    with torch.no_grad():
        for batch in BATCHES:
            cut = generator.cut(latents(1, 0, batch, generator.latent_shape), layer)
            tail, r = cut.kept or cut, quick_layout(cut.r)
            segmenter.labels(tail.tail(r))
            begun = time.process_time()
            for _ in range(128 // batch):
                segmenter.labels(tail.tail(r))
            best = min(best, (time.process_time() - begun) / 128)
    return best


def main(
    generator: Annotated[str, typer.Option()] = "churches",
    layer: Annotated[str, typer.Option()] = "layer3",
    concept: Annotated[str, typer.Option()] = "tree",
    images: Annotated[int, typer.Option(help="Of the extrapolated case.")] = 64,
    store: Annotated[Path, typer.Option()] = Path("store"),
    write: Annotated[bool, typer.Option(help="Make the figures the baseline.")] = False,
) -> None:
    """Times in processor time at one thread, with the bare cost measured before and after each run."""
    torch.set_num_threads(1)
    keep_memory()
    made = generators.load(generator, store / "models")
    known = generators.describe(generator, store / "models").default_segmenter or "church-parts"
    segmenter = segmenters.load(known, store / "models")
    costs = [bare(made, segmenter, layer)]

    def spent(some: int, traced: int) -> tuple[float, int]:
        begun = time.process_time()
        found = insertion_context(made, segmenter, layer=layer, concept=concept, images=some, traced=traced)
        seconds = time.process_time() - begun
        costs.append(bare(made, segmenter, layer))
        summary = found.tables()["context_summary"]
        print(summary[["strength", "cells_together", "together_difference", "together_error"]].to_string())
        return seconds, int(found.facts["tail_passes"])

    (few, passes), (many, more), (traced, _) = spent(4, 0), spent(12, 0), spent(4, 4)
    place = made.layer(layer)
    cells = place.height * place.width
    each, trace = (many - few) / 8, (traced - few) / 4
    one = sum(costs) / len(costs)
    report(
        f"insertions-{generator}-{layer}",
        {
            "over its passes at bare cost": (many - few) / ((more - passes) * one),
            "passes over cells, edits and images": (more - passes) / (8 * 4 * cells),
            "bare ms a pass": 1000 * one,
            "ms a pass": 1000 * (many - few) / (more - passes),
            f"processor seconds, {images} images, extrapolated": few + (images - 4) * each + 16 * trace,
        },
        write,
    )


if __name__ == "__main__":
    typer.run(main)
