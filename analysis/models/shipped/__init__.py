"""Weights that come with Ganatomy, and `index.json`: SHA-256s, and where in its training each was taken.

Written by `python -m analysis.training.publish`. No torch.
"""

import json
from importlib.resources import files
from typing import Any


def index() -> dict[str, dict[str, Any]]:
    """By model name: file, sha256, and what the training says (steps, images, pixels)."""
    known: dict[str, dict[str, Any]] = json.loads(files(__name__).joinpath("index.json").read_text())
    return known
