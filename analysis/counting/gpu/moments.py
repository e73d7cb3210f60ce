"""What `analysis.counting.moments` adds up, for a run of units at once, by torch in whole numbers."""

from typing import NamedTuple

import torch
from torch import Tensor

from analysis.counting.gpu.block import Block
from analysis.counting.gpu.layer_counts import Cuts
from analysis.counting.kernel import NEVER
from analysis.counting.moment_names import (
    AA,
    AB,
    AC,
    AD,
    BB,
    BC,
    BD,
    GROUP,
    GS,
    GT,
    GV,
    MOMENTS,
    PI,
    PN,
    PU,
    QQ,
    A,
    B,
    G,
    Q,
    cube_shift,
)
from analysis.counting.vector_loops import PAD


class Masks(NamedTuple):
    """Each unit's masks beside each column, (U, C, n) int64: at its own threshold and side.

    `own` is the intersection with the concept, `mask` the mask's pixels; shown (C, n) are the concept's.
    """

    own: Tensor
    mask: Tensor
    shown: Tensor


def above(tally: Tensor) -> Tensor:
    """Pixels (U, n, 257) at or over each bin."""
    over = tally.long().flip(-1).cumsum(-1).flip(-1)
    return torch.nn.functional.pad(over, (0, 1))


def masks_of(block: Block, over: Tensor, near: Tensor, cuts: Cuts, columns: Tensor) -> Masks:
    """From pixels over each bin (U, n, 257) and the overlaps on the pairs' sides (U, K, n, 9)."""
    units, images, _levels = over.shape
    many = cuts.pair.shape[1]
    pair = cuts.pair.long()
    mask = over.gather(2, pair[:, None, :].expand(units, images, many)).transpose(1, 2)
    mask = torch.where(cuts.side[:, :, None] < 0, block.maps.pixels - mask, mask)
    own = torch.zeros_like(mask)
    own[:, columns] = near[..., PAD]
    shown = torch.zeros(many, images, dtype=torch.int64, device=over.device)
    shown[columns] = block.areas
    return Masks(own, mask, shown)


def on_sides(block: Block, found: Tensor, cuts: Cuts, columns: Tensor) -> Tensor:
    """Overlaps (U, K, n, 9) int64 with the masks on the pairs' sides of their edges."""
    near = found[..., : 2 * PAD + 1].long()
    low = cuts.side.index_select(1, columns)[:, :, None, None] < 0
    return torch.where(low, block.areas[:, :, None] - near, near)


def _spread(own: Tensor, mask: Tensor, shown: Tensor) -> list[Tensor]:
    union = mask + shown - own
    return [part.sum(-1) for part in (own, union, own * own, own * union, union * union)]


def moments(block: Block, masks: Masks, near: Tensor, cuts: Cuts, columns: Tensor, sizes: Tensor) -> Tensor:
    """The moments (U, C, 18) int64 of a block; sizes (C,) are the constant controls' pixels."""
    out = torch.zeros(*masks.mask.shape[:2], len(MOMENTS), dtype=torch.int64, device=near.device)
    for place, part in zip((A, B, AA, AB, BB), _spread(*masks), strict=True):
        out[..., place] = part
    constant = torch.zeros_like(masks.shown)
    constant[columns] = block.constant
    size = sizes[:, None] + masks.shown - constant
    union = masks.mask + masks.shown - masks.own
    for place, one, other in (
        (AC, masks.own, constant), (AD, masks.own, size), (BC, union, constant), (BD, union, size),
    ):  # fmt: skip
        out[..., place] = (one * other).sum(-1)
    if block.images > 1 and len(block.present):
        _add_partners(out, block, masks.mask[:, columns], near, columns)
    return out * (cuts.pair != NEVER)[..., None]


def _add_partners(out: Tensor, block: Block, mask: Tensor, near: Tensor, columns: Tensor) -> None:
    sums = dict.fromkeys((Q, QQ, PI, PU, PN), torch.zeros_like(near[:, :, 0, 0]))
    own, area = near[..., PAD], block.areas
    for offset in block.offsets:
        back = near[..., PAD - offset].roll(-offset, 2)
        q = own + own.roll(-offset, 2) - near[..., PAD + offset] - back
        sums[Q], sums[QQ] = sums[Q] + q.sum(-1), sums[QQ] + (q * q).sum(-1)
        for way in (-offset, offset):
            other = area.roll(-way, 1)
            less = torch.minimum(area, other)
            alike = (less > 0) & (2 * less >= torch.maximum(area, other))
            both = near[..., PAD + way]
            sums[PI] = sums[PI] + (both * alike).sum(-1)
            sums[PU] = sums[PU] + ((mask.roll(-way, 2) + area - both) * alike).sum(-1)
            sums[PN] = sums[PN] + alike.sum(-1)
    for place, total in (sums | _permuted(near, cube_shift(block.maps.pixels))).items():
        out[:, columns, place] = total


def _permuted(near: Tensor, shift: int) -> dict[int, Tensor]:
    """Sums over runs of four images of X[i, j], that is near[j, PAD + i - j], permuted within the run."""
    runs = near.shape[2] // GROUP
    k = torch.arange(GROUP, device=near.device)
    image = GROUP * torch.arange(runs, device=near.device)[:, None, None] + k
    lane = (PAD + k[:, None] - k).expand(runs, GROUP, GROUP)
    x = near.flatten(2)[:, :, (image * near.shape[3] + lane).flatten()].unflatten(2, (runs, GROUP, GROUP))
    total = x.sum((3, 4))
    centred = 16 * x - 4 * (x.sum(4, keepdim=True) + x.sum(3, keepdim=True)) + total[..., None, None]
    moved = (centred + (1 << (shift - 1))) >> shift if shift else centred
    every = (2, 3, 4)
    return {
        G: x.diagonal(dim1=3, dim2=4).sum((2, 3)),
        GT: total.sum(2),
        GV: (centred * centred).sum(every),
        GS: (moved * moved * moved).sum(every),
    }


def at_tails(block: Block, over: Tensor, found: Tensor, cuts: Cuts, columns: Tensor) -> Tensor:
    """The spread (2, U, C, 5) at the two fixed tails; of formulas only where the unit has a threshold."""
    many = cuts.pair.shape[1]
    shown = torch.zeros(many, block.images, dtype=torch.int64, device=over.device)
    shown[columns] = block.areas
    counted = (cuts.pair != NEVER) | (torch.arange(many, device=over.device) < block.maps.concepts)
    parts = []
    for tail in range(2):
        level = cuts.tails[:, tail].long()[:, None, None].expand(-1, block.images, 1)
        mask = over.gather(2, level)[..., 0][:, None, :]
        own = torch.zeros(len(over), many, block.images, dtype=torch.int64, device=over.device)
        own[:, columns] = found[..., 2 * PAD + 1 + tail].long()
        parts.append(torch.stack(_spread(own, mask, shown), -1) * counted[..., None])
    return torch.stack(parts)


def in_replicas(block: Block, masks: Masks, cuts: Cuts) -> Tensor:
    """What possible names and the formula score in each replica, (U, candidates + 1, 2, replicas) int64."""
    chosen = cuts.names.clamp(min=0)
    place = chosen[..., None].expand(-1, -1, block.images)
    own = masks.own.gather(1, place)
    union = masks.mask.gather(1, place) + masks.shown[chosen] - own
    both = torch.stack([own, union], 2).double() @ block.weights
    return both.long() * (cuts.names >= 0)[..., None, None]
