"""`python -P -m jobs.gpus` prints the GPUs that torch can use, as JSON. Its own process: workers stay free of
torch."""

from __future__ import annotations

import json
import os

import torch


def main() -> None:
    """Names as CUDA_VISIBLE_DEVICES takes them."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    print(json.dumps(shown.split(",")[:count] if shown else [str(number) for number in range(count)]))


if __name__ == "__main__":
    main()
