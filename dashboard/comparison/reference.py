"""What a generator does not draw: each concept's share in its images and in reference pictures."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image

from analysis.artifacts.reference_names import DRAWN_DATA
from analysis.dissection.pictures import Pictures
from dashboard.charts import compare as charts
from dashboard.comparison import gaps
from dashboard.comparison.choice import Choice
from dashboard.comparison.counts import colours
from dashboard.widgets import downloads, job_form, pictures, swatches, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import compare as queries
from db.store import Snapshot, bundles

LEVEL = 0.05
LISTED = 5  # concepts in a sentence
WIDTH = 128  # pixels of a picture, about


def finding(frame: pd.DataFrame, name: str) -> str:
    """What one run's generator draws too little or too much of, in a sentence."""
    sure = frame[frame["q_value"] <= LEVEL]
    parts = []
    for less, what in ((True, "too little"), (False, "too much")):
        some = sure[(sure["difference"] < 0) == less]
        some = some.reindex(some["difference"].abs().sort_values(ascending=False).index)
        if len(some):
            listed = ", ".join(
                f"{words.plain(row['concept'])} ({row['share']:.1%}, not {row['reference_share']:.1%})"
                for row in rows(some.head(LISTED))
            )
            more = f" and {len(some) - LISTED} more" if len(some) > LISTED else ""
            parts.append(f"**{what}** of {listed}{more}")
    if not parts:
        return f"{words.plain(name)} draws no concept measurably more or less than its reference pictures."
    return f"{words.plain(name)} draws {'; '.join(parts)}."


def draw(choice: Choice, snapshot: Snapshot) -> None:
    """Draw the shares of every run that was held against reference pictures, and a button for the others."""
    frame = queries.reference_shares(snapshot, list(choice.runs))
    known = set(frame["run_id"])
    for run_id in (run_id for run_id in choice.runs if run_id in known):
        st.markdown(finding(frame[frame["run_id"] == run_id], choice.run_names[run_id]))
    if known:
        shares(frame, choice)
        show(frame, choice, snapshot)
    for run_id, run in choice.runs.items():
        if run_id not in known:
            ask(run, choice.run_names[run_id])


def shares(frame: pd.DataFrame, choice: Choice) -> None:
    """Draw each concept's share in the generators' images and in the reference pictures."""
    drawn = frame.assign(
        run=frame["run_id"].map(choice.run_names), chosen=frame["concept"] == url.get("concept")
    )
    known = tuple((name, colour) for name, colour in colours(choice) if name in set(drawn["run"]))
    made = charts.shares(drawn, known)
    made.draw("Shares of concepts", key="shares", on_select=_choose, selection_mode=["concept"])
    swatches.legend({**dict(known), "reference pictures": charts.REFERENCE})
    row = rows(frame)[0]
    st.caption(
        f"Mean share of a picture's pixels, with 95 % intervals over {words.count(row['images'], 'image')} "
        f"and {words.count(row['reference_images'], 'reference picture')}. One segmenter looked at both. A "
        "concept is listed above where the difference holds at a false discovery rate of 5 %. Click a "
        "concept to see it."
    )
    downloads.table(frame, "reference-shares", "Shares")


def _choose() -> None:
    state: Any = st.session_state.get("shares")
    picked = state.selection.get("concept") if state else None
    if picked:
        url.change(concept=picked[0]["concept"])


def show(frame: pd.DataFrame, choice: Choice, snapshot: Snapshot) -> None:
    """Draw the pictures that show most of one concept: the generators' and those of the reference."""
    apart = frame.loc[frame["difference"].abs().sort_values(ascending=False).index, "concept"]
    offered = list(dict.fromkeys(apart))
    concept = url.choice(
        st.selectbox, "Pictures with most of", "concept", offered, width=260, help="Or click a concept above."
    )
    shown: set[str] = set()
    for run_id in dict.fromkeys(frame["run_id"]):
        row = only(frame, run_id=run_id, concept=concept)
        known = only(queries.vocabularies(snapshot, [run_id]), concept=concept)
        if row is None or known is None:
            continue
        name = choice.run_names[run_id]
        panels = [("drawn", name, choice.colours[name], row["share"], row["shown"])]
        if row["reference"] not in shown:
            shown.add(str(row["reference"]))
            theirs = (row["reference_share"], row["reference_shown"])
            panels.append(("reference", str(row["reference"]), charts.REFERENCE, *theirs))
        for place, (part, title, colour, share, seen) in zip(st.columns(2), panels, strict=False):
            with place:
                swatches.legend({title: colour}, bold=True)
                st.caption(f"{share:.1%} of the pixels; {seen:.0%} of the pictures show it")
                place_of = int(known["label"]) - 1
                picture(str(snapshot.bundle(run_id).path), part, place_of, title, concept)


def picture(bundle: str, part: str, place: int, title: str, concept: str) -> None:
    """Draw the pictures of one set that show most of a concept."""
    strip = most_of(bundle, part, place)
    if strip is None:
        st.markdown("No picture of this set shows it.")
        return
    st.image(strip, width="stretch", alt=f"Pictures of {title} with most {concept}")


@st.cache_data(max_entries=200, show_spinner=False)
def most_of(bundle: str, part: str, place: int) -> bytes | None:
    """The pictures of one set with most of the concept of that place, as PNG; None where none shows it."""
    stored = bundles.read(Path(bundle)).array(part).mapped()
    held = Pictures(stored)
    found = [Image.fromarray(held[int(number)]) for number in stored["top"][place] if int(number) >= 0]
    factor = max(1, round(WIDTH / found[0].width)) if found else 1
    large = [
        each.resize((each.width * factor, each.height * factor), Image.Resampling.BICUBIC) for each in found
    ]
    return pictures.strip(large, len(large)) if large else None


def ask(run: Row, name: str) -> None:
    """Draw a button that holds a run's generator against reference pictures, on the run's own sample."""
    st.caption(f"{words.plain(name)} was not compared with reference pictures.")
    first = DRAWN_DATA.get(str(run["trained_on"]))
    offered = sorted(job_form.references([]), key=lambda each: each != first)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reference = url.choice(
            st.selectbox,
            "Reference pictures",
            f"reference-{name}",
            offered,
            width=260,
            help="A folder of pictures in the store's references/ can be one.",
        )
        request = gaps.like(run, run).replace(reference=reference)
        gaps.button(f"Compare {words.plain(name)} with them", [request], f"reference-{name}", run)
