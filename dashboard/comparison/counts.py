"""How many units of each arm detect concepts: a sentence, bars, and the best units of the bar clicked on."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import compare as charts
from dashboard.comparison import captions, tables
from dashboard.comparison.choice import Choice
from dashboard.viewer import size
from dashboard.widgets import card, pickers, url, words
from dashboard.widgets.rows import Row, rows
from db.queries import runs
from db.queries.compare import Arm
from db.schema.naming_rule import NamingRule
from db.store import Snapshot

EACH = "each"  # category beside category
CARDS = 6


def colours(choice: Choice) -> charts.Colours:
    """The runs' names and colours, for a chart's legend."""
    return tuple(choice.colours.items())


def placed(frame: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """The rows of arms with the row that each stands in, and its run, in the order of the rows."""
    arms = [Arm(run_id, layer) for run_id, layer in zip(frame["run_id"], frame["layer"], strict=True)]
    order = {arm: place for place, arm in enumerate(choice.pairs)}
    frame = frame.assign(
        row=[choice.pairs[arm] for arm in arms],
        run=[choice.run_names[arm.run_id] for arm in arms],
        place=[order[arm] for arm in arms],
    )
    return frame.sort_values("place", kind="stable").drop(columns="place")


def finding(frame: pd.DataFrame, choice: Choice, by_lift: bool) -> str:
    """What the counts of all categories say, in two sentences."""
    whole = rows(
        frame[frame["category"] == (tables.ALL if len(frame["category"].unique()) > 1 else _only(frame))]
    )
    what = "detectors" if by_lift else "named units"
    best = max(whole, key=lambda row: row["share"])
    if not best["named"]:
        return f"No layer has {what} for the concepts that are compared."
    said = (
        f"**{words.plain(best['arm'])} has the largest share of {what}**: {best['named']} of "
        f"{words.count(best['units'], 'unit')}, {best['share']:.0%} ({best['share_low']:.0%} to "
        f"{best['share_high']:.0%})."
    )
    pairs = [list(group) for group in _grouped(whole, choice) if len({row["run_id"] for row in group}) == 2]
    if len(choice.runs) != 2 or not pairs:
        return said
    names = list(choice.run_names.values())
    wins = {name: 0 for name in names}
    for one, other in pairs:
        high, low = (one, other) if one["share"] > other["share"] else (other, one)
        if high["share_low"] > low["share_high"]:
            wins[choice.run_names[high["run_id"]]] += 1
    surely = sum(wins.values())
    if not surely:
        return f"{said} The intervals of the two runs overlap in all {len(pairs)} rows."
    told = " and ".join(f"in {many} {words.plain(name)} has more" for name, many in wins.items() if many)
    apart = f"In {surely} of {len(pairs)} rows the two runs are apart by more than their intervals"
    return f"{said} {apart}: {told}."


def _only(frame: pd.DataFrame) -> str:
    return str(frame["category"].iloc[0])


def _grouped(whole: list[Row], choice: Choice) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in whole:
        groups.setdefault(choice.pairs[Arm(row["run_id"], row["layer"])], []).append(row)
    return [group for group in groups.values() if len(group) == 2]


def category(frame: pd.DataFrame) -> list[str]:
    """Draw the choice of a category, or of each beside the others, and return what is drawn.

    A browser draws a chart in a twentieth of a second, so a page does not begin with one per category.
    """
    found = [str(kind) for kind in frame["category"].unique()]
    if len(found) < 2:
        return found
    kinds = [tables.ALL, *(kind for kind in found if kind != tables.ALL), EACH]
    chosen = url.choice(
        st.segmented_control,
        "Category",
        "kind",
        kinds,
        required=True,
        format_func=lambda kind: words.plain(kind.capitalize()),
    )
    return found if chosen == EACH else [chosen]


def bars(frame: pd.DataFrame, kinds: Sequence[str], choice: Choice, by_lift: bool, arm: str) -> None:
    """Draw detectors or named units, and distinct concepts; a click on a bar shows its units."""
    shown = placed(frame[frame["category"].isin(kinds)], choice)
    panels = [
        ("Detectors" if by_lift else "Named units", "share", "share of the layer's units"),
        ("Distinct concepts", "concepts", "concepts"),
    ]
    for kind in kinds:
        for place, (title, value, axis) in zip(st.columns(2, gap="medium"), panels, strict=True):
            with place:
                of = "" if kind == tables.ALL or len(kinds) == 1 else f": {words.plain(kind)}"
                st.markdown(f"**{title}{of}**")
                of_kind = shown[shown["category"] == kind]
                end = charts.top(shown, value)  # of all panels of this value
                key = f"bars-{value}-{kind}"
                charts.bars(of_kind, value, axis, colours(choice), end, arm).draw(
                    f"{title}: {kind}", key=key, on_select=_choose(key), selection_mode=["arm"]
                )
    said = captions.LINES["units"] + (" " + captions.LINES["lift"] if by_lift else "")
    st.caption(said, help=captions.HOW)


def _choose(key: str) -> Any:
    def chosen() -> None:
        state: Any = st.session_state.get(key)
        picked = state.selection.get("arm") if state else None
        if picked:
            url.change(arm=picked[0]["key"])

    return chosen


def best_arm(frame: pd.DataFrame) -> str:
    """The key of the arm with the largest share, over all categories."""
    return str(frame.sort_values("share", ascending=False, kind="stable")["key"].iloc[0])


def units(choice: Choice, snapshot: Snapshot, rule: NamingRule, first: str) -> None:
    """Draw the best units of one arm, that whose bar was clicked, and a link to all of them."""
    by_key = {str(arm): arm for arm in choice.pairs}
    key = url.choice(
        st.selectbox,
        "Best units of",
        "arm",
        list(by_key),
        default=first,
        format_func=lambda key: choice.names[by_key[key]],
        width=320,
        help="Or click a bar.",
    )
    arm = by_key[key]
    found = runs.units(snapshot, arm.run_id, arm.layer, rule)
    best = rows(found[found["passes"].fillna(False)].head(CARDS))
    if not best:
        what = "is a detector" if rule.name == "lift" else "is named under this rule"
        st.caption(f"No unit of {words.plain(choice.names[arm])} {what}.")
    run = pickers.Run(arm.run_id, choice.runs[arm.run_id], snapshot)
    size.slider()
    with st.grid(min_column_width=size.card_width()):
        for row in best:
            card.unit(run, row, {"rule": rule.name})
    there = {"run": arm.run_id, "layer": arm.layer, "rule": rule.name, "show": "named"}
    label = f"All units of {words.plain(choice.names[arm])}"
    st.page_link("views/units.py", label=label, icon=":material/grid_view:", query_params=there)
