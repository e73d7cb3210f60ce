"""What one search for artifact units costs, over its passes at the bare cost of tail and features.

    python -m benchmarks.artifacts --layer layer3            # parts are timed, the whole is extrapolated
    python -m benchmarks.artifacts --whole --threads 2       # the whole search, minutes long

Default settings of the job: 1,000 images, 50 random sets, drawn churches. Target: under 240 s on two cores.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from analysis.artifacts import ablations
from analysis.artifacts.artifacts import _random_lists, rank_artifacts
from analysis.artifacts.features import Extractor, as_extractor
from analysis.artifacts.references import reference
from analysis.artifacts.settings import ArtifactsSettings
from analysis.artifacts.study import CHUNK, distinct
from analysis.models import generators, segmenters
from analysis.models.generator import Generator, ImageCut, ImageTail, quick_layout
from analysis.shared.distances import Yardstick
from analysis.shared.latents import latents
from benchmarks.timing import report
from jobs.system.processes import keep_memory

BATCHES, ROUNDS = (8, 16, 32), 4
PART = 128  # latents that are timed


def seconds(run: Callable[[], object], repeats: int = 1) -> float:
    """Processor seconds of one run, after one that is not measured."""
    run()
    begun = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - begun) / repeats


def bare(generator: Generator, extractor: Extractor, layer: str) -> float:
    """Processor seconds of one image through tail and extractor at the best batch size."""
    found = []
    with torch.no_grad():
        for batch in BATCHES:
            cut = generator.cut(latents(1, 0, batch, generator.latent_shape), layer)
            tail, r = cut.kept or cut, quick_layout(cut.r)
            found.append(seconds(partial(_seen, extractor, tail, r), PART // batch) / batch)
    return min(found)


def _seen(extractor: Extractor, tail: ImageTail | ImageCut, r: torch.Tensor) -> object:
    return extractor(tail.tail(r))


def parts(generator: Generator, network: Any, layer: str, settings: ArtifactsSettings) -> dict[str, float]:
    """The figures from timed parts: a chunk of lists on some latents, distances of as many features."""
    extractor, units = as_extractor(network), generator.layer(layer).units
    random = _random_lists(units, settings.random_counts, settings.sets, 1)
    lists = [listed.units for listed in random[: CHUNK * 7 : 7]]
    costs, passes, made, extracted = [], [], [], []
    kept = ablations.kept_maps(generator, layer, 1, (0, PART))
    pictures = generator.images(latents(1, 0, PART, generator.latent_shape))
    for _ in range(ROUNDS):  # in turn, since a busy machine slows all of them
        costs.append(bare(generator, extractor, layer))
        one = seconds(lambda: ablations.ablated_features(kept, extractor, lists))
        passes.append(one / PART / len(lists))
        made.append(seconds(lambda: ablations.kept_maps(generator, layer, 1, (0, PART))) / PART)
        with torch.no_grad():
            extracted.append(seconds(lambda: extractor(pictures[:32])) / 32)
    features = np.random.default_rng(0).normal(size=(settings.images, extractor(pictures[:1]).shape[1]))
    yardstick = Yardstick(features + 0.1)
    fid, kid = (seconds(partial(way, features), 3) for way in (yardstick.fid, yardstick.kid))
    measured = len(distinct(random)) + 2 * len(settings.counts) + 1
    total = settings.images * (1 + units + measured)
    whole = total * float(np.median(passes)) + settings.images * 2 * float(
        np.median(made) + np.median(extracted)
    )
    whole += (units + measured) * fid + measured * kid
    return {
        "over its passes at bare cost": whole / (total * float(np.median(costs))),
        "a pass over its bare cost": float(np.median(np.divide(passes, costs))),
        "bare ms a pass": 1000 * float(np.median(costs)),
        "tail passes": total,
        "ms of a distance FID and KID": 1000 * (fid + kid),
        "processor seconds, extrapolated": whole,
    }


def main(
    generator: Annotated[str, typer.Option()] = "churches",
    layer: Annotated[str, typer.Option()] = "layer3",
    name: Annotated[str, typer.Option("--reference")] = "drawn:churches",
    images: Annotated[int, typer.Option()] = 1000,
    sets: Annotated[int, typer.Option()] = 50,
    store: Annotated[Path, typer.Option()] = Path("store"),
    threads: Annotated[int, typer.Option()] = 1,
    whole: Annotated[bool, typer.Option(help="Run the whole search.")] = False,
    write: Annotated[bool, typer.Option(help="Make the figures the baseline.")] = False,
) -> None:
    """Times parts, or the whole search once; a busy machine makes that slower than its processor time."""
    torch.set_num_threads(threads)
    keep_memory()
    known = generators.describe(generator, store / "models").default_segmenter or "church-parts"
    made = generators.load(generator, store / "models")
    segmenter = segmenters.load(known, store / "models")
    settings = ArtifactsSettings(images=images, sets=sets)
    if not whole:
        report(f"artifacts-{generator}-{layer}", parts(made, segmenter, layer, settings), write)
        return
    size = (made.image_shape[1], made.image_shape[2])
    pictures = reference(name, 2 * images, size=size, models=store / "models")
    wall, processor = time.perf_counter(), time.process_time()
    found = rank_artifacts(made, segmenter, pictures, layer=layer, reference_name=name, settings=settings)
    spent = {"seconds": time.perf_counter() - wall, "processor seconds": time.process_time() - processor}
    passes = int(found.about["tail_passes"])
    figures = {**spent, "tail passes": passes, "ms a pass": 1000 * spent["processor seconds"] / passes}
    report(f"artifacts-whole-{generator}-{layer}", figures, write)
    print(found.effects().query("metric == 'FID_inf'").to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    typer.run(main)
