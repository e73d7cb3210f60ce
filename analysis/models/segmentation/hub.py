"""Folders and pinned revisions of Hugging Face: plain values and tensors, and networks built of them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from analysis.models.checkpoints import State, read_apart
from analysis.shared.errors import GanatomyError

REVISION = re.compile(r"hub:([A-Za-z0-9][\w.-]{0,95})/([A-Za-z0-9][\w.-]{0,95})@([0-9a-f]{40})")
FILES = ("*.json", "*.safetensors", "merges.txt")  # what is downloaded of a revision
LARGEST = 16_000_000  # bytes of a JSON file
MOST_CLASSES = 10_000
# Values of a configuration that would load code, other packages or other weights.
UNSAFE = {
    "auto_map",
    "attn_implementation",
    "_attn_implementation",
    "_attn_implementation_internal",
    "dtype",
    "torch_dtype",
    "use_kernels",
    "use_pretrained_backbone",
    "_name_or_path",
    "name_or_path",
}
COUNTS = re.compile("layers|depths|blocks|stages|convs|levels")  # how often a part of a network is repeated
# Sizes that take memory without weights: cells of pooled grids, and sides of images in pixels.
MOST = {"num_labels": MOST_CLASSES, "pool_scales": 64, "image_size": 2048}
UNNEEDED = re.compile(  # parts of training, counters, and tables that follow from the configuration
    r"auxiliary_head\.|criterion\.|(num_batches_tracked|relative_position_index|position_ids)$"
)


def plain(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        GanatomyError: the file is missing, too large, or no JSON object.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise GanatomyError(f"{path.name} is too large to be read; download the folder again.")
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise GanatomyError(f"There is no {path.name} in {path.parent.name}; copy it there too.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise GanatomyError(f"{path.name} cannot be read as JSON; download it again.") from error
    if not isinstance(content, dict):
        raise GanatomyError(f"{path.name} holds no settings; download it again.")
    return content


def read_beside(path: Path) -> dict[str, Any]:
    """What lies beside the weights of a folder: its configuration, and its processor's or an empty one."""
    processor = path / "preprocessor_config.json"
    found = {"config": plain(path / "config.json")}
    found["preprocessor"] = plain(processor) if processor.is_file() else {}
    return found


def read_weights(path: Path) -> State:
    """The tensors of a folder's model.safetensors, or of its parts.

    Raises:
        GanatomyError: there is none, such as where the weights are a pickle.
    """
    whole, index = path / "model.safetensors", path / "model.safetensors.index.json"
    if whole.is_file():
        return read_apart(whole)
    if not index.is_file():
        raise GanatomyError(
            f"{path.name} holds no model.safetensors, and pickled weights are not opened; save the model "
            "again with save_pretrained(), which writes safetensors."
        )
    files = plain(index).get("weight_map")
    names = sorted({str(file) for file in files.values()}) if isinstance(files, dict) else []
    if not names or not all(re.fullmatch(r"[\w.-]+\.safetensors", name) for name in names):
        raise GanatomyError(f"{index.name} names no files of weights; download it again.")
    state: State = {}
    for name in names:
        state |= read_apart(path / name)
    return state


def tokens(
    path: Path, texts: list[str], length: int | None = None
) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids of texts by a folder's CLIP tokenizer, and which are no padding, both (texts, length).

    Raises:
        GanatomyError: the folder has no such tokenizer.
    """
    try:
        from transformers import CLIPTokenizer
    except ImportError as error:
        raise missing_package() from error
    if not any((path / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise GanatomyError(
            f"{path.name} has no tokenizer; copy its tokenizer.json, or vocab.json and merges.txt, there too."
        )
    try:
        with offline():
            tokenizer = CLIPTokenizer.from_pretrained(str(path), local_files_only=True)
            padding = "max_length" if length is not None else True
            made = tokenizer(texts, padding=padding, max_length=length, truncation=length is not None)
    except Exception as error:
        raise GanatomyError(f"The tokenizer in {path.name} cannot be read; download it again.") from error
    return made["input_ids"], made["attention_mask"]


def network(config: Mapping[str, Any], state: State) -> tuple[Any, list[str]]:
    """The network of a configuration with the given weights, and what is to be noted of it.

    Raises:
        GanatomyError: the configuration is of no segmentation network, or the weights do not fit it.
    """
    try:
        import transformers  # noqa: F401 - whether it is there
    except ImportError as error:
        raise missing_package() from error
    settings, kind = _settings(config, state)
    try:
        with offline(), torch.device("meta"):
            needed = sum(value.numel() for value in kind(settings).state_dict().values())
    except Exception as error:
        raise _unfit(config, error) from error
    held = sum(value.numel() for value in state.values())
    if needed > 1.05 * held + 1_000_000:
        raise GanatomyError(
            f"config.json describes a network of {needed:,} numbers, but the weights hold {held:,}; "
            "use the two files of one model."
        )
    try:
        with offline():
            built, told = kind.from_pretrained(
                None,
                config=settings,
                state_dict=dict(state),
                output_loading_info=True,
                dtype=torch.float32,
                local_files_only=True,
            )
    except Exception as error:
        raise _unfit(config, error) from error
    missing = sorted(key for key in told["missing_keys"] if not UNNEEDED.search(key))
    if missing or told.get("mismatched_keys") or told.get("error_msgs"):
        first = missing[0] if missing else "a tensor of another shape"
        raise GanatomyError(
            f"The weights do not fit config.json: {len(missing)} keys are missing, the first is '{first}'; "
            "use the two files of one model."
        )
    unused = sorted(key for key in told["unexpected_keys"] if not UNNEEDED.search(key))
    if not unused:
        return built, []
    return built, [f"{len(unused)} tensors play no part in the network, the first is '{unused[0]}'."]


def _settings(config: Mapping[str, Any], state: State) -> tuple[Any, Any]:
    """The configuration as an object, and the class of its network."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING as SEMANTIC,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING as UNIVERSAL,
    )

    kind = str(config.get("model_type"))
    check_counts(config, len(state))
    if "quantization_config" in config:
        raise GanatomyError("The weights are quantised; use the model's own weights in float32 or float16.")
    try:
        with offline():
            described = CONFIG_MAPPING[kind]
            for mapping in (SEMANTIC, UNIVERSAL, _clipseg()):
                if described in mapping:
                    return described.from_dict(_safe(config)), mapping[described]
    except KeyError:  # transformers knows no such kind
        pass
    except Exception as error:
        raise _unfit(config, error) from error
    known = ", ".join(sorted({*SEMANTIC._model_mapping, *UNIVERSAL._model_mapping}))
    raise GanatomyError(
        f"config.json describes a '{kind[:60]}', which is no segmentation network; those are {known}."
    )


def _clipseg() -> dict[Any, Any]:
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

    return {CLIPSegConfig: CLIPSegForImageSegmentation}


def _safe(value: Any) -> Any:
    """A configuration without what would load code or other weights."""
    if isinstance(value, Mapping):
        return {key: _safe(each) for key, each in value.items() if key not in UNSAFE}
    return [_safe(each) for each in value] if isinstance(value, list) else value


def check_counts(value: Any, tensors: int, key: str = "") -> None:
    """Refuse a configuration that repeats a part more often than there are tensors, or has huge grids."""
    if isinstance(value, Mapping):
        if len(value) > MOST_CLASSES:
            raise GanatomyError(f"config.json has {len(value):,} entries in '{key[:40]}'; that is too many.")
        for name, each in value.items():
            check_counts(each, tensors, str(name))
    elif isinstance(value, list):
        for each in value[:MOST_CLASSES]:
            check_counts(each, tensors, key)
    elif isinstance(value, int) and not isinstance(value, bool):
        _check_count(value, tensors, key)


def _check_count(value: int, tensors: int, key: str) -> None:
    if value > MOST.get(key, value):
        raise GanatomyError(
            f"config.json says {value:,} in {key}, and at most {MOST[key]:,} is possible; download the "
            "model's own config.json again."
        )
    if value > (max(tensors, 64) if COUNTS.search(key) else 2**31):
        raise GanatomyError(
            f"config.json says {value:,} {key[:40]}, which the {tensors} tensors cannot be; "
            "use the two files of one model."
        )


def is_universal(built: nn.Module) -> bool:
    """Whether a network returns masks with classes, and not a class for each pixel."""
    return type(built).__name__.endswith(("UniversalSegmentation", "InstanceSegmentation"))


def class_names(settings: Any) -> list[str] | None:
    """The names of a configuration's classes in order; None where they are LABEL_0, LABEL_1, ...

    Raises:
        GanatomyError: the names are not of every class.
    """
    known = {int(number): str(name) for number, name in (settings.id2label or {}).items()}
    if sorted(known) != list(range(settings.num_labels)):
        raise GanatomyError(
            "id2label in config.json does not name every class from 0 on; correct it, or remove it and give "
            "--vocabulary."
        )
    names = [known[number] for number in range(settings.num_labels)]
    return None if all(re.fullmatch(r"LABEL_\d+", name) for name in names) else names


def _unfit(config: Mapping[str, Any], error: Exception) -> GanatomyError:
    if isinstance(error, GanatomyError):
        return error
    kind = str(config.get("model_type"))[:60]
    if isinstance(error, ImportError):
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else "a package is missing"
        return GanatomyError(f"A '{kind}' with this config.json cannot be built here: {reason}")
    if "ignore_mismatched_sizes" in str(error) or "size mismatch" in str(error):
        return GanatomyError(
            "The weights do not fit config.json: some have other shapes; use the two files of one model."
        )
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
    return GanatomyError(
        f"config.json describes no '{kind}' that can be built ({reason}); download it again."
    )


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """No request leaves while a network is built, and nothing is printed."""
    from huggingface_hub import constants
    from transformers.utils import logging

    before, level = constants.HF_HUB_OFFLINE, logging.get_verbosity()
    constants.HF_HUB_OFFLINE = True
    logging.set_verbosity(logging.CRITICAL)
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def snapshot(address: str) -> Path:
    """The folder of a pinned revision, from the local cache, or downloaded into it.

    Raises:
        GanatomyError: the address names no revision by its 40 digits, or it cannot be downloaded.
    """
    if (match := REVISION.fullmatch(address)) is None:
        raise GanatomyError(
            f"'{address[:120]}' is no pinned revision; write hub:OWNER/NAME@ and the 40 digits of a commit, "
            "which the model's page lists under 'Files and versions'."
        )
    owner, name, revision = match.groups()
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise missing_package() from error
    wanted: dict[str, Any] = {"repo_id": f"{owner}/{name}", "revision": revision}
    wanted["allow_patterns"] = list(FILES)
    try:
        return Path(snapshot_download(**wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(**wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise GanatomyError(
            f"{owner}/{name} at {revision[:12]} is neither in the local cache nor to be had from the hub "
            f"({type(error).__name__}); check name and revision, or copy the folder here and give its path."
        ) from error


def missing_package() -> GanatomyError:
    """What is said where transformers is not installed."""
    return GanatomyError(
        "Segmenters of Hugging Face need the package transformers; in Ganatomy's folder, run "
        "`.venv/bin/pip install -e '.[hub]'`."
    )
