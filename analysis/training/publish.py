"""Put a trained file among the weights that come with Ganatomy.

`python -m analysis.training.publish NAME FILE --steps 9000` copies FILE to
analysis/models/shipped/NAME.safetensors and writes its SHA-256 and place
in the training into analysis/models/shipped/index.json. For an arm, `--arm NAME.json` takes the place of
`--steps`: the file that `analysis.training.arms` wrote beside the weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from analysis.shared.files import file_sha256
from analysis.training.churches import SCHEDULE, place

MODELS = Path(__file__).parents[1] / "models" / "shipped"


def seen(steps: int) -> int:
    """How many drawn pictures the critic had seen after so many steps."""
    images = 0
    for phase in SCHEDULE:
        images += min(steps, phase.steps) * phase.batch
        steps -= min(steps, phase.steps)
    return images


def publish(name: str, file: Path, facts: dict[str, Any], models: Path = MODELS) -> None:
    """Copy the file and enter it in the index with its SHA-256 and these facts."""
    target, index = models / f"{name}.safetensors", models / "index.json"
    shutil.copyfile(file, target)
    known = json.loads(index.read_text())
    known[name] = {"file": target.name, "sha256": file_sha256(target), **facts}
    index.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


def arm_facts(file: Path) -> dict[str, Any]:
    """What the index says of an arm, from the JSON that its training wrote."""
    written = json.loads(file.read_text())
    arm, last = written["arm"], written["curve"][-1]
    return {
        "arm": arm["kind"],
        "widths": arm["widths"],
        "minibatch_statistic": arm["spread"],
        "seed": arm["seed"],
        "steps": last["step"],
        "images": last["images"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    parser.add_argument("--steps", type=int, help="steps of the generator's training")
    parser.add_argument("--arm", type=Path, help="the JSON that analysis.training.arms wrote of it")
    choice = parser.parse_args()
    facts: dict[str, Any] = arm_facts(choice.arm) if choice.arm is not None else {}
    if choice.steps is not None:
        pixels = 4 * 2 ** place(choice.steps - 1)[0].stage
        facts = {"steps": choice.steps, "images": seen(choice.steps), "pixels": pixels}
    publish(choice.name, choice.file, facts)


if __name__ == "__main__":
    main()
