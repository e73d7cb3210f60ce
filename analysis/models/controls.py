"""Controls: the same layer in other axes, the same generator with other weights."""

import copy
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from analysis.models.generator import Generator
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

log = logging.getLogger(__name__)

BATCH, STATISTICS_BATCHES = 64, 10
CONSTANT = 1e-6  # a unit's standard deviation relative to its mean, under which its variation is rounding


def rotation(units: int, seed: int, layer: str) -> Tensor:
    """A random orthogonal matrix (units, units) of a layer, uniform, the same for one seed and layer name."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {layer}".encode()).digest()[:8])
    normal = np.random.Generator(np.random.Philox(key=key)).standard_normal((units, units))
    q, r = np.linalg.qr(normal)
    return torch.from_numpy((q * np.sign(np.diag(r))).astype(np.float32))


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation (U,) of a layer's units, float64, which bring all units to one scale."""

    mean: Tensor
    spread: Tensor  # 1 for a constant unit, so that its rounding errors stay small


def scales(generator: Generator, layers: Sequence[str], seed: int) -> dict[str, Scale]:
    """Each layer's `Scale` over images and cells of the seed's first 640 latents.

    The latents do not depend on what is counted, so all shards of a run and all its passes have one scale.
    """
    totals: dict[str, list[Tensor]] = {}
    for batch in range(STATISTICS_BATCHES):
        z = latents(seed, batch * BATCH, (batch + 1) * BATCH, generator.latent_shape)
        for name, r in generator.features(z, list(layers))[1].items():
            values = r.double().cpu().movedim(1, 0).flatten(1)
            # The mean is of all batches, and the variance is within and between them: sums of squares of
            # values far from 0 would lose their digits.
            totals.setdefault(name, []).append(torch.stack([values.mean(1), values.var(1, correction=0)]))
    found = {}
    for name, parts in totals.items():
        means, variances = torch.stack(parts).unbind(1)
        mean, spread = means.mean(0), (variances.mean(0) + means.var(0, correction=0)).sqrt()
        found[name] = Scale(mean, torch.where(spread > CONSTANT * mean.abs(), spread, 1.0))
    return found


def rotated(r: Tensor, seed: int, layer: str, scale: Scale) -> Tensor:
    """Standardised maps (N, U, h, w) in random axes.

    What agrees with a concept here is a property of the space, not of units. Units are standardised before,
    r' = Q (r - mean) / spread with Q orthogonal: else the few units of large values would be in all axes.
    """
    matrix = rotation(r.shape[1], seed, layer).to(r.device)
    mean, spread = (x.float().to(r.device)[:, None, None] for x in (scale.mean, scale.spread))
    return torch.einsum("vu,nuhw->nvhw", matrix, (r.float() - mean) / spread)


def random_twin(generator: Generator, seed: int = 0) -> Generator:
    """The same generator with random weights: a baseline run, not a null (its units do shape its output).

    Every module is re-initialised by its own `reset_parameters`; weights that no module resets are shuffled.
    Means of styles, running means and variances are measured anew: those of a reset normalise nothing, and
    pictures are grey.

    Raises:
        GanatomyError: the module cannot be copied, or has no trained weights to lose (it was built by hand).
    """
    if not any(True for _ in generator.module.parameters()):
        raise GanatomyError(
            f"Generator '{generator.name}' has no trained weights, so its random twin would be itself; "
            "use the control 'rotation', or a generator that was trained."
        )
    try:
        module = copy.deepcopy(generator.module)
    except (TypeError, RuntimeError) as error:
        raise GanatomyError(
            f"Generator '{generator.name}' cannot be copied ({error}); give a plain module."
        ) from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in module.modules():
            _reset(part)
    for part in module.modules():
        if callable(measure := getattr(part, "measure_mean", None)):
            measure()  # the centre of truncation: that of the trained weights is none of these
    _measure_statistics(generator, module, seed)
    name = f"{generator.name}-random{seed}"
    twin = generator.with_module(module, name)
    z = latents(seed, 0, BATCH, generator.latent_shape)
    spread, usual = (float(each.images(z).std(0).mean()) for each in (twin, generator))
    if spread < usual / 10:
        log.warning(
            "The pictures of %s vary %.2g times as much as the generator's: a weak control.",
            name,
            spread / usual,
        )
    return twin


def _measure_statistics(generator: Generator, module: nn.Module, seed: int) -> None:
    """Measure the running statistics of normalisations on 640 latents, as training would have."""
    kinds = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
    normalisations = [p for p in module.modules() if isinstance(p, kinds) and p.track_running_stats]
    if not normalisations:
        return
    momenta = [part.momentum for part in normalisations]
    for part in normalisations:
        part.train()
    with torch.no_grad():
        for batch in range(STATISTICS_BATCHES):
            for part in normalisations:
                part.momentum = 1 / (batch + 1)  # the mean over all batches
            z = latents(seed, batch * BATCH, (batch + 1) * BATCH, generator.latent_shape)
            module(*generator._given(z))  # its law of latents, and its class where it is conditional
    for part, momentum in zip(normalisations, momenta, strict=True):
        part.momentum = momentum
        part.eval()


def _reset(part: nn.Module) -> None:
    reset = getattr(part, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for weight in part.parameters(recurse=False):
        with torch.no_grad():
            weight.copy_(weight.flatten()[torch.randperm(weight.numel())].view_as(weight))
