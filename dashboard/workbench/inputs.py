"""The questions in plain words, and the form of a statement's parameters. All of it is in the address."""

from collections.abc import Mapping

import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.widgets import url
from dashboard.workbench import arrangement
from db.sql import parameters, questions
from db.sql.saved import PREFIX
from db.store import Snapshot

FIRST = "best-units"
OWN = "own"  # the choice that is no question


def question() -> questions.Question | None:
    """Draw the picker of questions; None for one's own statement."""
    default = OWN if url.get("q") else FIRST
    stale = [name for name in st.query_params if name.startswith(PREFIX)]
    chosen = url.choice(
        st.selectbox,
        "Question",
        "question",
        [OWN, *questions.QUESTIONS],
        default=default,
        reset=("q", "saved", "version", "x", "y", "colour", "facet", *arrangement.PARAMETERS, *stale),
        unknown="There is no question {}",
        sparse=default == OWN,
        format_func=_title,
        help="Type to search. Each question is a statement that you can change below.",
    )
    return questions.QUESTIONS.get(chosen)


def _title(name: str) -> str:
    if name == OWN:
        return "My own statement"
    found = questions.QUESTIONS[name]
    return f"{found.question} ({found.about})"


@st.cache_data(max_entries=512, show_spinner=False)
def _choices(
    version: str, select: str, used: tuple[tuple[str, parameters.Value], ...], _snapshot: Snapshot
) -> list[str]:
    """The possible values of a parameter, cached per version of the store."""
    return questions.choices(_snapshot, questions.Parameter("", select), dict(used))


def values(
    snapshot: Snapshot, statement: str, asked: questions.Question | None
) -> dict[str, parameters.Value]:
    """Draw a field for each parameter of the statement, and return what they hold."""
    known = {**questions.COMMON, **(asked.parameters if asked else {})}
    found: dict[str, parameters.Value] = {}
    needed = parameters.names(statement)
    # A question's own order: the choices of a later field may depend on an earlier one.
    order = [name for name in known if name in needed]
    order += [name for name in needed if name not in known]
    if not order:
        return found
    with st.container(horizontal=True, vertical_alignment="bottom", key="parameters"):
        for name in order:
            found[name] = _field(snapshot, name, known.get(name), found)
    if empty := [f"`:{name}`" for name in order if found[name] == ""]:
        st.caption(f"Without a value: {', '.join(empty)}. The statement gets an empty text.")
    return found


def check(
    snapshot: Snapshot,
    known: Mapping[str, questions.Parameter],
    given: Mapping[str, parameters.Value],
) -> None:
    """Raise GanatomyError for a value that this store does not have any more."""
    for name, value in given.items():
        parameter = known.get(name)
        if parameter is None or not parameter.choices or not value:
            continue
        used = tuple((each, given.get(each)) for each in parameters.names(parameter.choices))
        if value not in _choices(str(snapshot.version), parameter.choices, used, snapshot):
            label = parameter.label
            raise GanatomyError(f"{label} {value} is not in this store; open the query and choose another.")


def _field(
    snapshot: Snapshot,
    name: str,
    parameter: questions.Parameter | None,
    before: Mapping[str, parameters.Value],
) -> parameters.Value:
    """Draw one field."""
    key = f"{PREFIX}{name}"
    if parameter is None:
        return url.text(st.text_input, f":{name}", key, reset=("page",), width=200)
    if not parameter.choices:
        usual = int(parameter.default)
        return url.whole(st.number_input, parameter.label, key, 0, 10**9, usual, reset=("page",), width=200)
    used = tuple((each, before.get(each)) for each in parameters.names(parameter.choices))
    options = _choices(str(snapshot.version), parameter.choices, used, snapshot)
    if not options:
        st.selectbox(parameter.label, [], placeholder="None in this store", disabled=True, width=240)
        return None
    wide = 300 if name in ("run", "other") else 200
    reset = [each for each in st.query_params if each.startswith(PREFIX)] if name == "run" else []
    reset.append("page")
    return url.choice(st.selectbox, parameter.label, key, options, reset=reset, width=wide)
