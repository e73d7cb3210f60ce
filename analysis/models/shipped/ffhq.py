"""Photographic faces of 1024 x 1024 pixels: fetched, never shipped, since it is for non-commercial use."""

from collections.abc import Iterator

from analysis.models.catalogue import ModelInfo
from analysis.models.layer import Layer
from analysis.models.weights import Fetched, Member

STYLE = 512
WIDTHS = ((128, 512),) * 4 + ((128, 256), (64, 128), (32, 64))  # each grid's first convolution: in, and out


def _maps() -> Iterator[Layer]:
    """The layers after nonlinearities; those of large grids are extra."""
    yield Layer("4x4", "conv.activation", 512, 4, 4)
    for k, (_before, units) in enumerate(WIDTHS):
        side = 8 << k
        for i in (1, 2):
            path = f"blocks.{k}.conv{i}.activation"
            yield Layer(f"{side}x{side}.{i}", path, units, side, side, extra=side > 64)


def _styles() -> Iterator[Layer]:
    yield Layer("4x4.style", "conv.style", 512, 1, 1, extra=True)
    above = 512
    for k, (before, units) in enumerate(WIDTHS):
        grid = f"{8 << k}x{8 << k}"
        for part, units_in in ((".up", above), (".1", before), (".2", units)):
            path = f"blocks.{k}.{part[1:] if part == '.up' else 'conv' + part[1:]}.style"
            yield Layer(f"{grid}{part}.style", path, units_in, 1, 1, extra=True)
        above = units
    yield Layer("rgb.style", "colour.style", above, 1, 1, extra=True)


LAYERS = (*_maps(), *_styles())
FFHQ = ModelInfo(
    name="ffhq",
    role="generator",
    family="mobile_stylegan",
    title="FFHQ: photographic faces of 1024 pixels, by a MobileStyleGAN",
    licence="package random-face: Apache-2.0; its teacher (StyleGAN2) and FFHQ are for non-commercial use",
    source="random-face 2021.7.21.1, by its author",
    weights=Fetched(
        package="random-face",
        version="2021.7.21.1",
        archive="random_face-2021.7.21.1-py3-none-any.whl",
        archive_sha256="e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
        members=(
            Member(
                "random_face/data/SynthesisNetwork.xml",
                "7918fce515243954d3e06628cb39a23902d6b1d5d02932cc0c2faee7a2aeeedd",
            ),
            Member(
                "random_face/data/SynthesisNetwork.bin",
                "c7da15fa22d508c82e1c30dd6b4cdf67fe3ccdddaf85b310ee764dbf0c289645",
            ),
            Member(
                "random_face/data/MappingNetwork.xml",
                "73e2096cad6e696e4af47df2477e048ab4c42c0e0dec83c7c66604822689e55b",
            ),
            Member(
                "random_face/data/MappingNetwork.bin",
                "212dd716bdb556e18db603ea97300d4fa3c872b878c726b2402fea80820e7305",
            ),
        ),
    ),
    layers=LAYERS,
    latent_shape=(STYLE,),
    image_size=(1024, 1024),
    default_segmenter="face-parts",
    trained_on="FFHQ, photographs of faces, by way of a StyleGAN2",
    inputs="truncation=0.7",
    takes=("truncation",),
)
