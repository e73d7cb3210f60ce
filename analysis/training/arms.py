"""Train all arms on one device: `python -m analysis.training.arms --minutes 9 --out FOLDER`.

An arm is a generator of one world that differs from another arm in one ingredient. All have the same critic
and recipe: non-saturating loss, R1 once in 16 steps, Adam(0, 0.99), averaged weights, pictures drawn while
the training goes on, half of them mirrored. Each arm has a stream of the device and its step as a CUDA graph.
Once a minute every arm's averaged generator (safetensors), 64 samples and its curve are written, and packed
into a few archives; at the end also what a later run begins from (`--resume`).
"""

from __future__ import annotations

import argparse
import json
import os
import tarfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from analysis.shared.files import replacing
from analysis.training.arm_generators import GENERATORS, LATENT, prepare
from analysis.training.churches import sheet
from analysis.training.critic import ResidualCritic
from analysis.training.picture_pool import PicturePool

WORLDS = ("churches", "rooms")
R1_EVERY, R1 = 16, 0.1
SEED = 1  # of the drawn pictures
ENOUGH = 1000  # pictures with which training begins
HALF_LIFE = 20_000  # pictures after which the averaged weights forget half
FALL = 0.6  # the share of the time after which the learning rate falls
KEPT = (0.03, 0.1, 0.3)  # shares of the time at which an arm's weights are kept, if it keeps any
PACKS = 3


@dataclass(frozen=True)
class Arm:
    """A generator and how it is trained; `steps` is the most it takes, spread over the time."""

    name: str
    world: str
    kind: str = "progressive"
    widths: tuple[int, ...] = (112, 112, 112, 80, 48)
    critic: tuple[int, ...] = (64, 96, 128, 192, 256)
    spread: bool = True
    batch: int = 64
    rate: float = 3e-4
    critic_rate: float = 3e-4
    seed: int = 1
    steps: int = 1_000_000
    keeps: bool = False
    urgent: bool = False


def _small(arm: Arm) -> Arm:
    widths = (96, 64, 48, 32) if arm.kind == "dcgan" else (64, 64, 48, 32, 16)
    return replace(
        arm, widths=widths, critic=(24, 48, 64, 96, 96), batch=32, rate=6e-4, critic_rate=6e-4, steps=16_000
    )


DCGAN = (256, 128, 96, 64)
ARMS: tuple[Arm, ...] = (
    Arm("churches-large", "churches", keeps=True, urgent=True),
    Arm("rooms", "rooms", keeps=True, urgent=True),
    Arm("churches-style", "churches", "style", rate=2e-3),
    Arm("churches-nostat", "churches", spread=False),
    Arm("churches-dcgan", "churches", "dcgan", DCGAN, steps=24_000),
    Arm("rooms-dcgan", "rooms", "dcgan", DCGAN, steps=24_000),
    *(_small(Arm(f"{world}-small-{seed}", world, seed=seed)) for seed in (1, 2, 3) for world in WORLDS),
    *(
        _small(Arm(f"{world}-dcgan-small-{seed}", world, "dcgan", seed=seed))
        for seed in (1, 2, 3)
        for world in WORLDS
    ),
)


def _halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights in half precision, on the CPU."""
    return {k: (v.half() if v.is_floating_point() else v).cpu().contiguous() for k, v in state.items()}


class Training:
    """One arm's generator, critic, averaged generator and optimisers."""

    def __init__(self, arm: Arm, device: torch.device, pictures: Tensor, exact: bool = False) -> None:
        torch.manual_seed(arm.seed)
        self.arm, self.device, self.pictures, self.exact = arm, device, pictures, exact
        build = GENERATORS[arm.kind]
        self.generator, self.average = build(arm.widths), build(arm.widths)
        self.critic = ResidualCritic(arm.critic, arm.spread)
        prepare(self.critic)
        for module in (self.generator, self.average, self.critic):
            flat = all(weight.ndim <= 4 for weight in module.parameters())
            layout = {"memory_format": torch.channels_last} if flat else {}
            module.to(device, **layout)  # type: ignore[call-overload]
        self.average.load_state_dict(self.generator.state_dict())
        self.average.requires_grad_(False).eval()
        on_gpu = device.type == "cuda"
        self.rates = [torch.tensor(rate, device=device) for rate in (arm.rate, arm.critic_rate)]
        self.adams = [
            torch.optim.Adam(
                [p for p in module.parameters() if p.requires_grad],
                lr=rate,
                betas=(0.0, 0.99),
                eps=1e-8,
                capturable=on_gpu,
                fused=on_gpu,
            )
            for module, rate in zip((self.generator, self.critic), self.rates, strict=True)
        ]
        self.random = torch.Generator(device).manual_seed(arm.seed)
        self.chosen = torch.zeros(arm.batch, dtype=torch.int64, device=device)
        self.mirrored = torch.zeros(arm.batch, device=device)
        self.z = torch.zeros(arm.batch, LATENT, device=device)
        self.forget = torch.zeros((), device=device)
        self.losses = torch.zeros(4, device=device)
        self.stream = torch.cuda.Stream(device, priority=-1 if arm.urgent else 0) if on_gpu else None
        self.graphs: dict[bool, torch.cuda.CUDAGraph] = {}
        self.events: list[Any] = []
        self.step, self.kept, self.failure = 0, 0, ""
        self.curve: list[dict[str, float]] = []

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        with torch.cuda.stream(self.stream):
            yield

    def prepare_step(self, count: int, share: float) -> None:
        """Draw what the next step needs at random, and set its rates; `share` of the time has passed."""
        step, arm = self.step, self.arm
        fall = 1.0 if share < FALL else max(0.05, 1 - 0.95 * (share - FALL) / (1 - FALL))
        for rate, base in zip(self.rates, (arm.rate, arm.critic_rate), strict=True):
            rate.fill_(base * fall * min(1.0, (step + 1) / 200))
        seen = arm.batch * (step + 1)
        self.forget.fill_(1 - 0.5 ** (arm.batch / min(HALF_LIFE, max(500.0, 0.05 * seen))))
        self.chosen.random_(0, count, generator=self.random)
        self.mirrored.uniform_(generator=self.random)
        self.z.normal_(generator=self.random)

    def play(self, penalty: bool) -> None:
        """One round of the game on what `prepare_step` drew."""
        generator_adam, critic_adam = self.adams
        real = self.pictures[self.chosen].permute(0, 3, 1, 2).float() / 127.5 - 1
        real = torch.where(self.mirrored[:, None, None, None] < 0.5, real.flip(-1), real)
        real = real.contiguous(memory_format=torch.channels_last)
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=not self.exact, cache_enabled=False)
        with half:
            fake = self.generator(self.z)
        self.critic.requires_grad_(True)
        critic_adam.zero_grad(set_to_none=True)
        with half:
            drawn, made = self.critic(torch.cat([real, fake.detach()])).chunk(2)
        loss = functional.softplus(-drawn).mean() + functional.softplus(made).mean()
        if penalty:
            known = real.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(self.critic(known).sum(), known, create_graph=True)
            loss = loss + slope.square().sum((1, 2, 3)).mean() * (R1 * R1_EVERY / 2)
        loss.backward()
        critic_adam.step()
        self.critic.requires_grad_(False)
        generator_adam.zero_grad(set_to_none=True)
        with half:
            score = self.critic(fake)
        wanted = functional.softplus(-score).mean()
        wanted.backward()
        generator_adam.step()
        with torch.no_grad():
            slow: list[Tensor] = list(self.average.parameters())
            fast: list[Tensor] = list(self.generator.parameters())
            change = list(torch._foreach_sub(fast, slow))
            torch._foreach_mul_(change, self.forget)
            torch._foreach_add_(slow, change)
            values = (loss.detach(), wanted.detach(), drawn.mean(), made.mean())
            self.losses.copy_(torch.stack([value.float() for value in values]))

    def capture(self, count: int) -> None:
        """Play a few rounds, then keep both kinds of round as CUDA graphs."""
        assert self.stream is not None
        self.stream.wait_stream(torch.cuda.current_stream())
        with self.on_stream():
            for penalty in (False, True, False):
                self.prepare_step(count, 0.0)
                self.play(penalty)
                self.step += 1
        torch.cuda.synchronize()
        pool = None
        for penalty in (False, True):
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=pool, stream=self.stream):
                self.play(penalty)
            pool = graph.pool()
            self.graphs[penalty] = graph

    def advance(self, count: int, share: float) -> None:
        """Play the next round, by its graph where there is one."""
        penalty = self.step % R1_EVERY == 0
        self.prepare_step(count, share)
        if self.graphs:
            self.graphs[penalty].replay()
            self.events.append(torch.cuda.Event())
            self.events[-1].record()
        else:
            self.play(penalty)
        self.step += 1

    def busy(self) -> bool:
        """Whether two rounds wait on the device already."""
        self.events = [event for event in self.events if not event.query()]
        return len(self.events) >= 2

    @torch.no_grad()
    def result(self) -> tuple[dict[str, Tensor], Tensor]:
        """The averaged generator's weights in half precision, and 64 samples."""
        norms = [part for part in self.average.modules() if isinstance(part, nn.BatchNorm2d)]
        random = torch.Generator(self.device).manual_seed(0)
        if norms:  # statistics of the averaged weights
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None
            self.average.train()
            for _ in range(20):
                self.average(torch.randn(64, LATENT, device=self.device, generator=random))
            self.average.eval()
        z = torch.randn(64, LATENT, generator=torch.Generator().manual_seed(0)).to(self.device)
        samples = self.average(z).clamp(-1, 1).cpu()
        state = self.average.inner.state_dict()
        return _halved(state), samples

    def later(self) -> dict[str, Tensor]:
        """What a later run begins from: all weights in half precision."""
        parts = {"generator": self.generator, "average": self.average, "critic": self.critic}
        return {
            f"{part}.{name}": value
            for part, module in parts.items()
            for name, value in _halved(module.state_dict()).items()
        }

    def resume(self, file: Path) -> None:
        state = load_file(file)
        for part in ("generator", "average", "critic"):
            own = {k.removeprefix(f"{part}."): v for k, v in state.items() if k.startswith(f"{part}.")}
            getattr(self, part).load_state_dict(own)

    def note(self, seconds: float, count: int) -> None:
        critic, generator, drawn, made = self.losses.tolist()
        self.curve.append(
            {
                "seconds": round(seconds, 1),
                "step": self.step,
                "images": self.step * self.arm.batch,
                "drawn": count,
                "critic": critic,
                "generator": generator,
                "score_drawn": drawn,
                "score_made": made,
            }
        )


class Run:
    """All arms on one device for some minutes."""

    def __init__(
        self, arms: Sequence[Arm], out: Path, work: Path, device: str, pool: int, workers: int
    ) -> None:
        self.began = time.monotonic()
        self.out, self.work, self.device = out, work, torch.device(device)
        out.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        worlds = [world for world in WORLDS if any(arm.world == world for arm in arms)]
        self.pool = PicturePool(work, worlds, pool, SEED, workers)
        self.pictures = {
            world: torch.zeros(pool, 64, 64, 3, dtype=torch.uint8, device=self.device) for world in worlds
        }
        self.ready = dict.fromkeys(worlds, 0)
        self.arms = list(arms)
        self.trainings: list[Training] = []
        self.writer = ThreadPoolExecutor(1)

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def say(self, text: str) -> None:
        line = f"{self.seconds():7.1f} {text}"
        print(line, flush=True)
        with (self.out / "log.txt").open("a") as file:
            file.write(line + "\n")

    def load(self) -> None:
        """Bring pictures that were drawn meanwhile onto the device."""
        for world, before in self.ready.items():
            now = self.pool.ready(world)
            if now > before:
                fresh = torch.from_numpy(self.pool.pictures(world, before, now))
                self.pictures[world][before:now].copy_(fresh)
                if self.device.type == "cuda":
                    torch.cuda.synchronize()
                self.ready[world] = now

    def begin(self, resume: Path | None, exact: bool) -> None:
        while min(self.ready.values()) < min(ENOUGH, self.pool.count):
            time.sleep(0.1)
            self.load()
        self.say(f"drawn {self.ready}")
        for arm in self.arms:
            training = Training(arm, self.device, self.pictures[arm.world], exact)
            if resume is not None and (file := resume / f"{arm.name}.state.safetensors").exists():
                training.resume(file)
            try:
                if self.device.type == "cuda":
                    training.capture(self.ready[arm.world])
            except Exception:
                training.graphs = {}
                self.say(f"{arm.name}: no graph\n{traceback.format_exc()}")
            self.trainings.append(training)
            self.say(f"{arm.name}: {sum(p.numel() for p in training.generator.parameters()):,} weights")

    def go(self, seconds: float, every: float) -> None:
        """Train until `seconds` after the start; write every `every` seconds."""
        first = self.seconds()
        looked = written = noted = first
        while (now := self.seconds()) < seconds:
            share = (now - first) / (seconds - first)
            moved = [self._advance(training, share) for training in self.trainings]
            if not any(moved):
                time.sleep(0.0002)
            if now - looked > 2:
                self.load()
                looked = now
            if now - noted > 15:
                self.note()
                noted = now
            if now - written > every:
                self.write(share)
                written = self.seconds()
        self.write(1.0, final=True)

    def _advance(self, training: Training, share: float) -> bool:
        """Play an arm's next round, unless it has failed, is ahead of its time or has rounds waiting."""
        if training.failure or training.step > training.arm.steps * share + 20 or training.busy():
            return False
        try:
            with training.on_stream():
                training.advance(self.ready[training.arm.world], share)
        except Exception:
            training.failure = traceback.format_exc()
            self.say(f"{training.arm.name} stops\n{training.failure}")
        return True

    def note(self) -> None:
        for training in self.trainings:
            training.note(self.seconds(), self.ready[training.arm.world])
        self.say(" ".join(f"{t.arm.name}:{t.step}" for t in self.trainings) + f" drawn {self.ready}")

    def write(self, share: float, final: bool = False) -> None:
        """Write every arm's weights, samples and curve, then pack them, in a thread of their own."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.note()
        ready = []
        for training in self.trainings:
            keep = training.arm.keeps and training.kept < len(KEPT) and share >= KEPT[training.kept]
            training.kept += keep
            state, samples = training.result()
            later = training.later() if final and training.arm.urgent else None
            ready.append((training, state, samples, training.step if keep else None, later))
        job = self.writer.submit(self._files, ready)
        if final:
            job.result()
            self.say("written")

    def _files(self, ready: list[tuple[Training, dict[str, Tensor], Tensor, int | None, Any]]) -> None:
        names: dict[str, list[Path]] = {f"arms-{k + 1}": [] for k in range(PACKS)}
        for number, (training, state, samples, kept, later) in enumerate(ready):
            name = training.arm.name
            files = [self.work / f"{name}.{ending}" for ending in ("safetensors", "png", "json")]
            save_file(state, files[0])
            sheet(samples).save(files[1])
            facts = {"arm": training.arm.__dict__, "curve": training.curve, "failure": training.failure}
            files[2].write_text(json.dumps(facts, indent=1))
            names[f"arms-{number % PACKS + 1}"] += files
            if kept is not None:
                save_file(state, self.work / f"{name}.step{kept}.safetensors")
            if later is not None:
                save_file(later, self.work / f"{name}.state.safetensors")
                names[f"state-{name}"] = [self.work / f"{name}.state.safetensors"]
        names["kept"] = sorted(self.work.glob("*.step*.safetensors"))
        for pack, files in names.items():
            with replacing(self.out / f"{pack}.tar") as aside, tarfile.open(aside, "w") as archive:
                for file in files:
                    archive.add(file, file.name)


def tiny(arm: Arm) -> Arm:
    """The arm with few units, for a trial of the program."""
    return replace(
        arm, widths=tuple(8 for _ in arm.widths), critic=tuple(8 for _ in arm.critic), batch=8, steps=4
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="folder of the drawn pictures and single files")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--pool", type=int, default=40_000, help="pictures drawn of each world")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    parser.add_argument("--arms", help="names, separated by commas")
    parser.add_argument("--steps", type=int, help="the most steps of an arm, in place of its own number")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between files")
    parser.add_argument("--resume", type=Path, help="folder of NAME.state.safetensors")
    parser.add_argument("--exact", action="store_true", help="float32 in place of bfloat16")
    parser.add_argument("--tiny", action="store_true", help="few units, for a trial of the program")
    choice = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = 4
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    arms = [arm for arm in ARMS if choice.arms is None or arm.name in choice.arms.split(",")]
    arms = [replace(arm, steps=choice.steps) for arm in arms] if choice.steps else arms
    arms = [tiny(arm) for arm in arms] if choice.tiny else arms
    run = Run(
        arms, choice.out, choice.work or choice.out / "work", choice.device, choice.pool, choice.workers
    )
    try:
        run.begin(choice.resume, choice.exact)
        run.go(60 * choice.minutes, choice.every)
    finally:
        run.pool.close()


if __name__ == "__main__":
    main()
