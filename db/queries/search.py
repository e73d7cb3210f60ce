"""What a search finds among results: concepts, units and runs, by their names."""

import re
from typing import Any

import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema.base import concept, generator, layer, run
from db.schema.dissection import unit, unit_concept
from db.store import Snapshot

MOST = 12  # of each kind
_WORDS = 40  # of a question
# "layer3 unit 55", "layer3/55", "l3 55", "unit 55" or "55": a unit by its number, perhaps in a layer.
_UNIT = re.compile(r"^(?:(?P<layer>[\w.-]*?[A-Za-z_][\w.-]*)[\s/:]+)?(?:unit\s*|u)?(?P<unit>\d{1,6})$", re.I)


def _has(column: Any, text: str) -> sa.ColumnElement[bool]:
    """Whether a column contains the text, whatever the case; no character of the text is a wildcard."""
    return sa.func.contains(sa.func.lower(column), text.lower())


def _phrases(text: str) -> list[str]:
    """What the words of a question may be called as a concept: each run of up to three, also in the singular.

    >>> "tree" in _phrases("Which units draw trees?")
    True
    """
    said = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text.lower())[:_WORDS]
    found = []
    for many in (1, 2, 3):
        for start in range(len(said) - many + 1):
            phrase = " ".join(said[start : start + many])
            found += [phrase, *(phrase[: -len(end)] for end in ("s", "es") if phrase.endswith(end))]
    return found


@remembered
def concepts(snapshot: Snapshot, text: str) -> pd.DataFrame:
    """Concepts whose name or category contains the text: concept, and run_id of the newest dissection.

    The text may also be a question with the concept's name in it. A name that begins with the text comes
    first. Beside them is the number of dissections that know it.
    """
    c, r = concept.c, run.c
    newest = sa.func.arg_max(r.run_id, r.started_at).label("run_id")
    chosen = sa.select(c.concept, newest, sa.func.count(sa.distinct(r.run_id)).label("runs"))
    chosen = chosen.select_from(concept.join(run, r.run_id == c.run_id))
    named = sa.func.lower(c.concept).in_(_phrases(text))
    chosen = chosen.where(r.kind == "dissection", _has(c.concept, text) | _has(c.category, text) | named)
    begins = sa.func.starts_with(sa.func.lower(c.concept), text.lower())
    return snapshot.read(chosen.group_by(c.concept).order_by(begins.desc(), c.concept).limit(MOST))


@remembered
def units(snapshot: Snapshot, text: str) -> pd.DataFrame:
    """Units by number, such as `layer3 unit 55`, `l3/55` or `55`: run_id, layer, unit, concept (its name).

    Those of the newest dissections come first. Other text finds no unit.
    """
    found = _UNIT.match(text.strip())
    if found is None:
        return pd.DataFrame(columns=["run_id", "layer", "unit", "concept"])
    named, number = (found["layer"] or "").lower(), int(found["unit"])
    u, r, a = unit.c, run.c, layer.c
    same = (a.run_id == u.run_id) & (a.layer == u.layer)
    chosen = sa.select(u.run_id, u.layer, u.unit, u.concept)
    chosen = chosen.select_from(unit.join(run, r.run_id == u.run_id).join(layer, same))
    chosen = chosen.where(u.unit == number, r.kind == "dissection")
    if named:
        short = re.fullmatch(r"l(?:ayer)?(\d+)", named)
        wanted = f"layer{short[1]}" if short else named
        chosen = chosen.where(sa.func.lower(u.layer) == wanted)
    return snapshot.read(chosen.order_by(r.started_at.desc(), r.run_id, a.position).limit(MOST))


@remembered
def named_units(snapshot: Snapshot, text: str) -> pd.DataFrame:
    """Detectors whose name contains the text, the largest lift first: run_id, layer, unit, concept, lift."""
    c = unit_concept.c
    chosen = sa.select(c.run_id, c.layer, c.unit, c.concept, c.lift)
    chosen = chosen.where(c.label, c.detector, _has(c.concept, text))
    return snapshot.read(chosen.order_by(c.lift.desc(), c.run_id, c.layer, c.unit).limit(MOST))


@remembered
def runs(
    snapshot: Snapshot, text: str, named: tuple[str, ...] = (), owner: str = "", project: str = ""
) -> pd.DataFrame:
    """Runs whose identifier, kind, models or owner contain the text, and those `named`, newest first.

    Only those of an owner or of a project, where one is given.
    """
    r, g = run.c, generator.c
    places = (r.run_id, r.kind, r.generator, r.segmenter, r.owner, r.project, g.title)
    titled = run.outerjoin(generator, g.run_id == r.run_id)
    shown = (r.run_id, r.kind, r.generator, r.segmenter, r.owner, r.project, r.images, r.started_at)
    chosen = sa.select(*shown).distinct().select_from(titled)
    chosen = chosen.where(sa.or_(r.run_id.in_(named), *(_has(place, text) for place in places)))
    chosen = chosen.where(r.owner == owner) if owner else chosen
    chosen = chosen.where(r.project == project) if project else chosen
    return snapshot.read(chosen.order_by(r.started_at.desc(), r.run_id).limit(MOST))
