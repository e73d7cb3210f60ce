"""A package of a few lines that plugs in a generator and a segmenter, installed as pip would."""

from __future__ import annotations

import shutil
from pathlib import Path

# What a user writes; the test counts that it is ten lines.
MODELS = """\
import torch
from analysis import Generator

def build(device, inputs):
    torch.manual_seed(0)
    first, last = torch.nn.ConvTranspose2d(4, 6, 8), torch.nn.ConvTranspose2d(6, 3, 4, 2, 1, bias=False)
    psi = 1 if inputs.truncation is None else inputs.truncation
    scaled = torch.nn.Sequential(first, torch.nn.ReLU(), last, Tanh(psi))
    return Generator(scaled, latent_shape=(4, 1, 1), device=device, inputs=inputs)
"""
MORE = """

class Tanh(torch.nn.Module):
    def __init__(self, psi):
        super().__init__()
        self.psi = psi

    def forward(self, x):
        return torch.tanh(6 * self.psi * x)


class Brightness:
    from analysis import Concept
    concepts = [Concept("bright", "brightness"), Concept("dark", "brightness")]

    def labels(self, images):
        grey = images.mean(1, keepdim=True)
        return (grey > 0.1) + 2 * (grey < -0.1)

    def probability(self, images, concept):
        grey = images.mean(1)
        return torch.sigmoid(grey if getattr(concept, "name", concept) == "bright" else -grey)


def without_inputs(device):
    return build(device, __import__("analysis.models.inputs").models.inputs.Inputs())

def unseeded():
    net = torch.nn.Sequential(torch.nn.ConvTranspose2d(4, 3, 8), torch.nn.ReLU())
    return Generator(net, latent_shape=(4, 1, 1))

def dropped(device, inputs):
    return without_inputs(device)

def failing():
    raise KeyError("weights")

def text():
    return "a generator"

def wants(path):
    return path

class Words(Brightness):
    concepts = ["bright", "dark"]

class Beyond(Brightness):
    concepts = Brightness.concepts[:1]

    def labels(self, images):
        return torch.arange(8).repeat(len(images), 1, 8, 1)

class Drifting(Brightness):
    def __init__(self):
        self.least = torch.rand(1)

    def labels(self, images):
        return (images.mean(1, keepdim=True) > self.least).long()

def leaves():
    import os
    os._exit(3)
"""
ENTRIES = """\
[ganatomy.generators]
tiny = tiny_gan:build
unseeded = tiny_gan:unseeded
dropped = tiny_gan:dropped
failing = tiny_gan:failing
text = tiny_gan:text
wants = tiny_gan:wants
missing = tiny_gan:nothing
absent = no_such_module:build
torn = tiny_gan:leaves

[ganatomy.segmenters]
brightness = tiny_gan:Brightness
words = tiny_gan:Words
beyond = tiny_gan:Beyond
drifting = tiny_gan:Drifting
"""


def install(site: Path, version: str = "1.0", models: str = MODELS + MORE) -> None:
    """What pip leaves behind: the module, and the facts of the distribution beside it."""
    site.mkdir(parents=True, exist_ok=True)
    (site / "tiny_gan.py").write_text(models)
    for old in site.glob("tiny_gan-*.dist-info"):
        shutil.rmtree(old)
    facts = site / f"tiny_gan-{version}.dist-info"
    facts.mkdir(exist_ok=True)
    head = f"Metadata-Version: 2.1\nName: tiny-gan\nVersion: {version}\nLicense-Expression: MIT\n"
    (facts / "METADATA").write_text(head)
    (facts / "entry_points.txt").write_text(ENTRIES)
