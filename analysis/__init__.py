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
    from analysis.artifacts import Artifacts as Artifacts
    from analysis.artifacts import rank_artifacts as rank_artifacts
    from analysis.causes import Causes as Causes
    from analysis.causes import ace as ace
    from analysis.concepts import Concept as Concept
    from analysis.context import Context as Context
    from analysis.context import insertion_context as insertion_context
    from analysis.dissection import Dissection as Dissection
    from analysis.dissection import dissect as dissect
    from analysis.generators.generator import Generator as Generator
    from analysis.sampling import latents as latents
    from analysis.segmenters.protocol import Segmenter as Segmenter

# No name here is also a submodule's: importing that submodule would put it in the export's place.
_EXPORTS = {
    "Artifacts": "analysis.artifacts",
    "Causes": "analysis.causes",
    "Concept": "analysis.concepts",
    "Context": "analysis.context",
    "Dissection": "analysis.dissection",
    "Generator": "analysis.generators.generator",
    "Segmenter": "analysis.segmenters.protocol",
    "dissect": "analysis.dissection",
    "insertion_context": "analysis.context",
    "latents": "analysis.sampling",
    "rank_artifacts": "analysis.artifacts",
    "ace": "analysis.causes",
}

__all__ = [
    "Artifacts",
    "Causes",
    "Concept",
    "Context",
    "Dissection",
    "Generator",
    "Segmenter",
    "ace",
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
