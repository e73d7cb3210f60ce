"""A hand-built generator of church scenes: what each unit means, causes and needs around it is known exactly.

`layer1` holds mask units (32 of 32x32), `layer2` what the coded veto let through (one unit a thing), and the
rest of the chain paints. A thing appears in the picture by these rules only:

- *sole*: its one unit paints it; *either*: one of two suffices; *both*: it needs two;
- *gate*: no door anywhere without this unit, which is on everywhere and so agrees with nothing;
- *copy*: has a thing's map and is read by nobody; *noise* follows no concept; *dead* never fires;
- the veto: doors and windows only on walls, clouds only in the open sky (hill and grass keep them away),
  paths only on grass; so taking a wall, the sky or the grass away takes what it bears with it;
- later things lie over earlier ones, in the order of `THINGS`.

    parts = build(weights(seed=1))
    truth(seed=1)[3]                 # Truth(unit=3, concept='door', role='either'); .needs, .bears, .blocks
    appears("door", on="brick")      # True
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Family, Parts

CELLS, LATENT, NOISE = 32, 24, 8
# In painting order: the colour of each thing in [-1, 1]; a wall is of a material.
THINGS: dict[str, tuple[float, float, float]] = {
    "sky": (-0.2, 0.3, 0.95),
    "cloud": (0.95, 0.95, 0.95),
    "hill": (-0.1, -0.3, 0.2),
    "grass": (-0.5, 0.5, -0.7),
    "path": (0.8, 0.6, 0.1),
    "brick": (0.7, -0.2, -0.5),
    "plaster": (0.95, 0.75, 0.6),
    "stone": (0.2, 0.2, 0.1),
    "roof": (0.2, -0.8, -0.8),
    "dome": (0.1, 0.8, 0.5),
    "window": (-0.7, -0.8, -0.3),
    "door": (-0.3, -0.6, -0.95),
    "tree": (-0.9, -0.2, -0.9),
}
VOID = (-1.0, -1.0, -1.0)
NAMES = tuple(THINGS)
WALLS = ("brick", "plaster", "stone")
NEEDS: dict[str, tuple[str, ...]] = {  # seen only where one of these is
    "cloud": ("sky",),
    "path": ("grass",),
    "window": WALLS,
    "door": WALLS,
}
BLOCKS: dict[str, tuple[str, ...]] = {"hill": ("cloud",), "grass": ("cloud",)}  # keeps these away
ROLES: tuple[tuple[str | None, str], ...] = (
    *((name, "sole") for name in NAMES if name not in ("tree", "dome", "door")),
    *((name, "either") for name in ("tree", "tree", "door", "door")),
    *((name, "both") for name in ("dome", "dome")),
    *((name, "copy") for name in ("door", "window", "cloud")),
    ("door", "gate"),
    *((None, "noise"),) * NOISE,
    *((None, "dead"),) * 4,
)


@dataclass(frozen=True)
class Truth:
    """What a unit of layer1 follows (None: no concept) and how the painter uses it."""

    unit: int
    concept: str | None
    role: str

    @property
    def causes(self) -> bool:
        """Whether taking the unit away (with its partner, where either suffices) takes the concept away."""
        return self.role in ("sole", "either", "both", "gate")

    @property
    def needs(self) -> tuple[str, ...]:
        """Things of which one must be there for the unit to show anything; none: it shows anywhere."""
        return NEEDS.get(self.concept or "", ()) if self.causes else ()

    @property
    def bears(self) -> tuple[str, ...]:
        """Other things that go where the concept is taken away: a wall's doors and windows go with it."""
        return tuple(thing for thing, on in NEEDS.items() if self.causes and self.concept in on)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Things that the concept keeps away where it is: taken away, it lets them appear."""
        return BLOCKS.get(self.concept or "", ()) if self.causes else ()


def truth(seed: int) -> list[Truth]:
    """What every unit of layer1 means and does, for the weights of that seed."""
    return [Truth(unit, *ROLES[kind]) for unit, kind in enumerate(weights(seed)["order"].tolist())]


def appears(thing: str, on: str) -> bool:
    """Whether a thing forced into a cell that shows `on` is then seen there: veto and painting order."""
    ground = NEEDS.get(thing)
    allowed = ground is None or on in ground or NEEDS.get(on) == ground  # what shares its ground lies on it
    return allowed and NAMES.index(thing) > NAMES.index(on)


def weights(seed: int) -> State:
    """The state dict of planted scenes: the units' order and gains, and what the noise units follow."""
    random = np.random.default_rng([seed, 64])
    return {
        "order": torch.from_numpy(random.permutation(len(ROLES))),
        "gain": torch.from_numpy(np.exp(random.normal(0, 0.5, len(ROLES))).astype(np.float32)),
        "wander": torch.from_numpy(random.normal(size=(NOISE * 25, LATENT)).astype(np.float32)),
    }


def build(state: State) -> Parts:
    """The module of a planted state dict: layer1 `units` and layer2 `placed` at 32x32, images at 64x64."""
    units = Units(state)
    chain = nn.Sequential(OrderedDict(units=units, placed=Placed(units), paint=Paint()))
    own = {"order": "units.order", "gain": "units.gain", "wander": "units.wander"}
    load_state(chain, {own.get(name, name): value for name, value in state.items()}, "planted scenes")
    return Parts(chain, ["units", "placed"], (LATENT,))


FAMILY = Family(
    "planted scenes",
    recognises=lambda state: {"order", "gain", "wander"} <= set(state),
    build=lambda state, _config, _inputs: build(state),
    hidden=True,
)


class Units(nn.Module):
    """Latents (N, 24) to mask units (N, 32, 32, 32): masks times the units' gains, in a seed's order."""

    order: Tensor
    gain: Tensor
    wander: Tensor

    def __init__(self, state: State) -> None:
        super().__init__()
        for name in ("order", "gain", "wander"):
            self.register_buffer(name, torch.zeros_like(state[name]))

    def forward(self, z: Tensor) -> Tensor:
        masks = scene(torch.special.ndtr(z))
        noise = functional.interpolate(
            torch.sigmoid(0.5 * z @ self.wander.T).view(-1, NOISE, 5, 5), size=CELLS, mode="bilinear"
        ).unbind(1)
        ones, kinds, noisy = torch.ones_like(noise[0]), [], iter(noise)
        for concept, role in ROLES:
            if role == "noise":
                kinds.append(next(noisy))
            else:
                kinds.append(0 * ones if concept is None else ones if role == "gate" else masks[concept])
        r: Tensor = torch.stack(kinds, 1)[:, self.order] * self.gain.view(1, -1, 1, 1)
        return r


class Placed(nn.Module):
    """Mask units to the things they make, (N, things, 32, 32), after the veto."""

    def __init__(self, units: Units) -> None:
        super().__init__()
        self._units = [units]  # in a list: the weights are the units', and counted once

    def forward(self, r: Tensor) -> Tensor:
        units = self._units[0]
        kinds = (r / units.gain.view(1, -1, 1, 1))[:, torch.argsort(units.order)].clamp(0, 1)
        made: dict[str, Tensor] = {}
        for kind, (concept, role) in zip(kinds.unbind(1), ROLES, strict=True):
            if concept is None or role == "copy":
                continue
            known = made.get(concept, kind)
            made[concept] = known * kind if role == "gate" else _joined(role)(known, kind)
        for thing, ground in NEEDS.items():
            made[thing] = made[thing] * torch.stack([made[name] for name in ground]).amax(0)
        for thing, kept in BLOCKS.items():
            made.update({name: made[name] * (1 - made[thing]) for name in kept})
        return torch.stack([made[name] for name in NAMES], 1)


def _joined(role: str):  # type: ignore[no-untyped-def] # torch's own minimum or maximum
    return torch.minimum if role == "both" else torch.maximum


class Paint(nn.Module):
    """Things (N, things, 32, 32) to images (N, 3, 64, 64) of pure colours, each thing over those before."""

    def forward(self, things: Tensor) -> Tensor:
        large = functional.interpolate(things, scale_factor=2, mode="bilinear", align_corners=False)
        soft = torch.sigmoid(20 * (large - 0.4))
        cover = (large > 0.4).to(soft.dtype) + soft - soft.detach()  # hard edges, and a soft edge's gradient
        images = things.new_tensor(VOID).view(1, 3, 1, 1)
        for number, colour in enumerate(THINGS.values()):
            shade = things.new_tensor(colour).view(1, 3, 1, 1)
            images = images + cover[:, number : number + 1] * (shade - images)
        return images


def scene(u: Tensor) -> dict[str, Tensor]:
    """Numbers in [0, 1] (N, 24) to each thing's mask (N, 32, 32): where things are before the painter."""
    v = [column.view(-1, 1, 1) for column in u.unbind(1)]
    x = torch.arange(CELLS, dtype=u.dtype, device=u.device).view(1, 1, -1) + 0.5
    y = x.transpose(1, 2)
    horizon = 12 + 8 * v[0]
    foot, middle, width, height = horizon + 2 + 7 * v[1], 7 + 18 * v[2], 4 + 4 * v[3], 5 + 4 * v[4]
    there, top = _yes(v[5], 0.85), foot - height
    wall = there * _box(x, y, middle, top + height / 2, width, height / 2)
    domed, rise = _yes(v[6], 0.5), 2 + 3 * v[7]
    hat = _edge(width + 0.5 - (width / rise) * (top - y) - (x - middle).abs()) * (y < top)
    globe = _edge(1.5 * (1 - ((x - middle) / (0.7 * width)) ** 2 - ((y - top) / rise) ** 2)) * (y < top)
    door = there * _yes(v[8], 0.8) * _box(x, y, middle + (v[9] - 0.5) * width, foot - 2, 1.5 + 0 * foot, 2.0)
    pane = _box(x, y, middle - 0.65 * width, top + 2, 1 + 0 * top, 1.0)
    panes = torch.maximum(pane, _box(x, y, middle + 0.65 * width, top + 2, 1 + 0 * top, 1.0))
    which = (v[10] * 3).floor().clamp(0, 2)
    ridge = horizon - 6 * v[11] + 0.06 * (x - 32 * v[12]) ** 2
    lane = middle + (v[9] - 0.5) * width + (v[13] - 0.5) * 2 * (y - foot)
    masks = {
        "sky": _edge(horizon - y) + 0 * x,
        "cloud": torch.maximum(
            _cloud(x, y, v[14], v[15], horizon), _yes(v[16], 0.5) * _cloud(x, y, v[16], v[17], horizon)
        ),
        "hill": _edge(y - ridge) * _edge(horizon - y),
        "grass": _edge(y - horizon) + 0 * x,
        "path": there * _edge(1.5 + 0.1 * (y - foot) - (x - lane).abs()) * (y > foot),
        "roof": there * (1 - domed) * hat,
        "dome": there * domed * globe,
        "window": there * panes,
        "door": door,
        "tree": torch.maximum(
            _tree(x, y, v[18], v[19], horizon), _yes(v[20], 0.6) * _tree(x, y, v[21], v[22], horizon)
        ),
    }
    return masks | {name: wall * (which == number) for number, name in enumerate(WALLS)}


def _edge(inside: Tensor) -> Tensor:
    """Cells' coverage from how far their middle lies within an edge."""
    return (inside + 0.5).clamp(0, 1)


def _yes(u: Tensor, share: float) -> Tensor:
    return (u < share).to(u.dtype)


def _box(x: Tensor, y: Tensor, cx: Tensor, cy: Tensor, rx: Tensor, ry: Tensor | float) -> Tensor:
    return _edge(rx - (x - cx).abs()) * _edge(ry - (y - cy).abs())


def _cloud(x: Tensor, y: Tensor, u: Tensor, v: Tensor, horizon: Tensor) -> Tensor:
    rx, ry = 3 + 3 * v, 1.5 + v
    return _edge(ry * (1 - ((x - 32 * u) / rx) ** 2 - ((y - 3 - (horizon - 8) * v) / ry) ** 2))


def _tree(x: Tensor, y: Tensor, u: Tensor, v: Tensor, horizon: Tensor) -> Tensor:
    foot, size = horizon + 2 + 9 * v, 2 + 1.5 * v
    crown = _edge(size * (1 - ((x - 32 * u) / size) ** 2 - ((y - foot + 1.8 * size) / (1.3 * size)) ** 2))
    return torch.maximum(crown, _box(x, y, 32 * u, foot - size / 2, 0.6 + 0 * foot, size / 2))
