"""Causes that agreement does not show: each planted, with what `ace` says of it."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from analysis import Causes, Generator, ace
from analysis.shared.concepts import Concept

CELLS, OTHERS = 16, 7


class Units(nn.Module):
    """One unit that is 1 but where the disc is, there 0; and seven smooth ones that nobody reads."""

    def forward(self, z: Tensor) -> Tensor:
        line = torch.linspace(-1, 1, CELLS)
        y, x = 0.5 * torch.tanh(z[:, 0, None, None]), 0.5 * torch.tanh(z[:, 1, None, None])
        distance = (line[:, None] - y) ** 2 + (line[None] - x) ** 2
        off = torch.sigmoid(20 * (distance - 0.15))
        noise = nn.functional.interpolate(
            z[:, 2:].reshape(-1, OTHERS, 2, 2), CELLS, mode="bilinear", align_corners=False
        )
        return torch.cat([off[:, None], torch.relu(noise)], 1)


class Inhibited(nn.Module):
    """Paints the disc where the first unit is off."""

    def __init__(self) -> None:
        super().__init__()
        self.units = Units()

    def forward(self, z: Tensor) -> Tensor:
        r = self.units(z.flatten(1))
        # A little of the others, so that each unit reaches the picture.
        shade = 0.01 * r[:, 1:].mean(1, keepdim=True)
        disc = (1 - 2 * r[:, :1] + shade).clamp(-1, 1)
        return nn.functional.interpolate(disc.expand(-1, 3, -1, -1), scale_factor=2, mode="nearest")


class Bright:
    """Marks what is bright."""

    concepts: Sequence[Concept] = (Concept("disc"),)

    def labels(self, images: Tensor) -> Tensor:
        return (images[:, :1] > 0).long()

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return torch.sigmoid(4 * images[:, 0])


def caused(**wanted: object) -> Causes:
    generator = Generator(Inhibited(), ["units"], latent_shape=(2 + 4 * OTHERS, 1, 1))
    few = {"images": 16, "random_sets": 0, "seeds": 1, "amounts": {"cell_images": 0}}
    return ace(generator, Bright(), layer="layer1", concept="disc", **{**few, **wanted})  # type: ignore[arg-type]


@pytest.mark.parametrize("ablate", ["zero", "mean"])
def test_a_unit_that_inhibits_its_concept_is_found(ablate: str) -> None:
    """It has no positive agreement with the disc, so the authors' start leaves it at 0 for ever."""
    causes = caused(ablate=ablate)
    assert not causes.iou[0] > 0.2
    assert causes.ranking[0] == 0
    assert causes.alpha[0] > 0.5
    assert causes.alpha[1:].max() < 0.2


def test_ablating_an_inhibitor_to_its_mean_removes_and_to_zero_adds() -> None:
    """To switch it off is to draw the disc everywhere."""
    curve = {kind: caused(ablate=kind).curve for kind in ("zero", "mean")}
    removed = {
        kind: float(
            frame[
                (frame.ranking == "ace") & (frame.edit == "ablate") & (frame.units == 1)
            ].relative_effect.iloc[0]
        )
        for kind, frame in curve.items()
    }
    assert removed["mean"] == pytest.approx(1, abs=0.05)
    assert removed["zero"] < -1
    assert np.isfinite(removed["zero"])
