"""What a file does not say about its model, as select boxes; the answers are in the address."""

from collections.abc import Iterable, Mapping

import streamlit as st

from analysis.models.choice import Choice
from dashboard.widgets import url, words

PREFIX = "a."


def answers() -> dict[str, str]:
    """The answers in the address, by name."""
    found = st.query_params.to_dict()
    return {name.removeprefix(PREFIX): value for name, value in found.items() if name.startswith(PREFIX)}


def named() -> list[str]:
    """The parameters of the address that hold answers."""
    return [name for name in st.query_params if name.startswith(PREFIX)]


def ask(choices: Iterable[Choice], given: Mapping[str, str]) -> dict[str, str]:
    """Draw a box for each choice, and return the answers given. A change inspects the file again."""
    for choice in choices:
        said = given.get(choice.name, choice.default)
        label, about = choice.name.replace("-", " ").replace("_", " ").capitalize(), words.plain(choice.help)
        if choice.values:
            default = said if said in choice.values else None
            options = [*choice.values] if default else ["", *choice.values]
            _choice(label, choice, options, said, about)
        else:
            url.text(st.text_input, label, PREFIX + choice.name, default=choice.default, help=about)
    return answers()


def _choice(label: str, choice: Choice, options: list[str], said: str, about: str) -> None:
    """A select box that stays out of the address until somebody chooses."""
    parameter = PREFIX + choice.name
    key = f"choice:{choice.name}"
    value = url.get(parameter, said)
    if value not in options:
        options = [value, *options]
    if st.session_state.get(key) != value:
        st.session_state[key] = value

    def changed() -> None:
        url.go(**url.everything(**{parameter: st.session_state[key]}))

    st.selectbox(
        label,
        options,
        key=key,
        help=about,
        on_change=changed,
        format_func=lambda each: each or "choose",
    )
