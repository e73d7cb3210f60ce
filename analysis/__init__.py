"""What a GAN is made of: dissection, interventions, evidence. Tensors and numbers in and out.

    from analysis import Concept, Generator, Segmenter, dissect, latents

    generator = Generator(module, layers=["main.2", "main.5"], latent_shape=(100, 1, 1))
    result = dissect(generator, segmenter, images=400, calibration=200, seed=1)
    print(result.frame().sort_values("iou").tail(10))

The names are imported when they are first used, so that `import analysis` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.artifacts.artifacts import Artifacts as Artifacts
    from analysis.artifacts.artifacts import rank_artifacts as rank_artifacts
    from analysis.causes.causes import Causes as Causes
    from analysis.causes.causes import ace as ace
    from analysis.context.context import Context as Context
    from analysis.context.context import insertion_context as insertion_context
    from analysis.dissection.dissection import Dissection as Dissection
    from analysis.dissection.dissection import dissect as dissect
    from analysis.models.generator import Generator as Generator
    from analysis.models.segmentation.report import SegmenterReport as SegmenterReport
    from analysis.models.segmentation.report import check_segmenter as check_segmenter
    from analysis.models.segmenter import Segmenter as Segmenter
    from analysis.shared.concepts import Concept as Concept
    from analysis.shared.latents import latents as latents

# No name here is also a submodule's: importing that submodule would put it in the export's place.
_EXPORTS = {
    "Artifacts": "analysis.artifacts.artifacts",
    "Causes": "analysis.causes.causes",
    "Concept": "analysis.shared.concepts",
    "Context": "analysis.context.context",
    "Dissection": "analysis.dissection.dissection",
    "Generator": "analysis.models.generator",
    "Segmenter": "analysis.models.segmenter",
    "SegmenterReport": "analysis.models.segmentation.report",
    "check_segmenter": "analysis.models.segmentation.report",
    "dissect": "analysis.dissection.dissection",
    "insertion_context": "analysis.context.context",
    "latents": "analysis.shared.latents",
    "rank_artifacts": "analysis.artifacts.artifacts",
    "ace": "analysis.causes.causes",
}

__all__ = [
    "Artifacts",
    "Causes",
    "Concept",
    "Context",
    "Dissection",
    "Generator",
    "Segmenter",
    "SegmenterReport",
    "ace",
    "check_segmenter",
    "dissect",
    "insertion_context",
    "latents",
    "rank_artifacts",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'analysis' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
