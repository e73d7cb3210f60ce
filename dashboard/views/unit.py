"""Unit: one unit with its concepts, images, scores at any threshold, effects, and units like it."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.charts import dissection, palette
from dashboard.team import notes, ratings
from dashboard.viewer import examples, links, size, wipe
from dashboard.widgets import card, downloads, page, pickers, pictures, threshold_slider, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import causes as causes_queries
from db.queries import runs
from db.queries import units as queries
from db.schema.naming_rule import NamingRule
from db.store import Snapshot

SHOWN = {
    "concept": "Concept",
    "category": "Category",
    "side": "Side",
    "lift": "Lift",
    "lift_low": "low",
    "lift_high": "high",
    "lift_q_value": "q",
    "iou": "IoU",
    "iou_low": "low ",
    "iou_high": "high ",
    "always_on": "Always on",
    "mask_iou": "Fixed spot",
    "null_iou": "Usual place",
    "average_precision": "Average precision",
    "correlation": "Correlation",
    "precision": "Precision",
    "recall": "Recall",
    "ceiling_iou": "Averaged map",
    "threshold": "Threshold",
}
BY = {"activation": "Most active", "effect": "Largest effect", "random": "Random"}
ALIKE = 4  # units that are drawn


def heading(run: pickers.Run, layer: Row, unit: int, row: Row) -> None:
    """Draw the unit's name and verdict, and links to its neighbours and to what one does with it."""
    count, name = int(layer["units"]), words.name(row)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(words.plain(name), anchor=False, width="content")
        card.badge(row)
        card.more(row)
        st.space("stretch")
        for label, other, key, icon in (
            ("Previous", unit - 1, "Left", ":material/chevron_left:"),
            ("Next", unit + 1, "Right", ":material/chevron_right:"),
        ):
            there = {"run": run.id, "layer": str(layer["layer"]), "unit": other}
            there |= {"rule": "paper"} if url.get("rule") == "paper" else {}
            there |= {"by": url.get("by")} if url.get("by") else {}
            st.button(
                label,
                key=label.lower(),
                icon=icon,
                type="tertiary",
                shortcut=key,
                disabled=not 0 <= other < count,
                on_click=url.go,
                kwargs=there,
            )
        place = {"run": run.id, "layer": str(layer["layer"])}
        off = {**place, "units": str(unit)}
        st.page_link("views/units.py", label="All units", icon=":material/grid_view:", query_params=place)
        st.page_link("views/ablate.py", label="Ablate it", icon=":material/content_cut:", query_params=off)


def finding(run: pickers.Run, row: Row) -> str:
    """What is known of the unit as a whole, in sentences."""
    told = []
    if row["concept"]:
        told.append(words.numbers(row))
    several = words.count(int(row["detected"] or 0), "concept")
    told.append(f"It detects {several}." if row["detected"] else "It detects no concept.")
    if row["name_share"] is not None and row["likely_names"]:
        same = f"{row['name_share']:.0%} of 200 bootstraps of the images give it the same name"
        others = f"; 95 % give one of: {words.plain(row['likely_names'])}"
        told.append(f"{same}{others if ', ' in row['likely_names'] else ''}.")
    if row["activity"] in ("dead", "constant"):
        told.append("Its activation never varies." if row["activity"] == "constant" else "It is always 0.")
    known = only(runs.concepts(run.snapshot, run.id), concept=row["concept"]) if row["concept"] else None
    if known is not None and known["kappa"] is not None:
        concept = words.plain(str(row["concept"]))
        told.append(f"Two segmenters agree on {concept} with a kappa of {known['kappa']:.2f}.")
    return " ".join(told)


def best_concepts(scores: pd.DataFrame) -> None:
    """Draw the concepts that the unit agrees with best."""
    best = rows(scores.dropna(subset=["iou"]).head(6))
    full = dissection.scale(best)
    for row in best:
        marks = [mark for mark, here in (("its name", row["label"]), ("detected", row["detector"])) if here]
        st.markdown(f"**{words.plain(words.name(row))}**" + (f" ({', '.join(marks)})" if marks else ""))
        dissection.chart(row, full)


def every_concept(scores: pd.DataFrame) -> None:
    """Draw the unit's scores for all concepts as a table, the largest lift first."""
    digits = {
        name: st.column_config.NumberColumn(title, format="%.3f", help=words.HELP.get(name))
        for name, title in SHOWN.items()
        if name not in ("concept", "category", "side")
    }
    with st.expander("All concepts in digits", icon=":material/table_rows:"):
        st.dataframe(
            scores,
            hide_index=True,
            column_order=list(SHOWN),
            column_config={**SHOWN, **digits},
            alt="All concepts",
        )
        downloads.table(scores, "unit-concepts", "Concepts")


@st.fragment
def agreement(run: pickers.Run, layer: str, unit: int, scores: pd.DataFrame) -> None:
    """Draw images and the threshold, which changes nothing else on the page."""
    left, right = st.columns([3, 2], gap="large")
    cut = None
    with right, page.sentences():
        cut = threshold_slider.unit(run, layer, unit, scores)
    if cut is None:
        return
    with left, page.sentences():
        by = url.choice(
            st.segmented_control,
            "Images",
            "by",
            list(BY),
            required=True,
            sparse=True,
            label_visibility="collapsed",
            format_func=BY.__getitem__,
        )
        {"activation": most_active, "effect": most_changed, "random": random_images}[by](
            run, layer, unit, cut
        )


def shelf(
    shown: list[tuple[int, bytes]], run: pickers.Run, layer: str, unit: int, cut: threshold_slider.Cut
) -> None:
    """Draw images side by side, each a link to the same image without the unit."""
    with st.container(horizontal=True, gap="small"):
        for latent, picture in shown:
            with st.container(width=size.pixels()):
                off = {"run": run.id, "layer": layer, "units": str(unit), "first": str(latent)}
                links.picture(
                    picture,
                    f"Latent {latent} with the unit's mask in colour; opens it without the unit",
                    "ablate",
                    off,
                )
    where = "not over" if cut.low else "over"
    st.caption(
        f"In colour: where the unit is {where} the threshold. Latents "
        f"{', '.join(str(latent) for latent, _ in shown)}. A click shows the image without the unit."
    )


def most_active(run: pickers.Run, layer: str, unit: int, cut: threshold_slider.Cut) -> None:
    """Draw the images that activate the unit most, from the run's bundle."""
    shown = pictures.unit_images(
        run.bundle, layer, unit, cut.threshold, run.grid, size.pixels(), cut.low, palette.concept(cut.concept)
    )
    if not shown:
        st.caption("This run stores no images of this unit.")
        return
    shelf(shown, run, layer, unit, cut)


def random_images(run: pickers.Run, layer: str, unit: int, cut: threshold_slider.Cut) -> None:
    """Draw random evaluation images in which the unit is on."""
    found = examples.activations(run, layer, unit, image_side(run))
    on = examples.above(found, cut.threshold, run.grid, cut.low)
    st.markdown(f"The unit is on somewhere in **{len(on)} of {len(found)}** random images.")
    if on:
        drawn = [
            pictures.outlined(
                each, cut.threshold, run.grid, size.pixels(), cut.low, palette.concept(cut.concept)
            )
            for each in on[: examples.SHOWN]
        ]
        latents = [each.latent for each in on]
        shelf(
            [(n, pictures.png(each)) for n, each in zip(latents, drawn, strict=False)], run, layer, unit, cut
        )


def most_changed(run: pickers.Run, layer: str, unit: int, _cut: threshold_slider.Cut) -> None:
    """Draw the images that switching the unit off changes most, with a wipe from before to after."""
    best = [latent for latent, _ in pictures.unit_images(run.bundle, layer, unit, None, run.grid, 64)]
    found = examples.effects(run, layer, unit, image_side(run), best)
    changes = [each.change for each in found]
    st.markdown(
        f"Switching the unit off changes the median image by **{np.median(changes):.1%}** of the pixels' "
        f"range, and the most changed by {changes[0]:.1%}."
    )
    with st.container(horizontal=True, gap="small"):
        for each in found[: examples.SHOWN]:
            with st.container(width=size.pixels(), gap="xxsmall"):
                text = f"Latent {each.latent}, with and without the unit"
                wipe.wipe(each.before, each.after, f"wipe-{each.latent}", text, ("on", "off"))
                st.caption(f"latent {each.latent}: {each.change:.1%}")
    st.caption(
        f"Of {len(found)} images, its most active and random ones. Left of the edge the unit is as it is, "
        "right of it off. The edge follows the pointer, a finger or the arrow keys. The number is the root "
        "mean square change."
    )


def image_side(run: pickers.Run) -> int:
    """The longer side of the generator's images."""
    known = queries.image_size(run.snapshot, run.id)
    return int(known.iloc[0].max()) if len(known) else 0


def causes(run: pickers.Run, layer: str, unit: int) -> None:
    """Draw what the unit causes, if causes were learned in its layer."""
    alone = causes_queries.unit_causes(run.snapshot, run.id, layer, unit)
    learned = causes_queries.unit_alphas(run.snapshot, run.id, layer, unit)
    st.header("What it causes", anchor=False)
    if alone.empty:
        st.caption("No causes have been learned in this layer yet.")
        page.queue_link(
            "Learn the causes of a concept",
            kind="ace",
            generator=run.row["generator"],
            layer=layer,
            inputs=run.row.get("inputs"),
        )
        return
    images = int(alone["images"].iloc[0])
    st.caption(
        f"*Removes* is the share of the concept's pixels that disappear when only this unit is off ({images} "
        "test images); below 0 it adds them. *Of all pixels* is the same change over all pixels, with its "
        "95 % interval. ACE is the share of pixels with the concept when the unit is inserted, minus the "
        "share when it is off."
    )
    scores = runs.unit_concepts(run.snapshot, run.id, layer, unit)[["concept", "iou"]]
    shown = alone.merge(scores, on="concept", how="left")
    shown = shown.merge(learned.drop_duplicates("concept")[["concept", "alpha"]], on="concept", how="left")
    shown = shown.sort_values("relative_effect", key=abs, ascending=False, na_position="last")
    columns: dict[str, Any] = {
        "concept": "Concept",
        "iou": st.column_config.NumberColumn("IoU", format="%.3f", help=words.HELP["iou"]),
        "relative_effect": st.column_config.NumberColumn("removes", format="percent"),
        "effect": st.column_config.NumberColumn("of all pixels", format="%.3g"),
        "effect_low": st.column_config.NumberColumn("of all, low", format="%.3g"),
        "effect_high": st.column_config.NumberColumn("of all, high", format="%.3g"),
        "ace": st.column_config.NumberColumn("ACE", format="%.3g"),
        "ace_low": st.column_config.NumberColumn("ACE, low", format="%.3g"),
        "ace_high": st.column_config.NumberColumn("ACE, high", format="%.3g"),
        "alpha": st.column_config.NumberColumn("alpha", format="%.2f"),
    }
    st.dataframe(
        shown, hide_index=True, column_order=list(columns), column_config=columns, alt="What the unit causes"
    )
    newest = str(alone["run_id"].iloc[0])
    st.page_link(
        "views/causes.py", label="Causes", icon=":material/account_tree:", query_params={"run": newest}
    )
    same_effect(run, layer, unit, newest)


def same_effect(run: pickers.Run, layer: str, unit: int, causes_run: str) -> None:
    """Draw links to the units whose ablation changes the concepts most alike."""
    found = alike_in_effect(queries.effects(run.snapshot, causes_run, layer), unit).head(ALIKE)
    if found.empty:
        return
    st.caption("Units whose ablation changes the concepts in the same proportions (correlation of effects):")
    with st.container(horizontal=True):
        for row in rows(found):
            label = f"unit {row['unit']} ({row['correlation']:+.2f})"
            there = {"run": run.id, "layer": layer, "unit": str(row["unit"])}
            st.page_link("views/unit.py", label=label, query_params=url.same_page(**there))


def alike_in_effect(effects: pd.DataFrame, unit: int) -> pd.DataFrame:
    """The other units by how their effects on the concepts correlate with this one's: unit, correlation.

    >>> rows = [(0, "a", 1.0), (0, "b", 2.0), (0, "c", 0.0), (1, "a", 2.0), (1, "b", 4.0), (1, "c", 0.0)]
    >>> alike_in_effect(pd.DataFrame(rows, columns=["unit", "concept", "effect"]), 0)["unit"].tolist()
    [1]
    """
    table = effects.pivot_table(index="unit", columns="concept", values="effect")
    if unit not in table.index or table.shape[1] < 3:
        return pd.DataFrame({"unit": [], "correlation": []})
    r = table.T.corr()[unit].drop(unit).dropna().sort_values(ascending=False, kind="stable")
    return pd.DataFrame({"unit": r.index.astype(int), "correlation": r.to_numpy()})


def alike(run: pickers.Run, layer: str, unit: int) -> None:
    """Draw the units that fire with this one, and links to those that fire where it does not."""
    st.header("Fires together with", anchor=False)
    found = rows(queries.neighbours(run.snapshot, run.id, layer, unit))
    if not found:
        st.caption("Not measured in this run: it is of an earlier version, or the unit does not vary.")
        return
    st.caption("The units of this layer whose activation correlates most with this one's, whatever the sign.")
    with st.container(horizontal=True, gap="small"):
        for row in found[:ALIKE]:
            other = int(row["unit"])
            there = {"run": run.id, "layer": layer, "unit": str(other)}
            with st.container(width=max(size.pixels(), 150), gap="xxsmall"):
                try:
                    image = pictures.unit_strip(
                        run.bundle,
                        layer,
                        other,
                        row["threshold"],
                        run.grid,
                        2,
                        size.pixels(),
                        row["side"] == "low",
                        2,
                        card.colour(row["concept"]),
                    )
                    links.picture(image, f"Top images of {layer} unit {other}", "unit", there)
                finally:
                    label = f"**{words.plain(words.name(row))}** · unit {other}: {row['together']:+.2f}"
                    st.page_link("views/unit.py", label=label, query_params=url.same_page(**there))
    with st.container(horizontal=True):
        for row in found[ALIKE:]:
            label = f"{words.plain(words.name(row))} · unit {row['unit']}: {row['together']:+.2f}"
            there = {"run": run.id, "layer": layer, "unit": str(row["unit"])}
            st.page_link("views/unit.py", label=label, query_params=url.same_page(**there))
    on_map = {"run": run.id, "layer": layer, "as": "map"}
    st.page_link("views/units.py", label="The map of this layer", icon=":material/map:", query_params=on_map)


def elsewhere(run: pickers.Run, layer: str, unit: int) -> None:
    """Draw the unit in other runs of its generator and in other checkpoints of its training."""
    found = queries.elsewhere(run.snapshot, run.id, layer, unit)
    st.header("In other runs and checkpoints", anchor=False)
    if found.empty:
        st.caption(
            "No other run dissected this layer of the generator, or of another checkpoint of its training."
        )
        return
    found["name"] = [words.name(row) for row in rows(found)]
    found["link"] = [url.address("unit", run=name, layer=layer, unit=unit) for name in found["run_id"]]
    columns: dict[str, Any] = {
        "link": st.column_config.LinkColumn("Run", display_text=r"run=([^&]+)"),
        "generator": "Generator",
        "training_steps": st.column_config.NumberColumn("Steps", format="localized"),
        "segmenter": "Segmenter",
        "inputs": "Inputs",
        "images": st.column_config.NumberColumn("Images", format="localized"),
        "name": "Name",
        "detector": "Detector",
        "lift": st.column_config.NumberColumn("Lift", format="%.3f", help=words.HELP["lift"]),
        "lift_low": st.column_config.NumberColumn("Lift, low", format="%.3f"),
        "lift_high": st.column_config.NumberColumn("Lift, high", format="%.3f"),
        "iou": st.column_config.NumberColumn("IoU", format="%.3f", help=words.HELP["iou"]),
    }
    shown = [name for name in columns if name == "link" or found[name].notna().any()]
    st.dataframe(
        found, hide_index=True, column_order=shown, column_config=columns, alt="The unit in other runs"
    )


def unit_page(snapshot: Snapshot, run: pickers.Run, layer: Row, rule: NamingRule) -> None:
    """Draw the whole page of one unit."""
    name, unit = str(layer["layer"]), url.number("unit", 0) or 0
    url.put(unit=unit)  # a link to share says which unit
    units = runs.units(snapshot, run.id, name, rule)
    row = only(units, unit=unit)
    if row is None:
        st.error(
            f"{words.plain(name)} has units 0 to {len(units) - 1}; there is no unit {unit}.",
            icon=":material/error:",
        )
        return
    heading(run, layer, unit, row)
    st.markdown(finding(run, row), help=words.HELP["rule"])
    scores = runs.unit_concepts(snapshot, run.id, name, unit)
    if scores.empty:
        st.info("No concept was frequent enough to be scored for this unit.", icon=":material/help:")
        return
    pickers.old_names(scores)
    agreement(run, name, unit, scores)
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Agrees with", anchor=False)
        if better := words.composition(row):
            st.markdown(better, help=words.HELP["composition"])
        ratings.unit(run.id, name, unit)
        best_concepts(scores)
    with right, page.sentences():
        alike(run, name, unit)
    every_concept(scores)
    causes(run, name, unit)
    elsewhere(run, name, unit)
    notes.draw(notes.subject(run.id, name, unit), "unit-notes")
    notes.undo()


named = url.get("layer") or ""  # part of the title only if it can be the name of a layer
known = named.isidentifier() and (url.get("unit") or "0").isdecimal()
title = f"{named} unit {url.get('unit') or 0}" if known else "Unit"

with page.frame(title, "") as snapshot:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.run(snapshot, width=300)
        layer = pickers.layer(snapshot, run.id, keep=("unit",)) if run else None
        if run and layer is not None:
            size.slider()
            with st.popover("More", icon=":material/tune:"):
                rule = pickers.rule(sparse=True)
    if run and layer is not None:
        unit_page(snapshot, run, layer, rule)
