"""The training of all arms: what it writes is what the families load, and it goes on from where it ended."""

import json
import tarfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from analysis.models import generators
from analysis.models.families import dcgan, progan
from analysis.models.families.stylegan import stylegan2
from analysis.models.inputs import Inputs
from analysis.training.arm_generators import prepare
from analysis.training.arms import ARMS, LATENT, Run, Training, tiny
from analysis.training.critic import GROUP, ResidualCritic, spread_of

FAMILIES = {"progressive": progan.FAMILY, "dcgan": dcgan.FAMILY, "style": stylegan2.FAMILY}
CPU = torch.device("cpu")


def arm(kind: str):
    return tiny(next(arm for arm in ARMS if arm.kind == kind))


def trained(kind: str, steps: int = 2) -> Training:
    pictures = torch.randint(0, 256, (16, 64, 64, 3), dtype=torch.uint8)
    training = Training(arm(kind), CPU, pictures, exact=True)
    for _ in range(steps):
        training.advance(16, 0.5)
    return training


@pytest.mark.parametrize("kind", list(FAMILIES))
def test_weights_are_those_that_the_family_loads(kind: str) -> None:
    training = trained(kind)
    state, _samples = training.result()
    assert FAMILIES[kind].recognises(state)
    parts = FAMILIES[kind].build(state, {}, Inputs())
    z = torch.randn(4, LATENT)
    shown = parts.module(z.reshape(4, *parts.latent_shape)).clamp(-1, 1)
    training.average.load_state_dict(
        {
            f"inner.{name}": value.float() if value.is_floating_point() else value
            for name, value in state.items()
        }
    )
    with torch.no_grad():
        expected = training.average(z).clamp(-1, 1)
    assert shown.shape == (4, 3, 64, 64)
    assert torch.allclose(shown, expected, atol=1e-5)


@pytest.mark.parametrize("kind", list(FAMILIES))
def test_a_step_moves_generator_critic_and_average(kind: str) -> None:
    before = trained(kind, 0)
    after = trained(kind, 2)
    for part in ("generator", "critic", "average"):
        old, new = (getattr(t, part).state_dict() for t in (before, after))
        moved = [name for name, value in new.items() if not torch.equal(value, old[name])]
        assert len(moved) > len(new) / 3, part
    assert torch.isfinite(after.losses).all()


def test_the_same_seed_gives_the_same_weights() -> None:
    torch.manual_seed(5)
    one = trained("progressive")
    torch.manual_seed(5)
    other = trained("progressive")
    assert all(
        torch.equal(a, b) for a, b in zip(one.average.parameters(), other.average.parameters(), strict=True)
    )


def brute_spread(x: Tensor) -> list[float]:
    found = []
    for start in range(0, len(x), GROUP):
        group = x[start : start + GROUP].reshape(GROUP, -1)
        mean = group.mean(0)
        found += [float(((group - mean).square().mean(0) + 1e-8).sqrt().mean())] * GROUP
    return found


def test_the_minibatch_statistic_is_of_each_group_alone() -> None:
    x = torch.randn(16, 3, 4, 4)
    found = spread_of(x)
    assert found.shape == (16, 1, 4, 4)
    assert found[:, 0, 0, 0].tolist() == pytest.approx(brute_spread(x), abs=1e-6)


def test_a_critic_without_the_statistic_scores_a_picture_alone() -> None:
    pictures = torch.randn(8, 3, 64, 64)
    for spread, alone in ((False, True), (True, False)):
        torch.manual_seed(0)
        critic = ResidualCritic((8, 8, 8, 8, 8), spread)
        prepare(critic)
        changed = torch.cat([pictures[:1], pictures[1:] * 20])
        same = torch.allclose(critic(pictures)[0], critic(changed)[0], atol=1e-4)
        assert same is alone


def test_arms_differ_in_one_ingredient() -> None:
    by_name = {arm.name: arm for arm in ARMS}
    assert len(by_name) == len(ARMS)
    base, plain = by_name["churches-large"], by_name["churches-nostat"]
    assert {k for k, v in base.__dict__.items() if getattr(plain, k) != v} <= {
        "name",
        "spread",
        "keeps",
        "urgent",
    }
    assert {arm.seed for arm in ARMS if arm.name.startswith("rooms-small")} == {1, 2, 3}
    assert not set(by_name) & {"churches", "churches-8px"} & set(generators.names())


@pytest.mark.slow
def test_a_run_writes_archives_and_a_later_one_begins_where_it_ended(tmp_path: Path) -> None:
    chosen = [tiny(ARMS[0])]
    for name, resume in (("first", None), ("second", tmp_path / "first" / "work")):
        run = Run(chosen, tmp_path / name, tmp_path / name / "work", "cpu", 8, 1)
        try:
            run.begin(resume, exact=True)
            if resume is not None:
                begun = run.trainings[0].later()
            run.go(run.seconds() + 0.5, every=60)
        finally:
            run.pool.close()
    ended = load_file(tmp_path / "first" / "work" / "churches-large.state.safetensors")
    assert all(torch.equal(ended[name], value) for name, value in begun.items())
    with tarfile.open(tmp_path / "first" / "arms-1.tar") as archive:
        assert set(archive.getnames()) == {f"churches-large.{end}" for end in ("safetensors", "png", "json")}
    facts = json.loads((tmp_path / "first" / "work" / "churches-large.json").read_text())
    assert facts["curve"][-1]["step"] > 0
    assert not facts["failure"]
