"""Cards of what causes, context and artifact runs found: a picture, a sentence, a link to the evidence."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from analysis.editing.edits import Edit
from analysis.shared.errors import GanatomyError
from dashboard.charts import cell_maps
from dashboard.charts.context import STRENGTHS
from dashboard.discoveries import sentences
from dashboard.widgets import causal_edits, renders, times, words
from dashboard.widgets.rows import Row, rows
from db.errors import StoreError
from db.queries import artifacts as artifact_queries
from db.queries import causes as causes_queries
from db.queries import concepts as concept_queries
from db.queries import context as context_queries
from db.queries import runs
from db.store import Snapshot

PICTURES = 3  # images in a card
MOST = {"causes": 3, "context": 2, "artifacts": 1}  # cards per study


@dataclass(frozen=True)
class Picture:
    """A picture with its text."""

    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Discovery:
    """What one run found. `picture` renders, so it may raise what renders raise."""

    view: str
    icon: str
    run: Row
    sentence: str
    picture: Callable[[], Picture]


def found(snapshot: Snapshot) -> list[Discovery]:
    """The newest runs of each study, one per generator, layer and concept."""
    studies = (
        ("causes", causes_queries.causes, ["generator", "layer", "concept"], _causes),
        ("context", context_queries.insertions, ["generator", "layer", "concept"], _context),
        ("artifacts", artifact_queries.searches, ["generator", "layer"], _artifacts),
    )
    made = []
    for name, query, same, make in studies:
        newest = query(snapshot).drop_duplicates(same).head(MOST[name])
        made += [make(snapshot, row) for row in rows(newest)]
    return made


def draw(discoveries: list[Discovery]) -> None:
    """Draw a card per discovery."""
    with st.grid(min_column_width=330):
        for each in discoveries:
            card(each)


def card(each: Discovery) -> None:
    """Draw the picture, the sentence, and a link to the page with the evidence.

    A picture that cannot be made (no weights here, no render process) is left out; the page says why.
    """
    with st.container(border=True, gap="xsmall"):
        with suppress(GanatomyError, StoreError, OSError, KeyError, ValueError):
            picture = each.picture()
            st.image(picture.png, width="stretch", alt=picture.alt)
            st.caption(picture.caption)
        st.markdown(each.sentence)
        st.caption(
            f"{words.plain(each.run['generator'])} · {words.count(int(each.run['images']), 'image')} · "
            f"{times.past(each.run['finished_at'])}"
        )
        label, icon = "The evidence", f":material/{each.icon}:"
        there = {"run": str(each.run["run_id"])}
        st.page_link(f"views/{each.view}.py", label=label, icon=icon, query_params=there)


def _causes(snapshot: Snapshot, run: Row) -> Discovery:
    run_id = str(run["run_id"])
    own, curve = (query(snapshot, run_id) for query in (causes_queries.summary, causes_queries.curves))
    first = rows(own)[0]

    def picture() -> Picture:
        table, kind = causal_edits.ranked(snapshot, run_id)
        n = int(first["top_units"])
        edit = causal_edits.ablation(str(run["layer"]), table.head(n), kind)
        seed, latents = _showing(snapshot, run)
        caption = f"Above: as generated. Below: with {words.count(n, 'unit')} off."
        return _pair(run, edit, seed, latents, caption)

    return Discovery("causes", "account_tree", run, sentences.causes(run, first, curve), picture)


def _showing(snapshot: Snapshot, run: Row) -> tuple[int, list[int]]:
    """Seed and latents of images that show the run's concept, else of its first test images."""
    parent = str(run["parent_run_id"])
    dissection = runs.runs(snapshot, "dissection")
    known = dissection.loc[dissection["run_id"] == parent, "seed"]
    if len(known):
        latents = concept_queries.images(snapshot, parent, str(run["concept"]), PICTURES)
        if latents:
            return int(known.iloc[0]), latents
    return int(run["seed"]), _first(run)


def _first(run: Row) -> list[int]:
    first = int(run["evaluation_start"])
    return list(range(first, first + PICTURES))


def _pair(run: Row, edit: Edit, seed: int, latents: list[int], caption: str) -> Picture:
    """Images above, and the same images edited below."""
    made = renders.made(run, edit, seed, latents)
    numbers = ", ".join(map(str, latents))
    alt = f"Latents {numbers}: before above, after below"
    return Picture(renders.strip((*made.before, *made.after), len(latents)), alt, caption)


def _context(snapshot: Snapshot, run: Row) -> Discovery:
    run_id = str(run["run_id"])
    summary = context_queries.summary(snapshot, run_id)
    order = summary["strength"].map({name: place for place, name in enumerate(STRENGTHS)})
    own = rows(summary.assign(order=order).sort_values("order"))[0]
    what = words.plain(run["concept"])

    def picture() -> Picture:
        bundle = str(snapshot.bundle(run_id).path)
        cells = cell_maps.read(bundle, str(own["strength"]))
        images = list(range(min(PICTURES, len(cells.latents))))
        latents = [cells.latents[image] for image in images]
        edit = cell_maps.edit(str(run["layer"]), cells, *cells.best(0), int(run["patch"]))
        made = renders.made(run, edit, int(run["seed"]), latents)
        alt = f"Latents {', '.join(map(str, latents))}: where {run['concept']} appears when a cell is forced"
        caption = f"Orange: places where forcing makes {what} appear. Blue: where it goes. Grey: left out."
        return Picture(cell_maps.sheet(cells, images, list(made.before)), alt, caption)

    said = sentences.context(run, own, context_queries.contexts(snapshot, run_id))
    return Discovery("context", "place", run, said, picture)


def _artifacts(snapshot: Snapshot, run: Row) -> Discovery:
    run_id = str(run["run_id"])
    effects = artifact_queries.effects(snapshot, run_id)

    def picture() -> Picture:
        n = _most(effects)
        units = artifact_queries.ranked(snapshot, run_id, sentences.SUSPECTS)["unit"].head(n)
        edit = Edit.ablate(str(run["layer"]), [int(unit) for unit in units])
        caption = f"Above: as generated. Below: without the {words.count(n, 'most suspect unit')}."
        return _pair(run, edit, int(run["seed"]), _first(run), caption)

    return Discovery("artifacts", "bug_report", run, sentences.artifacts(run, effects), picture)


def _most(effects: pd.DataFrame) -> int:
    """How many suspects the sentence is about."""
    return int(effects.loc[effects["ranking"] == sentences.SUSPECTS, "units"].max())
