"""Print the GPUs that torch can use, as JSON: `python -P -m jobs.system.gpus`.

A process of its own, so that workers stay free of torch.
"""

from __future__ import annotations

import json
import os

import torch


def main() -> None:
    """Names as CUDA_VISIBLE_DEVICES takes them, and beside each the card's own, which is the same for every
    process."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = shown.split(",")[:count] if shown else [str(number) for number in range(count)]
    cards = [str(torch.cuda.get_device_properties(number).uuid) for number in range(count)]
    print(json.dumps(dict(zip(names, cards, strict=True))))


if __name__ == "__main__":
    main()
