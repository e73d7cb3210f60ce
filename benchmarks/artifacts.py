"""What one search for artifact units costs: seconds, passes, and the share of it that is the extractor's.

    python -m benchmarks.artifacts --layer layer3 --threads 2

Default settings of the job: 1,000 images, 50 random sets, drawn churches. Target: under 900 s on two cores.
"""

import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from analysis.artifacts.artifacts import rank_artifacts
from analysis.artifacts.features import as_extractor
from analysis.artifacts.references import reference
from analysis.models import generators, segmenters
from analysis.shared.latents import latents
from benchmarks.timing import report

TIMED = 20  # batches that the extractor is timed on


def extracting(network: object, images: torch.Tensor) -> float:
    """Processor seconds that the features of one image take."""
    extractor = as_extractor(network)
    with torch.no_grad():
        extractor(images)
        begun = time.process_time()
        for _ in range(TIMED):
            extractor(images)
    return (time.process_time() - begun) / TIMED / len(images)


def main(
    generator: Annotated[str, typer.Option()] = "churches",
    layer: Annotated[str, typer.Option()] = "layer3",
    name: Annotated[str, typer.Option("--reference")] = "drawn:churches",
    images: Annotated[int, typer.Option()] = 1000,
    sets: Annotated[int, typer.Option()] = 50,
    store: Annotated[Path, typer.Option()] = Path("store"),
    threads: Annotated[int, typer.Option()] = 2,
    write: Annotated[bool, typer.Option(help="Make the figures the baseline.")] = False,
) -> None:
    """Runs it once; a busy machine makes it slower, so processor time is given beside."""
    torch.set_num_threads(threads)
    known = generators.describe(generator, store / "models").default_segmenter or "church-parts"
    made = generators.load(generator, store / "models")
    eyes = segmenters.load(known, store / "models")
    one = extracting(eyes, made.images(latents(1, 0, 16, made.latent_shape)))
    pictures = reference(
        name, 2 * images, size=(made.image_shape[1], made.image_shape[2]), models=store / "models"
    )
    wall, processor = time.perf_counter(), time.process_time()
    found = rank_artifacts(made, eyes, pictures, layer=layer, images=images, sets=sets, reference_name=name)
    spent = {"seconds": time.perf_counter() - wall, "processor seconds": time.process_time() - processor}
    passes = int(found.about["tail_passes"])
    figures = {
        **spent,
        "tail passes": passes,
        "ms a pass": 1000 * spent["processor seconds"] / passes,
        "share of the extractor": one * passes / spent["processor seconds"],
    }
    report(f"artifacts-{generator}-{layer}", figures, write)
    print(found.effects().query("metric == 'FID'").to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    typer.run(main)
