import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from analysis.models.checkpoints import load_state, read_state, save_state, weights_sha256
from analysis.shared.errors import GanatomyError


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).state_dict()


class Payload:
    """What an attacker would put into a pickle."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("it-ran"),))  # type: ignore[return-value]


def refused(path: Path, words: str, key: str | None = None) -> None:
    with pytest.raises(GanatomyError, match=words) as caught:
        read_state(path, key)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.tar", "a.safetensors"])
@pytest.mark.parametrize("legacy", [False, True])
def test_every_format_is_read_back_the_same(tmp_path: Path, state: dict, name: str, legacy: bool) -> None:
    path = tmp_path / name
    if name.endswith("safetensors"):
        save_state(path, state)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    read = read_state(path)
    assert weights_sha256(read) == weights_sha256(state)
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_the_state_dict_inside_a_training_checkpoint_is_found(tmp_path: Path, state: dict) -> None:
    path = tmp_path / "a.tar"
    torch.save({"netG": state, "epoch": 3}, path)
    assert set(read_state(path)) == set(state)
    torch.save({"netG": state, "netD": state, "epoch": 3}, path)
    assert set(read_state(path, "netD")) == set(state)
    refused(path, "several state dicts; name one with key: netG, netD")
    refused(path, "no state dict 'netX'; it holds netG, netD", "netX")
    torch.save({"epoch": 3}, path)
    refused(path, "holds no state dict")


def test_wrappers_names_are_taken_off(tmp_path: Path, state: dict) -> None:
    path = tmp_path / "a.pt"
    torch.save({f"module._orig_mod.{key}": value for key, value in state.items()}, path)
    assert set(read_state(path)) == set(state)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.pt", "legacy.pth", "a.safetensors"])
def test_a_truncated_file_is_one_sentence(tmp_path: Path, state: dict, name: str, share: float) -> None:
    path = tmp_path / name
    if name.endswith("safetensors"):
        save_state(path, state)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=name != "legacy.pth")
    whole = path.read_bytes()
    path.write_bytes(whole[: max(10, int(len(whole) * share))])
    refused(path, "cut short or damaged")


def test_foreign_files_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    for content, words in ((b"", "is empty"), (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG picture")):
        path.write_bytes(content)
        refused(path, words)
    refused(tmp_path / "absent.pt", "does not exist")
    refused(tmp_path, "is a folder without model.safetensors")


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_pickle_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict, legacy: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pt"
    torch.save({"state": state, "extra": Payload()}, path, _use_new_zipfile_serialization=not legacy)
    assert weights_sha256(read_state(path)) == weights_sha256(state)
    path.write_bytes(pickle.dumps(Payload()))
    refused(path, "an object of the class .* without weights")
    assert not (tmp_path / "it-ran").exists()


def test_weights_that_do_not_fit_are_one_sentence(state: dict) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    load_state(module, state, "it")
    load_state(module, {k: v for k, v in state.items() if "num_batches" not in k}, "it")
    cases = [
        ({k: v for k, v in state.items() if k != "0.bias"}, "1 keys are missing, the first is '0.bias'"),
        ({**state, "9.bias": state["0.bias"]}, "1 keys are unknown, the first is '9.bias'"),
        (
            {**state, "0.weight": state["0.weight"][:2]},
            r"'0.weight' has shape \(2, 3, 3, 3\), not \(4, 3, 3, 3\)",
        ),
    ]
    for wrong, words in cases:
        before = weights_sha256(module.state_dict())
        with pytest.raises(GanatomyError, match=words):
            load_state(module, wrong, "it")
        assert weights_sha256(module.state_dict()) == before


def test_the_hash_is_of_names_types_shapes_and_bytes(state: dict) -> None:
    plain = weights_sha256(state)
    assert plain == weights_sha256(dict(reversed(state.items())))
    assert plain == weights_sha256({k: v.clone() for k, v in state.items()})
    changed = {**state, "0.bias": state["0.bias"] + 1e-6}
    renamed = {("1.x" if k == "1.bias" else k): v for k, v in state.items()}
    reshaped = {**state, "0.bias": state["0.bias"].reshape(2, 2)}
    cast = {**state, "0.bias": state["0.bias"].to(torch.bfloat16)}
    assert len({plain, *map(weights_sha256, (changed, renamed, reshaped, cast))}) == 5
