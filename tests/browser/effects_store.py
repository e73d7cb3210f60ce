"""Small real runs that stand on the session's dissection, in a store of their own."""

import shutil
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from visiting import ganatomy

from analysis.artifacts.artifacts import rank_artifacts
from analysis.models import generators
from analysis.shared.latents import latents
from db import store as stores
from db.layout import Layout
from db.store import bundles


def copied(store: Path, to: Path) -> Layout:
    """The store again, so that what is added is seen by nobody else."""
    shutil.copytree(store, to, symlinks=True, ignore=shutil.ignore_patterns("live", "renders", "*.sock"))
    return Layout.create(to)


def cause(layout: Layout) -> None:
    """Causes of discs, by a job."""
    little = ["--images", "4", "--steps", "4", "--seeds", "2", "--random-sets", "2", "--top", "3"]
    ganatomy(layout.root, "ace", "planted", "--layer", "layer1", "--concept", "disc", *little, "--wait")


def insert(layout: Layout) -> None:
    """An insertion of discs, by a job."""
    asked = ["planted", "--layer", "layer1", "--concept", "disc", "--images", "12", "--measuring", "32"]
    more = ["--every", "4", "--traced", "2", "--strengths", "k,2k", "--wait"]
    ganatomy(layout.root, "context", *asked, *more)


def spoil(layout: Layout) -> str:
    """A search for artifact units, by their colours, which are quickly told; its run."""

    def colours(images: Tensor) -> Tensor:
        return adaptive_avg_pool2d(images, 2).flatten(1)

    generator = generators.load("planted", None)
    with torch.no_grad():
        reference = generator.images(latents(0, 700_000, 700_160, generator.latent_shape))
    found = rank_artifacts(generator, colours, reference, layer="layer1", images=80, sets=3, by_hand=[2, 5])
    parent = next(run for run in bundles.run_ids(layout) if run.startswith("planted-"))
    row = bundles.latest(layout, parent).run
    row |= {"run_id": "spoiled-1", "kind": "artifacts", "parent_run_id": parent, "layers": "layer1"}
    row |= {"images": 80, "evaluation_start": 600_000, "evaluation_stop": 600_080}
    bundles.write(layout, row, found.tables(), found.arrays())
    stores.publish(layout)
    return parent
