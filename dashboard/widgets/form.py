"""A form made from the parameters of a kind of job; its values are in the address."""

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.team import people
from dashboard.widgets import url, words
from jobs.kinds import requests
from jobs.kinds.base import Kind
from jobs.kinds.parameters import Parameter
from jobs.kinds.requests import KINDS


def problems(kind: Kind) -> dict[str, str]:
    """What is wrong with the values in the address, by parameter."""
    given = {name: url.get(name) for name in kind.parameters() if name != "owner"}
    found = requests.problems(kind.command, {name: text for name, text in given.items() if text})
    return {name: said for name, said in found.items() if given.get(name)}  # what was left out is no mistake


def values(
    kind: Kind, names: Mapping[str, Sequence[str]], more: DeltaGenerator, wrong: Mapping[str, str]
) -> dict[str, object]:
    """Draw the parameters of `kind`, the advanced ones in `more`, and return the values that are not empty.

    `names` are the generators, segmenters, layers, concepts and references that can be chosen, by what an
    option names. `wrong` says what is wrong with a parameter's value, below its field.
    """

    def draw(each: Parameter) -> object:
        with st.container(gap="xsmall"):
            value = _field(each, names)
            if each.name in wrong:
                st.error(words.plain(wrong[each.name]))
        return value

    parameters = kind.parameters().values()
    with st.grid(min_column_width=220):
        filled = {each.name: draw(each) for each in parameters if not each.option.advanced}
    with more, st.grid(min_column_width=220):
        filled |= {each.name: draw(each) for each in parameters if each.option.advanced}
    meaningful = {each.name for each in parameters if each.none}  # empty means None, which is not the default
    return {
        name: value for name, value in filled.items() if value not in (None, "", []) or name in meaningful
    }


def _field(parameter: Parameter, names: Mapping[str, Sequence[str]]) -> object:
    option, name = parameter.option, parameter.name
    if name == "owner":  # not in the address: whoever opens a link asks in the own name
        fixed = people.providers() is not None
        owner = st.text_input(
            option.label, people.owner(), key="form-owner", help=option.help, max_chars=64, disabled=fixed
        )
        return people.owner(None if fixed else owner)
    choices = names.get(option.names, ()) if option.names else parameter.choices
    hint = option.empty.capitalize() if parameter.optional else ""
    if choices and parameter.repeats:
        return url.several(
            st.multiselect, option.label, name, [*map(str, choices)], help=option.help, placeholder=hint
        )
    if choices:
        choices = ["", *choices] if parameter.optional else choices
        return url.choice(
            st.selectbox,
            option.label,
            name,
            choices,
            parameter.value(parameter.text(parameter.default)) if parameter.default else choices[0],
            help=option.help,
            format_func=lambda choice: str(choice) or option.empty,
        )
    if parameter.type is int and not parameter.optional and not parameter.required:
        low, high = parameter.low, parameter.high
        return url.whole(st.number_input, option.label, name, low, high, parameter.default, help=option.help)
    default = "" if parameter.default is None else parameter.text(parameter.default)
    return url.text(st.text_input, option.label, name, default=default, help=parameter.help, placeholder=hint)


def texts(kind: str, request: Mapping[str, object]) -> dict[str, str]:
    """A request as parameters of the address, so that the form shows it."""
    known = KINDS[kind].parameters() if kind in KINDS else {}
    given = {name: known[name].text(value) for name, value in request.items() if name in known}
    given.pop("owner", None)
    return {"kind": kind} | {name: text for name, text in given.items() if text}
