"""Print the GPUs that torch can use, as JSON: `python -P -m jobs.system.gpus`.

It is a process of its own, so that workers stay free of torch.
"""

from __future__ import annotations

import json
import os

import torch


def main() -> None:
    """Print each GPU's name in CUDA_VISIBLE_DEVICES and its UUID, which is the same in every process."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = visible.split(",")[:count] if visible else [str(number) for number in range(count)]
    uuids = [str(torch.cuda.get_device_properties(number).uuid) for number in range(count)]
    print(json.dumps(dict(zip(names, uuids, strict=True))))


if __name__ == "__main__":
    main()
