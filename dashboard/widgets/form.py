"""A form made from a request's own fields: their widgets, limits and descriptions; held in the address."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo
from streamlit.delta_generator import DeltaGenerator

from dashboard.widgets import url
from jobs.kinds.requests import Request

# Rarely changed; folded away.
MORE: tuple[str, ...] = (
    "seed",
    "threshold",
    "control",
    "owner",
    "project",
    "device",
    "parent",
    "top",
    "second_segmenter",
)
MORE += ("seeds", "steps", "penalty", "penalty_weight", "insert", "ablate", "training", "choosing")
MORE += ("single_images", "random_sets", "random_images")
EMPTY = {"segmenter": "the generator's own", "second_segmenter": "none"}


def values(kind: type[Request], options: Mapping[str, Sequence[str]], more: DeltaGenerator) -> dict[str, Any]:
    """Draw the fields of `kind`, the rarely changed ones in `more`; what they hold, without the empty ones.
    `options`: choices by field."""
    fields = kind.model_fields
    with st.grid(min_column_width=220):
        filled = {name: _field(name, fields[name], options) for name in fields if name not in MORE}
    with more, st.grid(min_column_width=220):
        filled |= {name: _field(name, fields[name], options) for name in fields if name in MORE}
    return {name: value for name, value in filled.items() if value not in (None, "", [])}


def _field(name: str, field: FieldInfo, options: Mapping[str, Sequence[str]]) -> Any:
    label, help_text = name.replace("_", " ").capitalize(), field.description
    if name in options and _repeats(field):
        return url.several(st.multiselect, label, name, options[name], help=help_text, placeholder="All")
    if name in options:
        said = EMPTY.get(name, "")
        if not options[name]:
            return url.text(st.text_input, label, name, help=help_text)
        return url.choice(
            st.selectbox, label, name, options[name], help=help_text, format_func=lambda text: text or said
        )
    if field.annotation is int:
        low, high = _limits(field)
        return url.whole(st.number_input, label, name, low, high, int(field.default), help=help_text)
    if get_origin(field.annotation) is Literal:
        return url.choice(st.selectbox, label, name, get_args(field.annotation), help=help_text)
    return url.text(st.text_input, label, name, default=_start(field), help=help_text)


def _start(field: FieldInfo) -> str:
    return "" if field.is_required() or field.default is None else str(field.default)


def _repeats(field: FieldInfo) -> bool:
    return any(get_origin(part) is tuple for part in (field.annotation, *get_args(field.annotation)))


def _limits(field: FieldInfo) -> tuple[int, int]:
    low = next((int(m.ge) for m in field.metadata if isinstance(m, Ge)), 0)  # type: ignore[call-overload]
    high = next((int(m.le) for m in field.metadata if isinstance(m, Le)), 2**53 - 1)  # type: ignore[call-overload]
    return low, min(high, 2**53 - 1)  # the largest whole number that a browser holds


def parameters(request: Mapping[str, Any]) -> dict[str, str]:
    """An earlier request as parameters of the address, so that the form shows it."""
    joined = {k: ",".join(v) if isinstance(v, list | tuple) else v for k, v in request.items()}
    return {name: str(value) for name, value in joined.items() if value is not None}
