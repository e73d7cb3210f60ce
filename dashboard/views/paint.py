"""Paint: draw or remove a concept in an image with the units behind it, and see what the segmenter sees."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from analysis.editing.edits import Cell, Edit, boxes
from dashboard.charts import palette
from dashboard.viewer import canvas
from dashboard.widgets import causal_edits, downloads, page, pickers, renders, url, words
from dashboard.widgets.rows import Row, rows
from db.queries import concepts, runs
from jobs.render.client import MeasureResult, RenderResult

UNITS = 8  # of a brush whose causes nobody has learned
BY_NUMBER = "Units by number"
SIZES, STRENGTHS = [1, 2, 3, 5, 8], [0.25, 0.5, 0.75, 1.0]
SHOW = {"image": "Image", "difference": "Where it differs", "labels": "What the segmenter sees"}
LEAST = 0.0005  # change of a concept's share of the image from which it is listed
LATENTS = 10_000  # that the button of chance draws from
OTHERS = 4  # other images that the strokes can be tried on
CANVAS = 560  # pixels, as in canvas.css


@dataclass(frozen=True)
class Brush:
    """Units of one layer with the values that draw their concept, and those that remove it."""

    draw: Edit
    remove: Edit
    about: str

    def stroke(self, how: str, cells: Sequence[Cell], strength: float) -> Edit:
        """One stroke at these cells."""
        (step,) = (self.draw if how == "draw" else self.remove).steps
        return Edit((replace(step, cells=boxes(cells), strength=strength),))


def learned_brush(run: pickers.Run, row: Row) -> Brush:
    """The brush of a causes run: its causal set, with the values that were scored."""
    layer = str(row["layer"])
    table, kind = causal_edits.ranked(run.snapshot, str(row["run_id"]))
    first = table.head(int(row["top_units"]))
    about = f"{words.count(len(first), 'unit')} of {layer}, the learned causes"
    return Brush(causal_edits.insertion(layer, first), causal_edits.ablation(layer, first, kind), about)


def brush_of_units(run: pickers.Run, layer: str, units: list[int], about: str) -> Brush | None:
    """A brush of any units: set to their largest activations, or to 0."""
    known = runs.units(run.snapshot, run.id, layer)
    peaks = {int(row["unit"]): round(row["activation_peak"] or 0.0, 4) for row in rows(known)}
    if wrong := [unit for unit in units if unit not in peaks]:
        st.warning(
            f"{words.plain(layer)} has units 0 to {len(peaks) - 1}; there is no unit {wrong[0]}.",
            icon=":material/help:",
        )
    chosen = {unit: peaks[unit] for unit in units if unit in peaks}
    if not chosen:
        return None
    return Brush(Edit.insert(layer, chosen), Edit.ablate(layer, list(chosen)), about)


def brush(run: pickers.Run, layer: str) -> tuple[str, Brush | None]:
    """Draw the choice of a brush: concepts with learned causes first, or units by number."""
    learned = {
        row["concept"]: row for row in rows(concepts.causes(run.snapshot, run.id)) if row["layer"] == layer
    }
    scored = runs.layer_concepts(run.snapshot, run.id, layer)["concept"].tolist()
    offered = [*learned, *(name for name in scored if name not in learned), BY_NUMBER]
    wanted = url.get("brush")
    if wanted and wanted not in offered:
        st.error(
            f"{words.plain(layer)} has no brush {words.plain(wanted)}; choose another.",
            icon=":material/error:",
        )
        return "", None
    name = url.choice(
        st.selectbox,
        "Brush",
        "brush",
        offered,
        width=240,
        format_func=lambda name: f"{name} (learned causes)" if name in learned else name,
        help="A brush is a set of units. Learned causes were tested together. Where there are none, it has "
        "the units that agree best with the concept: drawing sets them to their largest activations, "
        "removing sets them to 0.",
    )
    if name in learned:
        return name, learned_brush(run, learned[name])
    if name == BY_NUMBER:
        typed = url.text(st.text_input, "Unit numbers", "units", placeholder="e.g. 4, 17-20", width=180)
        units = page.numbers(typed)
        about = f"{words.count(len(units), 'unit')} of {layer}, chosen by number"
        return name, brush_of_units(run, layer, units, about) if units else None
    best = runs.best_units(run.snapshot, run.id, layer, name, UNITS)["unit"].tolist()
    about = f"the {words.count(len(best), 'unit')} of {layer} that agree best with {name}"
    return name, brush_of_units(run, layer, best, f"{about}; their joint effect was not tested")


def latent(run: pickers.Run) -> tuple[int, int]:
    """Seed and number of the latent in the address; the run's first image by default."""
    seed, number = url.number("seed"), url.number("latent")
    seed = int(run.row["seed"]) if seed is None else seed
    number = int(run.row["evaluation_start"]) if number is None else number
    url.put(seed=seed, latent=number)
    return seed, number


def painted() -> Edit:
    """The strokes so far, with one that was made a moment ago and that the browser has not confirmed yet."""
    url.reconcile()
    return Edit.parse(url.get("edit"))


def history(edit: Edit, key: str) -> None:
    """Draw undo, redo and clear; what can be done again is in the session under `key`."""
    redo: list[str] = st.session_state.setdefault(key, [])

    def undo() -> None:
        if now := painted().steps:
            redo.append(str(now[-1]))
            url.change(edit=str(Edit(now[:-1])) or None)

    def again() -> None:
        if redo:
            url.change(edit=str(painted().then(Edit.parse(redo.pop()))))

    def clear() -> None:
        redo.extend(str(step) for step in reversed(painted().steps))
        url.change(edit=None)

    steps = len(edit.steps)
    st.button(
        "Undo", key="undo", icon=":material/undo:", disabled=not steps, on_click=undo, shortcut="Ctrl+Z"
    )
    st.button(
        "Redo", key="redo", icon=":material/redo:", disabled=not redo, on_click=again, shortcut="Ctrl+Shift+Z"
    )
    st.button("Clear", key="clear", icon=":material/delete_sweep:", disabled=not steps, on_click=clear)


def other_images(number: int, concept_images: list[int]) -> None:
    """Draw the ways to another image; the strokes stay."""

    def to(latent: int) -> None:
        url.change(latent=latent)

    back, on = ":material/chevron_left:", ":material/chevron_right:"
    previous = max(number - 1, 0)
    st.button("Previous image", key="previous", icon=back, on_click=to, args=(previous,), disabled=not number)
    st.button("Next image", key="next", icon=on, on_click=to, args=(number + 1,))
    chance = int(np.random.default_rng().integers(LATENTS))
    st.button("Any image", key="chance", icon=":material/casino:", on_click=to, args=(chance,))
    if concept_images:
        place = concept_images.index(number) + 1 if number in concept_images else 0
        following = concept_images[place % len(concept_images)]
        label = "One that shows it"
        st.button(label, key="shows", icon=":material/image_search:", on_click=to, args=(following,))


def cells_of(edit: Edit, layer: str) -> list[Cell]:
    """The cells of the last stroke, if it was in this layer."""
    if not edit.steps or edit.steps[-1].layer != layer:
        return []
    return [
        (row, column)
        for box in edit.steps[-1].cells
        for row in range(box.top, box.bottom + 1)
        for column in range(box.left, box.right + 1)
    ]


def finding(measured: MeasureResult, name: str) -> str:
    """What the strokes changed, in a sentence or two."""
    inside, away = measured.change_in_stroke, measured.change_elsewhere
    said = f"The strokes cover {measured.stroke:.0%} of the image."
    if inside is not None and away is not None:
        said += (
            f" The pixels change by {inside / 2:.1%} of their range inside them and by {away / 2:.1%} "
            "outside (root mean square)."
        )
    if name in measured.before:
        was, now = measured.before[name], measured.after[name]
        concept = words.plain(name).capitalize()
        share = f"{concept} covers {was[0]:.1%} of the image before and {now[0]:.1%} after."
        if was[1] is not None:
            said = f"Inside the strokes it covers {was[1]:.0%} before and {now[1]:.0%} after. {said}"
        said = f"**{share}** {said}"
    return said


def changes(measured: MeasureResult) -> pd.DataFrame:
    """The concepts whose share of the image changed, the largest change first, as shares."""
    found = [
        {
            "concept": name,
            "before": was[0],
            "after": measured.after[name][0],
            "stroke_before": was[1],
            "stroke_after": measured.after[name][1],
        }
        for name, was in measured.before.items()
        if abs(measured.after[name][0] - was[0]) >= LEAST
    ]
    frame = pd.DataFrame(found, columns=["concept", "before", "after", "stroke_before", "stroke_after"])
    order = (frame["after"] - frame["before"]).abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order]


def numbers(measured: MeasureResult, name: str) -> None:
    """Draw what changed."""
    st.markdown(finding(measured, name))
    found = changes(measured)
    if found.empty:
        st.caption("The segmenter sees no change in any concept's share.")
        return
    titles = {
        "before": "Before",
        "after": "After",
        "stroke_before": "In the stroke before",
        "stroke_after": "In the stroke after",
    }
    columns = {key: st.column_config.NumberColumn(title, format="percent") for key, title in titles.items()}
    st.dataframe(
        found,
        hide_index=True,
        placeholder="-",
        column_config={"concept": "Concept", **columns},
        alt="Share of each concept before and after",
    )
    st.caption("This is one image. For an effect with its interval and its controls, learn the causes.")


def sheet(
    made: RenderResult,
    measured: MeasureResult | None,
    show: str,
    layer: Row,
    edit: Edit,
    size: int,
    colour: str,
) -> canvas.Sheet:
    """What the canvas shows."""
    pair = made.before[0], made.difference[0] if show == "difference" else made.after[0]
    if show == "labels" and measured is not None:
        pair = measured.labels_before, measured.labels_after
    grid, last = (int(layer["height"]), int(layer["width"])), cells_of(edit, str(layer["layer"]))
    return canvas.Sheet(*pair, grid, size, colour, show == "labels", last)


def onward(
    run: pickers.Run, layer: str, name: str, chosen: Brush | None, edit: Edit, made: RenderResult
) -> None:
    """Draw where the strokes can go: a link, files, other images, a measurement over many images."""
    seed, number = made.seed, made.latents[0]
    if edit.steps:
        renders.edit_text(edit, run.id, seed, number)
    with st.container(horizontal=True):
        if edit.steps:
            files(run, edit, made)
    if name and name != BY_NUMBER:
        ask = {"generator": run.row["generator"], "inputs": run.row.get("inputs"), "layer": layer}
        units = ",".join(str(unit.number) for unit in chosen.draw.steps[0].units) if chosen else ""
        label = f"Measure this brush on many images, beside the causes of {words.plain(name)}"
        page.queue_link(label, kind="ace", concept=name, marked=units, **ask)


def files(run: pickers.Run, edit: Edit, made: RenderResult) -> None:
    """Draw the downloads of the edit and of the painted image."""
    content = {name: str(run.row[name]) for name in ("generator", "generator_sha256") if run.row.get(name)}
    content |= {"inputs": made.inputs, "run": run.id, "edit": str(edit)}
    said = json.dumps({**content, "seed": made.seed, "latent": made.latents[0]}, indent=2)
    downloads.button("Edit as JSON", said, "edit.json", "application/json", key="edit-json")
    after = Path(made.after[0])
    downloads.button("Image as PNG", after.read_bytes, "painted.png", "image/png", key="painted")


def elsewhere(run: pickers.Run, edit: Edit, seed: int, number: int, shown: list[int]) -> None:
    """Draw the same strokes on other images, if somebody asks for them."""
    if not edit.steps:
        return
    sources = {"no": "No", "next": "The next four"} | ({"shows": "Four that show it"} if shown else {})
    source = url.choice(
        st.segmented_control,
        "The same strokes on other images",
        "others",
        list(sources),
        required=True,
        format_func=sources.__getitem__,
    )
    if source == "no":
        return
    others = [n for n in shown if n != number] if source == "shows" else list(range(number + 1, number + 9))
    latents = others[:OTHERS]
    if not latents:
        st.caption("No other image of this run shows the concept.")
        return
    with st.skeleton(height=300):
        made = renders.made(run.row, edit, seed, latents)
    st.image(
        renders.strip((*made.before, *made.after), len(latents)),
        width="stretch",
        alt=f"Latents {', '.join(map(str, latents))}: before above, after below",
    )
    st.caption(f"Latents {', '.join(map(str, latents))}. Above before, below after the same strokes.")


def tools(run: pickers.Run, layer: Row) -> tuple[str, Brush | None, str, float, int]:
    """Draw the brush and how it paints."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name, chosen = brush(run, str(layer["layer"]))
        titles = {"draw": "Draw", "remove": "Remove"}
        how = url.choice(
            st.segmented_control, "Do", "how", list(titles), required=True, format_func=titles.__getitem__
        )
        size = url.choice(st.segmented_control, "Cells across", "size", SIZES, default=2, required=True)
        strength = url.choice(
            st.segmented_control,
            "Strength",
            "strength",
            STRENGTHS,
            default=1.0,
            required=True,
            format_func="{:.0%}".format,
        )
    if chosen is not None:
        st.caption(f"The brush is {words.plain(chosen.about)}. Paint on the image: it acts where you paint.")
    return name, chosen, how, strength, size


@st.fragment
def paint(run: pickers.Run, layer: Row) -> None:
    """Draw everything below the pickers. A stroke draws only this again."""
    with page.sentences():
        _paint(run, layer)


def _paint(run: pickers.Run, layer: Row) -> None:
    name, chosen, how, strength, size = tools(run, layer)
    edit, (seed, number) = painted(), latent(run)
    undone = f"paint-redo-{run.id}-{layer['layer']}"

    def stroke(cells: Sequence[Cell]) -> None:
        if chosen is not None and cells:
            st.session_state[undone] = []
            url.change(edit=str(painted().then(chosen.stroke(how, cells, strength))))

    left, right = st.columns([5, 4], gap="large")
    with left:
        show = url.choice(
            st.segmented_control,
            "Show",
            "show",
            list(SHOW),
            required=True,
            format_func=SHOW.__getitem__,
            label_visibility="collapsed",
        )
        with st.skeleton(height=CANVAS):
            made = renders.made(run.row, edit, seed, [number])
            seen = renders.measured(run.row, edit, seed, number) if show == "labels" else None
        canvas.paint(sheet(made, seen, show, layer, edit, size, palette.hue(name)), stroke, key="canvas")
    with right:
        with st.container(horizontal=True):
            history(edit, undone)
        known = name and name != BY_NUMBER
        shown = concepts.images(run.snapshot, run.id, name, 16) if known else []
        with st.container(horizontal=True):
            other_images(number, shown)
        st.caption(f"Latent {number} of seed {seed}, {words.count(len(edit.steps), 'stroke')}")
        if edit.steps:
            with st.skeleton(height=200):
                seen = seen or renders.measured(run.row, edit, seed, number)
            numbers(seen, name)
        onward(run, str(layer["layer"]), name, chosen, edit, made)
    elsewhere(run, edit, seed, number, shown)


def best_layer(run: pickers.Run) -> None:
    """Without a layer in the address, take the one in which most causes were learned."""
    if not url.get("layer"):
        learned = concepts.causes(run.snapshot, run.id)["layer"]
        if len(learned):
            url.put(layer=learned.value_counts().index[0])


with page.frame("Paint", "Draw or remove a concept in an image, with the units behind it.") as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.run(snapshot)
        if run:
            best_layer(run)
        layer = pickers.layer(snapshot, run.id, keep=("edit",)) if run else None
    if run and layer is not None:
        paint(run, layer)
