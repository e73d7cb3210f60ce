"""What a family of segmenters is: how its files are recognised and read, and how one is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analysis.models.checkpoints import State
from analysis.models.choice import Choice, checked_answers
from analysis.models.families.family import Config

if TYPE_CHECKING:
    from analysis.models.segmenter import Segmenter

__all__ = ["Choice", "Config", "Files", "SegmenterFamily", "answers", "given"]


class Files(NamedTuple):
    """What was read of a segmenter: tensors by name, and plain JSON values that lay beside them."""

    state: State
    beside: dict[str, Any]


@dataclass(frozen=True)
class SegmenterFamily:
    """A published layout of segmenters.

    Args:
        title: what people call it.
        recognises: whether a state dict is of this family, from names, shapes and what lay beside it under
            "config"; the tensors may be on the meta device. It never raises.
        build: the segmenter of a state dict: (state, config, name, device). `config` holds plain values found
            beside the weights under "config", answers to `choices` by name, and perhaps a "vocabulary".
            It raises `GanatomyError` where the weights do not fit, before it allocates more than they take.
        choices: what the user is asked. A choice without values takes any text.
        opens: whether a folder is of this family; None where it has no folders.
        read: a folder's weights and what lies beside them, given the answers to choices.
        hidden: not offered; for tests.
    """

    title: str
    recognises: Callable[[State, Config], bool]
    build: Callable[[State, Config, str, str], Segmenter]
    choices: tuple[Choice, ...] = ()
    opens: Callable[[Path], bool] | None = None
    read: Callable[[Path, Mapping[str, str]], Files] | None = None
    hidden: bool = False


def answers(family: SegmenterFamily, config: Config) -> dict[str, str]:
    """The answer to each choice of a family: the configuration's, or the default.

    Raises:
        GanatomyError: an answer is none of the values.
    """
    names = [choice.name for choice in family.choices]
    chosen = {name: str(config[name]) for name in names if name in config}
    return {choice.name: choice.default for choice in family.choices} | given(family, chosen)


def given(family: SegmenterFamily, chosen: Mapping[str, str]) -> dict[str, str]:
    """What the user chose, checked: every name is a choice of the family, and every value possible.

    Raises:
        GanatomyError: it is not.
    """
    return checked_answers(family.choices, chosen, family.title)
