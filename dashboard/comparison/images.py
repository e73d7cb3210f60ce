"""The same latents in each run's generator, and each run's best detectors, side by side."""

import streamlit as st

from analysis.editing.edits import Edit
from analysis.shared.errors import GanatomyError
from dashboard.comparison.choice import Choice
from dashboard.viewer import size
from dashboard.widgets import card, pickers, renders, swatches, url, words
from dashboard.widgets.rows import rows
from db.queries import runs
from db.store import Snapshot

LATENTS = 6
BEST = 4


def same_latents(choice: Choice) -> None:
    """Draw what each run's generator makes of the same latents, one run in a row."""
    st.header("The same latents", anchor=False)
    first = url.whole(st.number_input, "First latent", "first", 0, 10**9, 0, width=140)
    latents = list(range(first, first + LATENTS))
    seeds = {int(run["seed"]) for run in choice.runs.values()}
    for run_id, run in choice.runs.items():
        name = choice.run_names[run_id]
        swatches.legend({name: choice.colours[name]}, bold=True)
        with st.spinner("Rendering"):
            try:
                made = renders.made(run, Edit(), int(run["seed"]), latents)
            except GanatomyError as error:  # such as a control, whose weights no shelf has
                st.caption(words.sentence(error))
                continue
            st.image(
                renders.strip(tuple(made.before), len(latents)),
                width="stretch",
                alt=f"{name}: latents {latents[0]} to {latents[-1]}",
            )
    if len(choice.runs) > 1:
        st.caption(
            "A column is one latent. Networks of one training, and their controls, often keep its layout; "
            "others have nothing to do with each other's."
            + ("" if len(seeds) == 1 else " The runs have different seeds, so their latents differ too.")
        )


def best(choice: Choice, snapshot: Snapshot) -> None:
    """Draw the best detectors of each run in a column of its own."""
    st.header("The best detectors of each run", anchor=False)
    found = {run_id: rows(runs.showpieces(snapshot, run_id, BEST)) for run_id in choice.runs}
    size.slider()
    with st.grid(min_column_width=size.card_width()):
        for run_id, shown in found.items():
            with st.container(gap="small"):
                name = choice.run_names[run_id]
                swatches.legend({name: choice.colours[name]}, bold=True)
                if not shown:
                    st.caption("No unit of this run is a detector.")
                run = pickers.Run(run_id, choice.runs[run_id], snapshot)
                for row in shown:
                    card.unit(run, row, {})
