"""Progressive training: the growing generator, its critic, and one step of their game."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.families.progan import LATENT, WIDTHS, block, first_block, progan

R1_EVERY = 16


def blend(small: Tensor, large: Tensor, alpha: float) -> Tensor:
    """A picture that fades from the enlarged small one to the large one as alpha goes from 0 to 1."""
    return torch.lerp(functional.interpolate(small, scale_factor=2, mode="nearest"), large, alpha)


class Growing(nn.Module):
    """The generator with a colour layer for every size it passes through."""

    def __init__(self) -> None:
        super().__init__()
        pairs = pairwise(WIDTHS)
        self.blocks = nn.ModuleList([first_block(LATENT, WIDTHS[0]), *(block(a, b) for a, b in pairs)])
        self.colours = nn.ModuleList([nn.Conv2d(width, 3, 1) for width in WIDTHS])

    def forward(self, z: Tensor, stage: int, alpha: float) -> Tensor:
        """Pictures of 4 * 2**stage pixels a side."""
        x, before = z, z
        for grow in list(self.blocks)[: stage + 1]:
            x, before = grow(x), x
        picture: Tensor = self.colours[stage](x)
        return picture if alpha >= 1 or stage == 0 else blend(self.colours[stage - 1](before), picture, alpha)

    def finished(self, stage: int) -> nn.Sequential:
        """The generator of one stage as it is used after training."""
        blocks = {f"blocks.{k}": self.blocks[k] for k in range(stage + 1)}
        state = {
            f"{path}.{name}": value
            for path, part in (blocks | {"colour": self.colours[stage]}).items()
            for name, value in part.state_dict().items()
        }
        module = progan(WIDTHS[: stage + 1])
        module.load_state_dict(state)
        return module.eval()


class Critic(nn.Module):
    """The generator's mirror, with the spread over the minibatch as one more channel at 4x4."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.2)
        self.colours = nn.ModuleList([nn.Sequential(nn.Conv2d(3, width, 1), act) for width in WIDTHS])
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(b, b, 3, padding=1), act, nn.AvgPool2d(2), nn.Conv2d(b, a, 3, padding=1), act
            )
            for a, b in pairwise(WIDTHS)
        )
        top = WIDTHS[0]
        self.judge = nn.Sequential(
            nn.Conv2d(top + 1, top, 3, padding=1),
            act,
            nn.Flatten(),
            nn.Linear(top * 16, top),
            act,
            nn.Linear(top, 1),
        )

    def forward(self, picture: Tensor, stage: int, alpha: float) -> Tensor:
        """One score a picture (N,), higher where it looks drawn."""
        x = self.colours[stage](picture)
        for step in range(stage, 0, -1):
            x = self.blocks[step - 1](x)
            if step == stage and alpha < 1:
                x = torch.lerp(self.colours[stage - 1](functional.avg_pool2d(picture, 2)), x, alpha)
        spread = x.unflatten(0, (-1, 8) if x.shape[0] % 8 == 0 else (1, -1)).var(1, unbiased=False)
        spread = (spread + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)
        spread = spread.repeat_interleave(x.shape[0] // spread.shape[0], 0).expand(-1, 1, *x.shape[2:])
        score: Tensor = self.judge(torch.cat([x, spread], 1)).squeeze(1)
        return score


def prepare(module: nn.Module) -> None:
    """Normal weights of the size that keeps signals' (He et al. 2015), no bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, 0, math.sqrt(2 / layer.weight[0].numel()))
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def adam(module: nn.Module, rate: float) -> torch.optim.Adam:
    """Adam(0, 0.99), as Karras et al. have it, at a rate ten times what theirs would be for these weights."""
    return torch.optim.Adam(module.parameters(), lr=rate, betas=(0.0, 0.99), eps=1e-8)


class Game:
    """Generator, critic, averaged generator and optimisers; `step` plays one round."""

    def __init__(self, seed: int, rate: float = 1e-3, device: str = "cpu") -> None:
        torch.manual_seed(seed)
        self.device = torch.device(device)
        self.generator, self.critic, self.average = Growing(), Critic(), Growing()
        prepare(self.generator)
        prepare(self.critic)
        for module in (self.generator, self.critic, self.average):  # channels last is faster on a CPU
            module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average.load_state_dict(self.generator.state_dict())
        self.generator_adam, self.critic_adam = adam(self.generator, rate), adam(self.critic, rate)

    def rate(self, rate: float) -> None:
        for optimiser in (self.generator_adam, self.critic_adam):
            for group in optimiser.param_groups:
                group["lr"] = rate

    def step(self, real: Tensor, z: Tensor, stage: int, alpha: float, penalty: float) -> tuple[float, float]:
        """One round on real pictures (N, 3, s, s) of the stage's size; the critic's and generator's loss.

        R1 of weight `penalty` is added where it is not 0; it is meant for one round in R1_EVERY.
        """
        fake = self.generator(z, stage, alpha)
        self.critic.requires_grad_(True)
        self.critic_adam.zero_grad(set_to_none=True)
        scores = self.critic(torch.cat([real, fake.detach()]), stage, alpha).chunk(2)
        loss = functional.softplus(-scores[0]).mean() + functional.softplus(scores[1]).mean()
        loss.backward()
        if penalty:
            (penalty * self._r1(real, stage, alpha)).backward()
        self.critic_adam.step()
        self.critic.requires_grad_(False)
        self.generator_adam.zero_grad(set_to_none=True)
        wanted = functional.softplus(-self.critic(fake, stage, alpha)).mean()
        wanted.backward()
        self.generator_adam.step()
        return float(loss.detach()), float(wanted.detach())

    def _r1(self, real: Tensor, stage: int, alpha: float) -> Tensor:
        """The critic's squared gradient at real pictures, weighted for being paid once in R1_EVERY rounds."""
        real = real.detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(self.critic(real, stage, alpha).sum(), real, create_graph=True)
        return slope.square().sum((1, 2, 3)).mean() * (R1_EVERY / 2)

    @torch.no_grad()
    def follow(self, images: int, half_life: float) -> None:
        """Move the averaged generator, whose memory halves every `half_life` images, on by some images."""
        keep = 0.5 ** (images / half_life)
        for slow, fast in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)

    def state(self) -> dict[str, object]:
        parts = ("generator", "critic", "average", "generator_adam", "critic_adam")
        return {name: getattr(self, name).state_dict() for name in parts}

    def restore(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)
