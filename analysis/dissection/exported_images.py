"""The images of a dissection as files, for people who label them elsewhere.

The latents are those that a dissection of as many images uses, and are made block by block as it makes them.
`analysis.models.segmentation.label_images` reads what comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from analysis.counting.plan import Plan, blocks
from analysis.models.generator import Generator
from analysis.models.segmentation.label_images import MANIFEST, write_manifest
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

IMAGES, LABELS = "images", "labels"


def export_images(
    generator: Generator,
    folder: Path,
    images: int = 1000,
    calibration: int = 500,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write a dissection's images as PNGs named by latent number, and a manifest; returns the folder.

    `progress(done, total)` is called after each block. The manifest is written last.

    Raises:
        GanatomyError: the folder holds an export already or cannot be written, or there are too few images.
    """
    plan = Plan.make(images, calibration, seed)
    if (folder / MANIFEST).exists() or (folder / IMAGES).exists():
        raise GanatomyError(f"{folder} holds exported images already; choose another folder, or remove it.")
    done, total = 0, images + calibration
    try:
        (folder / IMAGES).mkdir(parents=True)
        (folder / LABELS).mkdir(exist_ok=True)
        for whole in (plan.calibration, plan.evaluation):
            for start, stop in blocks(*whole):
                made = generator.images(latents(seed, start, stop, generator.latent_shape))
                pixels = ((made + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
                for number, picture in zip(range(start, stop), pixels, strict=True):
                    Image.fromarray(picture).save(folder / IMAGES / f"{number:06d}.png")
                done += stop - start
                progress(done, total)
        about = {
            "generator": generator.name,
            "generator_identity": generator.identity,
            "weights_sha256": generator.weights_sha256,
            "inputs": str(generator.inputs),
            "seed": seed,
            "calibration": list(plan.calibration),
            "evaluation": list(plan.evaluation),
            "height": generator.image_shape[1],
            "width": generator.image_shape[2],
        }
        write_manifest(folder, about)
    except OSError as error:
        raise GanatomyError(f"Could not write to {folder} ({error.strerror}); check the folder.") from error
    return folder
