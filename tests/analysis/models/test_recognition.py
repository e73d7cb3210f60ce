"""Each published layout is recognised by its own family and by no other."""

from importlib import import_module

import pytest
import torch
from example_checkpoints import EXAMPLES
from torch import nn

from analysis.models.families.family import Family
from analysis.models.generators import FAMILIES


def families() -> dict[str, Family]:
    return {name: import_module(path).FAMILY for name, path in FAMILIES.items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_layout_is_recognised_by_its_own_family_alone(name: str) -> None:
    state = EXAMPLES[name]()
    shapes = {key: value.to("meta") for key, value in state.items()}  # names and shapes are enough
    backwards = dict(sorted(shapes.items(), reverse=True))  # in whatever order
    for given in (state, shapes, backwards):
        found = [family for family, it in families().items() if it.recognises(given)]
        assert found == [name.split("/")[0]]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_an_example(family: str) -> None:
    assert any(name.split("/")[0] == family for name in EXAMPLES)


ODD: dict[str, dict[str, torch.Tensor]] = {
    "empty": {},
    "no number": {"weight": torch.zeros(())},
    "dots": {".": torch.zeros(1), "..": torch.zeros(2, 2), "": torch.zeros(1, 1, 1, 1)},
    "numbers of no use": {f"{k}.weight": torch.zeros((0,) * k) for k in range(6)},
    "huge number": {
        "blocks.999999999999.0.bias": torch.zeros(3),
        "main.99999999999999.weight": torch.zeros(1),
    },
    "a discriminator": nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 1, 4)).state_dict(),
    "an optimiser's": {"0.exp_avg": torch.zeros(8, 3, 4, 4), "0.step": torch.zeros(())},
    "a classifier": nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2)).state_dict(),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_generator_is_recognised_by_none(odd: str) -> None:
    assert not [family for family, it in families().items() if it.recognises(ODD[odd])]
