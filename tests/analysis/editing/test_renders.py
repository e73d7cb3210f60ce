import numpy as np
import torch

from analysis.editing.edits import Edit
from analysis.editing.renders import difference, heat, pixels, render
from analysis.models import generators
from analysis.models.families import planted_shapes
from analysis.shared.latents import latents


def test_a_rendering_shows_what_changed_and_where() -> None:
    generator = generators.load("planted", None)
    z = latents(1, 0, 12, generator.latent_shape)
    truth = planted_shapes.truth(1)["layer2"]
    discs = [unit.unit for unit in truth if unit.concept == "disc" and unit.effect]
    rendering = render(generator, Edit.ablate("layer2", discs), z)
    assert rendering.before.shape == rendering.after.shape == rendering.difference.shape == (12, 32, 32, 3)
    assert rendering.before.dtype == rendering.difference.dtype == np.uint8
    changed = (rendering.before != rendering.after).any(-1)
    assert changed.any()
    assert not changed.all()
    hot = rendering.difference.astype(int)
    assert np.all(hot[~changed] == hot[~changed][:, :1])  # grey where nothing changed
    there = np.abs(rendering.before.astype(int) - rendering.after).max(-1) > 64
    assert (hot[there][:, 0] > hot[there][:, 2]).all()  # warm where much did


def test_the_empty_edit_changes_nothing() -> None:
    generator = generators.load("planted", None)
    rendering = render(generator, Edit(), latents(1, 0, 3, generator.latent_shape))
    assert np.array_equal(rendering.before, rendering.after)
    assert np.array_equal(rendering.difference, difference(rendering.before, rendering.before))


def test_pixels_are_rounded_and_clipped() -> None:
    images = torch.tensor([-3.0, -1.0, 0.0, 1.0, 9.0, float("nan")]).view(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert pixels(images)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255, 128]


def test_heat_grows_brighter() -> None:
    brightness = heat(np.linspace(0, 1, 50)).sum(-1)
    assert (np.diff(brightness) > 0).all()
    assert heat(np.array(0.0)).tolist() == [0, 0, 0]
