"""What one ACE costs: seconds, passes, and the share of the time that goes into segmenting.

    python -m benchmarks.ace --concept tree --threads 2

Default settings: three seeds, 50 random sets, single units, side effects. Target: under 180 s on two cores.
"""

import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from analysis import ace
from analysis.models import generators, segmenters
from analysis.shared.latents import latents
from benchmarks.timing import report


def main(
    generator: Annotated[str, typer.Option()] = "churches",
    layer: Annotated[str, typer.Option()] = "layer3",
    concept: Annotated[str, typer.Option()] = "tree",
    store: Annotated[Path, typer.Option()] = Path("store"),
    threads: Annotated[int, typer.Option()] = 2,
    write: Annotated[bool, typer.Option(help="Make the figures the baseline.")] = False,
) -> None:
    """Runs it once; a busy machine makes it slower, so processor time is given beside."""
    torch.set_num_threads(threads)
    segmenter_name = generators.describe(generator, store / "models").default_segmenter or "church-parts"
    made = generators.load(generator, store / "models")
    segmenter = segmenters.load(segmenter_name, store / "models")
    images = made.images(latents(1, 0, 32, made.latent_shape))
    images = images.contiguous(memory_format=torch.channels_last)  # as the tail gives them
    segmenter.labels(images)
    begun = time.process_time()
    for _ in range(3):
        segmenter.labels(images)
    labelling = (time.process_time() - begun) / 3 / len(images)
    wall, processor = time.perf_counter(), time.process_time()
    found = ace(made, segmenter, layer=layer, concept=concept)
    spent = {"seconds": time.perf_counter() - wall, "processor seconds": time.process_time() - processor}
    row = found.summary.iloc[0]
    passes = {name: int(row[name]) for name in ("generator_passes", "tail_passes", "segmenter_passes")}
    share = labelling * passes["segmenter_passes"] / spent["processor seconds"]
    figures = {**spent, **passes, "share of segmenting forward": share, "top overlap": float(row.top_overlap)}
    report(f"ace-{generator}-{concept}", figures, write)


if __name__ == "__main__":
    typer.run(main)
