"""Ratings: whether the units' names fit, by people who do not know which names are random."""

import math
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from analysis.dissection.ratings import Item
from dashboard.charts import ratings as charts
from dashboard.team import people, ratings
from dashboard.widgets import downloads, page, pickers, pictures, url, words
from dashboard.widgets.rows import only
from db.errors import StoreError
from db.queries import runs

COUNTS = (10, 30, 60, 120, 10_000)
IMAGES = 8
ANSWERS = (
    ("yes", "Yes", "Y", ":material/check:"),
    ("partly", "Partly", "P", ":material/contrast:"),
    ("no", "No", "N", ":material/close:"),
)
ABOUT = (
    "Say whether a name fits what is coloured. About a third of the names are random, and you are not told "
    "which."
)


def pictures_of(run: pickers.Run, units: pd.DataFrame, item: Item) -> None:
    """Draw the unit's pictures. Nothing here says which unit it is, or whose name."""
    row = only(units, layer=item.layer, unit=item.unit) or {}
    low = row.get("side") == "low"
    try:
        threshold = row.get("threshold")
        found = pictures.unit_images(run.bundle, item.layer, item.unit, threshold, run.grid, low=low)
    except StoreError:
        found = []
    if not found:
        st.caption("This run keeps no pictures of the unit, so its name cannot be rated. Rate another run.")
    with st.container(horizontal=True, gap="small"):
        for number, (_, picture) in enumerate(found[:IMAGES], start=1):
            st.image(picture, width=220, alt=f"Picture {number}, with the unit's mask in colour")


def rate(run: pickers.Run, units: pd.DataFrame, items: list[Item]) -> None:
    """Draw the next unit to rate, and the buttons, which have keys."""
    who = people.name()
    if who == people.NOBODY:
        text = "Say who you are first: answers of different people are compared."
        st.info(text, icon=":material/person:")
        people.ask("rate")
        return
    answered = ratings.given(run.id)
    mine = answered[answered["author"] == who]
    done = {*zip(mine["layer"], mine["unit"], strict=True)}
    left = [item for item in items if (item.layer, item.unit) not in done]
    here = len(items) - len(left)
    st.progress(here / len(items), text=f"{here} of {words.count(len(items), 'unit')} rated")
    if left:
        st.header(f"Does “{words.plain(left[0].shown)}” fit what is coloured?", anchor=False)
    else:
        st.success("You have rated every unit of this list. Thank you.", icon=":material/celebration:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if left:
            answers(run.id, left[0], who, here)
        back = page.said(partial(ratings.take_back, run.id, who))
        undo = ":material/undo:"
        st.button("Undo", key="undo", icon=undo, shortcut="U", on_click=back, disabled=mine.empty)
        url.turn("See the results", "results", ":material/bar_chart:", **url.everything(show="results"))
    if left:
        pictures_of(run, units, left[0])


def answers(run_id: str, item: Item, who: str, place: int) -> None:
    """Draw the answers. Each button has its unit, so that a key pressed twice answers no unit unseen."""
    for answer, label, key, icon in ANSWERS:
        st.button(
            label,
            key=f"{answer}-{place}",
            icon=icon,
            shortcut=key,
            type="primary" if answer == "yes" else "secondary",
            on_click=page.said(partial(ratings.give, run_id, item, who, answer)),
        )
    field = f"better-{place}"

    def better() -> None:
        if name := str(st.session_state[field]).strip():
            ratings.give(run_id, item, who, "no", name)

    st.text_input(
        "No, rather",
        key=field,
        max_chars=64,
        width=220,
        placeholder="A better name, then Enter",
        on_change=page.said(better),
    )


def results(run: pickers.Run, units: pd.DataFrame, items: list[Item]) -> None:
    """Draw how far people accept names, by score and beside random names, and how far they agree."""
    found = ratings.scored(ratings.given(run.id), units)
    if found.empty:
        st.info("Nobody has rated the names of this run yet.", icon=":material/how_to_vote:")
        return
    raters = found["author"].nunique()
    st.markdown(f"**{words.plain(ratings.sentence(found))}**")
    alpha, several = ratings.agreement(found)
    text = f"{words.count(len(found), 'rating')} by {words.count(raters, 'person', 'people')}."
    if several:
        value = "not defined, as all answers are the same" if math.isnan(alpha) else f"{alpha:.2f}"
        text += f" Agreement of raters on {words.count(several, 'unit')} (Krippendorff's alpha): {value}."
    else:
        text += " No unit was rated by two people, so nothing tells how far raters agree."
    st.caption(
        text,
        help="Yes counts 1, partly 0.5, no 0. Ratings of one unit count as one. Ranges are Wilson's 95 % "
        "intervals over units. Alpha is 1 for full agreement and 0 for chance; below 0.67 it is weak.",
    )
    charts.shares(ratings.shares(found)).draw("Names that people accept, by lift", width="stretch")
    listed(run, found, items)


def listed(run: pickers.Run, found: pd.DataFrame, items: list[Item]) -> None:
    """Draw the rated units, but those that the reader has yet to rate: it says which names are random."""
    mine = found[found["author"] == people.name()]
    done = {*zip(mine["layer"], mine["unit"], strict=True)}
    places = pd.Series([*zip(found["layer"], found["unit"], strict=True)], index=found.index)
    seen = found[places.isin(done)]
    left = sum((item.layer, item.unit) not in done for item in items)
    st.header("Unit by unit", anchor=False)
    if left:
        st.caption(
            "The list says which names are random, so it has only the units that you have rated. "
            f"{words.count(left, 'unit is', 'units are')} left."
        )
        if not page.read_only() and not st.toggle("Show all, which ends blind rating", key="rated-all"):
            found = seen
    if found.empty:
        return
    table = ratings.by_unit(found)
    there = [url.address("unit", run=run.id, layer=r.layer, unit=r.unit) for r in table.itertuples()]
    columns: dict[str, Any] = {
        "open": st.column_config.LinkColumn("Unit", display_text="open"),
        "layer": "Layer",
        "unit": "Unit",
        "shown": "Name shown",
        "own": "Its own",
        "accepted": st.column_config.NumberColumn("Accepted", format="percent"),
        "raters": "Raters",
        "better": "Rather",
        "lift": st.column_config.NumberColumn("Lift", format="%.2f", help=words.HELP["lift"]),
        "iou": st.column_config.NumberColumn("IoU", format="%.2f", help=words.HELP["iou"]),
    }
    st.dataframe(
        table.assign(open=there),
        hide_index=True,
        column_order=list(columns),
        column_config=columns,
        alt="Rated units",
    )
    downloads.table(found.drop(columns=["id", "threshold", "updated_at"]), "ratings")


with page.frame("Ratings", ABOUT) as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.run(snapshot)
        if run:
            names = ["", *map(str, runs.layers(snapshot, run.id)["layer"])]
            layer = url.choice(
                st.selectbox, "Layer", "layer", names, format_func=lambda name: name or "All", width=140
            )
            most = url.choice(
                st.selectbox,
                "Units",
                "units",
                COUNTS,
                60,
                format_func=lambda count: "All" if count == COUNTS[-1] else str(count),
                width=100,
            )
            shown = url.choice(
                st.segmented_control,
                "Show",
                "show",
                ["rate", "results"],
                required=True,
                format_func=str.title,
            )
    if run:
        units = ratings.named_units(snapshot, run.id)
        items = ratings.shown(units, run.id, people.name(), layer, most)
        if not items:
            st.info("No unit of this run has a name that could be rated.", icon=":material/help:")
        elif shown == "results":
            results(run, units, items)
        elif page.read_only():
            st.info(words.plain(page.look_only("Rate names on another dashboard.")))
        else:
            st.fragment(rate, key="rater")(run, units, items)
