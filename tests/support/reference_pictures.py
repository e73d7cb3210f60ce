"""Makes tests/data/reference-generators with the published code, which is not part of this repository.

    python tests/support/reference_pictures.py FOLDER

FOLDER holds clones of rosinality/stylegan2-pytorch, NVlabs/stylegan2-ada-pytorch, NVlabs/stylegan3 and
ajbrock/BigGAN-PyTorch, each named by its last part. Everything runs on the CPU. rosinality's widths are fixed
at up to 512 channels, so its file is run with narrower ones; nothing else is changed.
"""

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path

import torch
import torch.utils.cpp_extension
from packaging.version import parse
from published_layouts import COMPUTED, FOLDER, weights
from safetensors.torch import save_file
from torch import Tensor, nn

LAYOUTS: dict[str, dict[str, list[int]]] = {}
TENSORS: dict[str, Tensor] = {}
Call = Callable[..., Tensor]


def add(name: str, module: nn.Module, latent: int, calls: dict[str, Call], classes: int = 0) -> None:
    """Runs a published module with weights of a seed, and keeps what it makes of two latents."""
    own = module.state_dict()
    LAYOUTS[name] = {key: list(tensor.shape) for key, tensor in own.items()}
    computed = {key: tensor.clone() for key, tensor in own.items() if COMPUTED.fullmatch(key)}
    module.load_state_dict(weights(LAYOUTS[name], computed))
    module.eval()
    z = torch.randn(2, latent, generator=torch.Generator().manual_seed(1))[
        : 2 if classes and "3" not in name else 1
    ]
    y = torch.tensor([0, classes - 1])[: len(z)] if classes else None
    kept = {**computed, "z": z} | ({"y": y} if y is not None else {})
    with torch.no_grad():
        kept |= {what: call(z, y) for what, call in calls.items()}
    TENSORS.update({f"{name}/{key}": tensor.clone().contiguous() for key, tensor in kept.items()})
    print(name, {what: (kept[what].shape, float(kept[what].std())) for what in calls})


def fresh(folder: Path) -> None:
    """Imports come from this folder from here on."""
    for name in [name for name in sys.modules if name.split(".")[0] in OWN]:
        del sys.modules[name]
    sys.path[:] = [str(folder), *(path for path in sys.path if "/reference/" not in path)]


OWN = ("training", "torch_utils", "dnnlib", "layers", "BigGAN", "BigGANdeep", "sync_batchnorm", "op")


def rosinality(folder: Path) -> None:
    """StyleGAN2, whole and truncated about the mean of the latents that the product takes."""
    torch.utils.cpp_extension.load = lambda *_, **__: None  # its CUDA operations; the CPU has its own
    fresh(folder)
    text = (
        (folder / "model.py").read_text().replace(": 512,", ": 12,").replace("256 * channel", "5 * channel")
    )
    model = types.ModuleType("model")
    exec(compile(text, "model.py", "exec"), model.__dict__)  # noqa: S102 - the published file itself
    for name, size, layers in (("stylegan2-16", 16, 3), ("stylegan2-32", 32, 2)):
        g = model.Generator(size, 20, layers, channel_multiplier=1)

        def truncated(z: Tensor, _y: object, g: nn.Module = g) -> Tensor:
            many = torch.randn(4096, 20, generator=torch.Generator().manual_seed(0))
            mean = g.style(many).mean(0, keepdim=True)
            return g([z], truncation=0.6, truncation_latent=mean, randomize_noise=False)[0]

        calls: dict[str, Call] = {"plain": lambda z, _y, g=g: g([z], randomize_noise=False)[0]}
        add(name, g, 20, calls | {"truncated": truncated} if size == 16 else calls)


def nvidia(name: str, network: type, c_dim: int = 0, psi: float = 1.0, **settings: object) -> None:
    """A network of one of NVIDIA's repositories."""
    g = network(z_dim=18, c_dim=c_dim, w_dim=20, img_channels=3, **settings)

    def call(z: Tensor, y: Tensor | None) -> Tensor:
        c = nn.functional.one_hot(y, c_dim).float() if y is not None else None
        return g(z, c, truncation_psi=psi, noise_mode="const")

    add(name, g, 18, {"plain" if psi == 1 else "truncated": call}, c_dim)


def ada(folder: Path) -> None:
    """StyleGAN2-ADA in its three architectures."""
    fresh(folder)
    from training.networks import Generator

    usual = {"channel_base": 160, "channel_max": 12}
    three = {"num_layers": 3}
    for arch, psi, classes in (("skip", 0.7, 4), ("orig", 1.0, 0), ("resnet", 1.0, 0)):
        inner = {**usual, "architecture": arch} | ({"conv_clamp": 2.0} if arch == "resnet" else {})
        nvidia(
            f"ada-{arch}",
            Generator,
            classes,
            psi,
            img_resolution=16,
            mapping_kwargs=three,
            synthesis_kwargs=inner,
        )


def stylegan3(folder: Path) -> None:
    """StyleGAN3-T and -R, and the StyleGAN2 of its repository."""
    sys.modules["pkg_resources"] = types.SimpleNamespace(parse_version=parse)  # its way to compare versions
    fresh(folder)
    from training import networks_stylegan2, networks_stylegan3

    nvidia(
        "ada-of-stylegan3", networks_stylegan2.Generator, img_resolution=16, channel_base=160, channel_max=12
    )
    usual = {"img_resolution": 32, "channel_base": 160, "channel_max": 12}
    nvidia("stylegan3-t", networks_stylegan3.Generator, 0, 0.7, **usual)
    r = {"conv_kernel": 1, "use_radial_filters": True, "num_layers": 9}
    nvidia("stylegan3-r", networks_stylegan3.Generator, 4, **usual, **r)


def biggan(folder: Path) -> None:
    """BigGAN with hierarchical latents, without shared embeddings, and with each of its batch norms."""
    fresh(folder)
    import BigGAN

    usual = {"G_ch": 4, "resolution": 32, "n_classes": 5, "no_optim": True, "G_attn": "16"}
    kinds = {
        "biggan": {"hier": True, "shared_dim": 6, "dim_z": 12},
        "biggan-mybn": {"hier": True, "shared_dim": 6, "dim_z": 12, "mybn": True},
        "biggan-cross": {"shared_dim": 6, "dim_z": 12, "cross_replica": True},
        "biggan-unshared": {"G_shared": False, "dim_z": 12, "G_attn": "0"},
    }
    for name, kind in kinds.items():
        g = BigGAN.Generator(**{**usual, **kind})
        add(name, g, g.dim_z, {"plain": lambda z, y, g=g: g(z, g.shared(y))}, 5)


def main() -> None:
    """Runs all and writes the two files."""
    root = Path(sys.argv[1])
    rosinality(root / "stylegan2-pytorch")
    ada(root / "stylegan2-ada-pytorch")
    stylegan3(root / "stylegan3")
    biggan(root / "BigGAN-PyTorch")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "layouts.json").write_text(json.dumps(LAYOUTS) + "\n")
    save_file(TENSORS, FOLDER / "tensors.safetensors")
    (FOLDER / "tensors.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
