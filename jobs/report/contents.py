"""What a report of each kind holds: the finding, pictures, evidence, and how to make it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.queries import causes, compare, concepts, runs
from db.queries.compare import Arm, Question
from db.schema.naming_rule import NamingRule
from db.store import Snapshot
from jobs.api import records
from jobs.api.endpoints import Asked, MissingError, concept_row, run_row, unit_row
from jobs.api.server import items
from jobs.kinds.requests import KINDS, parse
from jobs.render import top_images
from jobs.report import charts, html, sentences
from jobs.report.charts import Bar
from jobs.report.html import Markup, tag
from jobs.report.sentences import many

Record = dict[str, Any]
SHOWN = 12  # units with pictures, of a run or a concept
RANKINGS = {
    "ace": "learned (ACE)",
    "iou": "IoU",
    "single": "single unit",
    "hand": "by hand",
    "random": "random",
}
COMPARED = ("runs", "layers", "without", "rule", "cut")  # what a comparison can be asked
TRAINED_ONCE = "Unless several training seeds are compared, differences may be chance in training."
CONTROL = "The orange line is the strongest control: a fixed spot, always on, or the unit's usual place."
SCORES = {
    "lift": "Lift",
    "lift_low": "low",
    "lift_high": "high",
    "iou": "IoU",
    "mask_iou": "Fixed spot",
    "always_on": "Always on",
    "null_iou": "Usual place",
}


@dataclass(frozen=True)
class Report:
    """One kind of report: the parameters that it needs, what makes it, its subject, and what it may take."""

    needs: tuple[str, ...]
    make: Callable[[Snapshot, Asked, str], str]
    about: str
    takes: tuple[str, ...] = ()


def link(address: str, page: str, asked: Mapping[str, str]) -> Markup:
    """The link back to the dashboard; nothing where its address is not known."""
    if not address:
        return Markup("")
    there = f"{address.rstrip('/')}/{page}?{urlencode(asked)}"
    return tag(
        "p", "The same on the dashboard: ", tag("a", there, href=there, rel="noreferrer"), class_="soft"
    )


def command(run: Record) -> str | None:
    """The command line that asks for a run again; None where this version cannot read its request."""
    kind = next((each for each in KINDS.values() if each.name == run["kind"]), None)
    try:
        return parse(kind.command, json.loads(run["settings"])).command() if kind else None
    except (GanatomyError, ValueError, TypeError):
        return None


def provenance(snapshot: Snapshot, run_ids: list[str], again: str) -> Markup:
    """How each run was made, with versions, hashes, sample and command; and the command of this report."""
    parts = [tag("h2", "How this was made")]
    for run_id in run_ids:
        run = items(run_row(snapshot, run_id))[0]
        span = f"{run['evaluation_start']} to {run['evaluation_stop']}"
        try:
            versions = ", ".join(f"{name} {value}" for name, value in json.loads(run["versions"]).items())
        except (ValueError, TypeError, AttributeError):
            versions = str(run["versions"] or "")
        said = {
            "Run": f"{run['run_id']} ({run['kind']}, {run['state']}, revision {run['revision']})",
            "Generator": _hashed(run, "generator"),
            "Inputs": run["inputs"],
            "Segmenter": _hashed(run, "segmenter"),
            "Sample": f"seed {run['seed']}, {run['images'] or 0:,} images (latents {span}), "
            f"{run['calibration'] or 0:,} for calibration",
            "Layers": run["layers"],
            "Made by": f"{run['owner'] or 'anyone'} on {run['device'] or 'a CPU'}",
            "Finished": run["finished_at"],
            "Code": run["git_revision"],
            "Versions": versions,
            "Run this rests on": run["parent_run_id"],
        }
        parts.append(html.facts(said))
        if known := command(run):
            parts += [tag("p", "To make this run again:", class_="soft"), tag("pre", known)]
    parts += [tag("p", "To make this report again:", class_="soft"), tag("pre", again)]
    parts.append(tag("p", f"Version of the store: {snapshot.version.stem}", class_="soft"))
    return html.joined(parts)


def _hashed(run: Record, role: str) -> str | None:
    name, digest = run[role], run[f"{role}_sha256"]
    return f"{name}, sha256 {digest}" if name and digest else name


def strip(snapshot: Snapshot, run: Record, row: Record, columns: int = 4, rows: int = 1) -> Markup:
    """The top images of a unit, or a sentence where the run keeps none."""
    name = f"{row['layer']} unit {row['unit']}"
    grid = (int(run["grid_height"]), int(run["grid_width"]))
    low = row.get("side") == "low"
    try:
        bundle = snapshot.bundle(str(run["run_id"]))
        made = top_images.unit(
            bundle, row["layer"], row["unit"], row["threshold"], grid, columns, rows, 128, low
        )
    except (StoreError, KeyError) as error:
        return tag("p", f"No pictures: {error}", class_="soft")
    return html.picture(made, f"Top images of {name}, its mask outlined")


def score(row: Record, label: str) -> Bar:
    """A unit's lift with its interval; the control of a lift is 0."""
    return Bar(label, row["lift"], row["lift_low"], row["lift_high"])


def agreement(row: Record, label: str) -> Bar:
    """A unit's IoU with its interval, beside its strongest control."""
    controls = [row[name] for name in ("mask_iou", "always_on", "null_iou") if row[name] is not None]
    return Bar(label, row["iou"], row["iou_low"], row["iou_high"], max(controls, default=None))


def _card(snapshot: Snapshot, run: Record, row: Record) -> Markup:
    title = f"{row['concept'] or 'no concept'} · {row['layer']} unit {row['unit']}"
    ends = f" ({row['lift_low']:.2f} to {row['lift_high']:.2f})" if row["lift_low"] is not None else ""
    said = f"Lift {html.shown(row['lift'])}{ends}, IoU {html.shown(row['iou'])}"
    verdict = "; a detector" if row["detector"] else "; not confirmed"
    return tag(
        "section", tag("h3", title), tag("p", said + verdict, class_="soft"), strip(snapshot, run, row, 6)
    )


def _run_of(snapshot: Snapshot, run_id: str, kind: str) -> Record:
    """A run of one kind. Raises `MissingError` for a run of another, whose report would be empty."""
    run = items(run_row(snapshot, run_id))[0]
    if run["kind"] != kind:
        raise MissingError(f"Run {run['run_id']} is of kind {run['kind']}; this report is for kind {kind}.")
    return run


def of_run(snapshot: Snapshot, asked: Asked, address: str = "") -> str:
    """A dissection: its layers, concepts and best units."""
    run = _run_of(snapshot, asked["run"], "dissection")
    run_id, title = run["run_id"], f"{run['generator']} seen by {run['segmenter']}"
    counts = items(runs.layer_counts(snapshot, run_id, NamingRule()))
    found = items(concepts.concepts(snapshot, run_id), records.Concept)
    finding = (
        f"{run['detectors']:,} of {many(run['units'], 'unit')} detect a concept, "
        f"{many(run['detected_concepts'], 'concept')} in all, on {run['images'] or 0:,} images."
    )
    if run["twin_detectors"] is not None:
        finding += f" With random weights, {many(run['twin_detectors'], 'unit')} would."
    shares = [Bar(row["layer"], float(row["detectors"] or 0)) for row in counts]
    best = items(runs.showpieces(snapshot, run_id, SHOWN), records.Unit)
    return html.document(
        title,
        finding,
        link(address, "units", {"run": run_id}),
        tag("h2", "Detectors in each layer"),
        charts.bars(shares, "Detectors in each layer") if shares else Markup(""),
        html.table(
            counts, {"layer": "Layer", "units": "Units", "detectors": "Detectors", "best_lift": "Best lift"}
        ),
        tag("h2", "Concepts"),
        html.table(
            found,
            {
                "concept": "Concept",
                "category": "Category",
                "detectors": "Detectors",
                "layer": "Best unit's layer",
                "unit": "Unit",
                "lift": "Lift",
            },
        ),
        tag("h2", "The best detector of each concept"),
        *(_card(snapshot, run, row) for row in best),
        provenance(snapshot, [run_id], f"ganatomy report run {run_id}"),
    )


def of_unit(snapshot: Snapshot, asked: Asked, address: str = "") -> str:
    """One unit: its pictures, its concepts, and what it causes."""
    where = {"run_id": asked["run"], "layer": asked["layer"], "unit": asked["unit"]}
    frame = unit_row(snapshot, where)
    run, unit = items(run_row(snapshot, asked["run"]))[0], items(frame, records.Unit)[0]
    run_id, layer, number = run["run_id"], unit["layer"], unit["unit"]
    scores = items(runs.unit_concepts(snapshot, run_id, layer, number), records.Agreement)
    caused = items(causes.unit_causes(snapshot, run_id, layer, number))
    name = unit["concept"]
    finding = f"It agrees best with {name}." if name else "It has no name."
    if unit["detector"]:
        finding = f"It detects {name}: evaluation images confirm a lift of {html.shown(unit['lift'])}."
    first = [row for row in scores if row["iou"] is not None][:8]
    parts = [
        link(address, "unit", {"run": run_id, "layer": layer, "unit": str(number)}),
        strip(snapshot, run, unit, 4, 2),
        tag("h2", "Agrees with"),
        charts.bars([agreement(row, row["concept"]) for row in first], "IoU with each concept")
        if first
        else Markup(""),
        tag("p", CONTROL, class_="soft"),
        html.table(scores, {"concept": "Concept", **SCORES}),
    ]
    if caused:
        columns = {"concept": "Concept", "relative_effect": "Removes", "effect": "Of all pixels"}
        columns |= {"effect_low": "low", "effect_high": "high", "ace": "ACE"}
        parts += [tag("h2", "What it causes, switched off alone"), html.table(caused, columns)]
    again = f"ganatomy report unit {run_id} --layer {layer} --unit {number}"
    return html.document(
        f"{layer} unit {number} of {run['generator']}", finding, *parts, provenance(snapshot, [run_id], again)
    )


def of_concept(snapshot: Snapshot, asked: Asked, address: str = "") -> str:
    """A concept of a run: the units of all layers that detect it, and the causes that were learned."""
    concept, run_id = asked["concept"], asked["run"]
    row = items(concept_row(snapshot, {"run_id": run_id, "concept": concept}))[0]
    run = items(run_row(snapshot, run_id))[0]
    best = items(concepts.units(snapshot, run_id, concept, SHOWN), records.Agreement)
    layers = items(concepts.by_layer(snapshot, run_id, concept))
    learned = items(concepts.causes(snapshot, run_id, concept))
    detect = "detects" if row["detectors"] == 1 else "detect"
    finding = f"{many(row['detectors'], 'unit')} of {run['generator']} {detect} {concept}."
    if not row["detectors"]:
        finding = f"No unit of {run['generator']} detects {concept}."
    if learned:
        first = learned[0]
        p, sets = first["as_good"], int(first["compared_sets"] or 0)
        finding += f" {sentences.causes(concept, first['layer'], first, p, sets)}"
    parts = [link(address, "concept", {"run": run_id, "concept": concept})]
    if best:
        named = [score(unit, f"{unit['layer']} unit {unit['unit']}") for unit in best]
        parts += [
            tag("h2", "The units that agree best, by lift"),
            charts.bars(named, "Lift of the best units"),
        ]
    parts += [_card(snapshot, run, unit) for unit in best]
    columns = {"layer": "Layer", "units": "Units", "detectors": "Detectors", "best_lift": "Best lift"}
    parts += [tag("h2", "In each layer"), html.table(layers, columns)]
    if learned:
        columns = {"run_id": "Run", "layer": "Layer", "top_units": "Units", "removed": "Removes"}
        columns |= {"removed_low": "low", "removed_high": "high"}
        parts += [tag("h2", "Causes that were learned"), html.table(learned, columns)]
    again = f"ganatomy report concept {run_id} --concept {concept!r}"
    return html.document(
        f"{concept} in {run['generator']}", finding, *parts, provenance(snapshot, [run_id], again)
    )


def of_causes(snapshot: Snapshot, asked: Asked, address: str = "") -> str:
    """A causes study: the finding, the curves, and the units."""
    run = _run_of(snapshot, asked["run"], "causes")
    run_id = run["run_id"]
    own = items(causes.summary(snapshot, run_id), records.CauseSummary)[0]
    curve = items(causes.curves(snapshot, run_id), records.Curve)
    table = items(causes.rankings(snapshot, run_id), records.Cause)
    first = next(
        (r for r in curve if (r["ranking"], r["edit"], r["units"]) == ("ace", "ablate", own["top_units"])), {}
    )
    sets = int(first.get("compared_sets") or 0)
    finding = sentences.causes(own["concept"], own["layer"], own, first.get("as_good"), sets)
    parts = [link(address, "causes", {"run": run_id})]
    for edit, title in (("ablate", "Switched off"), ("insert", "Switched on")):
        lines: dict[str, list[tuple[float, float]]] = {}
        for each in curve:
            if each["edit"] == edit and each["effect"] is not None:
                lines.setdefault(RANKINGS.get(each["ranking"], each["ranking"]), []).append(
                    (each["units"], each["effect"])
                )
        if lines:
            drawn = charts.curves(lines, f"{title}: effect by units", "units", "change, share of all pixels")
            parts += [tag("h2", f"{title}, by number of units"), drawn]
    columns = {"rank": "Rank", "unit": "Unit", "alpha": "Alpha", "alpha_low": "low", "alpha_high": "high"}
    columns |= {"effect": "Effect alone", "effect_low": "low", "effect_high": "high", "iou": "IoU"}
    parts += [tag("h2", "The units"), html.table(table[:40], columns)]
    runs_of = [run_id, *([run["parent_run_id"]] if run["parent_run_id"] else [])]
    known = set(runs.runs(snapshot, None)["run_id"])
    made = provenance(
        snapshot, [each for each in runs_of if each in known], f"ganatomy report causes {run_id}"
    )
    return html.document(f"Causes of {own['concept']} in {run['generator']}", finding, *parts, made)


def naming_rule(asked: Asked) -> NamingRule:
    """The rule that a request names, lift if none. Raises `MissingError` for one that is not known."""
    name = asked.get("rule") or "lift"
    try:
        cut = float(asked.get("cut") or 0.05)
    except ValueError:
        cut = -1.0
    if name not in ("lift", "paper") or not 0 < cut < 1:
        raise MissingError("A rule is lift or paper, with a cut between 0 and 1.")
    return NamingRule("paper", cut) if name == "paper" else NamingRule()


def of_comparison(snapshot: Snapshot, asked: Asked, address: str = "") -> str:
    """Runs beside each other: the share of detectors of each layer, and the best unit for each concept."""
    run_ids = [name for name in asked["runs"].split(",") if name]
    if not run_ids:
        raise MissingError("A comparison needs runs; name them, separated by commas.")
    named = {run_id: items(run_row(snapshot, run_id))[0] for run_id in run_ids}
    wanted = set(filter(None, asked.get("layers", "").split(",")))
    layers = items(compare.layers(snapshot, run_ids))
    kept = [row for row in layers if not wanted or row["layer"] in wanted]
    out = set(filter(None, asked.get("without", "").split(",")))
    arms = tuple(Arm(run_id, row["layer"]) for run_id in run_ids for row in kept if row["run_id"] == run_id)
    arms = tuple(arm for arm in arms if str(arm) not in out)
    if not arms:
        raise MissingError(f"These runs have no layer {', '.join(sorted(wanted))} that is not left out.")
    rule = naming_rule(asked)
    question = Question(arms, rule)
    score = "lift" if rule.name == "lift" else "iou"
    best = items(compare.best(snapshot, question))
    counts = {
        (run_id, row["layer"]): row
        for run_id in run_ids
        for row in items(runs.layer_counts(snapshot, run_id, rule))
    }
    titles = {arm: f"{named[arm.run_id]['generator']} {arm.layer}" for arm in arms}
    if len(set(titles.values())) < len(arms):
        titles = {arm: f"{arm.run_id} {arm.layer}" for arm in arms}
    shares = [
        Bar(titles[arm], (own["detectors"] or 0) / own["units"])
        for arm in arms
        if (own := counts.get((arm.run_id, arm.layer))) and own["units"]
    ]
    shared = sorted({row["concept"] for row in best})
    grid = [
        {"concept": name}
        | {
            str(place): next(
                (
                    row[score]
                    for row in best
                    if (row["concept"], row["run_id"], row["layer"]) == (name, arm.run_id, arm.layer)
                ),
                None,
            )
            for place, arm in enumerate(arms)
        }
        for name in shared
    ]
    columns = {"concept": "Concept"} | {str(place): titles[arm] for place, arm in enumerate(arms)}
    counted = "Share of units that are detectors"
    if rule.name == "paper":
        counted = f"Share of units with a name of IoU over {rule.cut:g}"
    sides = f"{many(len(arms), 'layer')} of {many(len(run_ids), 'run')}"
    finding = f"{sides} are compared by {many(len(shared), 'concept')} that all of them have."
    parts = [
        link(address, "compare", {name: asked[name] for name in COMPARED if asked.get(name)}),
        tag("h2", counted),
        charts.bars(shares, counted) if shares else Markup(""),
        tag("h2", f"The {'lift' if score == 'lift' else 'IoU'} of the best unit for each concept"),
        html.table(grid, columns),
        tag("p", TRAINED_ONCE, class_="soft"),
    ]
    again = f"ganatomy report comparison {','.join(run_ids)}"
    again += f" --layers {','.join(sorted(wanted))}" if wanted else ""
    again += f" --without {','.join(sorted(out))}" if out else ""
    again += f" --rule paper --cut {rule.cut:g}" if rule.name == "paper" else ""
    title = f"Comparison of {' and '.join(dict.fromkeys(str(run['generator']) for run in named.values()))}"
    return html.document(title, finding, *parts, provenance(snapshot, run_ids, again))


REPORTS = {
    "run": Report(("run",), of_run, "a dissection"),
    "unit": Report(("run", "layer", "unit"), of_unit, "one unit"),
    "concept": Report(("run", "concept"), of_concept, "a concept of a run"),
    "causes": Report(("run",), of_causes, "a causes study"),
    "comparison": Report(("runs",), of_comparison, "runs beside each other", COMPARED[1:]),
}


def report(snapshot: Snapshot, kind: str, asked: Asked, address: str = "") -> str:
    """The HTML of a report. Raises `MissingError` for what is not in the store, or was not named."""
    if kind not in REPORTS:
        raise MissingError(f"There is no report {kind}; there are {', '.join(REPORTS)}.")
    for name in REPORTS[kind].needs:
        if not asked.get(name):
            raise MissingError(f"A report of {REPORTS[kind].about} needs {name}.")
    return REPORTS[kind].make(snapshot, asked, address)


def card(snapshot: Snapshot, asked: Asked, address: str = "") -> str:
    """A small page about one unit, for a frame on another page."""
    for name in REPORTS["unit"].needs:
        if not asked.get(name):
            raise MissingError(f"A card of a unit needs {name}.")
    where = {"run_id": asked["run"], "layer": asked["layer"], "unit": asked["unit"]}
    unit = items(unit_row(snapshot, where), records.Unit)[0]
    run = items(run_row(snapshot, asked["run"]))[0]
    there = f"{address.rstrip('/')}/unit?{urlencode({name: asked[name] for name in REPORTS['unit'].needs})}"
    name = f"{unit['layer']} unit {unit['unit']} of {run['generator']}"
    ends = f" ({unit['lift_low']:.2f} to {unit['lift_high']:.2f})" if unit["lift_low"] is not None else ""
    said = f"Lift {html.shown(unit['lift'])}{ends}, IoU {html.shown(unit['iou'])}"
    verdict = "a detector" if unit["detector"] else "not confirmed"
    return html.document(
        str(unit["concept"] or "no concept"),
        f"{said}; {verdict}.",
        strip(snapshot, run, unit, 4, 1),
        tag("p", tag("a", name, href=there, target="_blank", rel="noreferrer"), class_="soft"),
    )
