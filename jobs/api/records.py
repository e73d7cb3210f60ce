"""What the HTTP API answers with, as the server writes it and the client reads it.

The names are those of the store's columns, which `docs/schema.md` explains. What is not known is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

Number = float | None
Count = int | None
Text = str | None


@dataclass(frozen=True)
class Run:
    """One run of any kind, and how it was made. Counts of units are those of a dissection."""

    run_id: str
    kind: str
    state: str
    generator: str
    segmenter: Text
    inputs: Text
    seed: Count
    images: Count
    calibration: Count
    parent_run_id: Text
    layers: Text
    owner: Text
    project: Text
    generator_sha256: Text
    segmenter_sha256: Text
    git_revision: Text
    settings: Text
    versions: Text
    started_at: datetime | None
    finished_at: datetime | None
    units: int
    detectors: int
    detected_concepts: int
    twin_detectors: Count
    control: str


@dataclass(frozen=True)
class Layer:
    """A layer of a run, in the generator's order, with its grid."""

    layer: str
    position: int
    module_path: Text
    units: int
    height: int
    width: int


@dataclass(frozen=True)
class Concept:
    """A concept of a run: how many units detect it, and its best unit."""

    concept: str
    category: Text
    frequency: Number
    detectors: int
    layer: Text
    unit: Count
    lift: Number


@dataclass(frozen=True)
class Unit:
    """A unit under its name, with the evidence for it."""

    layer: str
    unit: int
    concept: Text
    category: Text
    side: Text
    detector: bool | None
    detected: Count
    also: Text
    threshold: Number
    iou: Number
    iou_low: Number
    iou_high: Number
    lift: Number
    lift_low: Number
    lift_high: Number
    lift_q_value: Number
    always_on: Number
    mask_iou: Number
    null_iou: Number
    ceiling_iou: Number
    name_share: Number
    activity: Text


@dataclass(frozen=True)
class Agreement:
    """How one unit agrees with one concept."""

    layer: str
    unit: int
    concept: str
    category: Text
    side: Text
    detector: bool | None
    label: bool | None
    threshold: Number
    iou: Number
    iou_low: Number
    iou_high: Number
    lift: Number
    lift_low: Number
    lift_high: Number
    lift_q_value: Number
    always_on: Number
    mask_iou: Number
    null_iou: Number
    ceiling_iou: Number
    average_precision: Number
    correlation: Number
    precision: Number
    recall: Number


@dataclass(frozen=True)
class TopImage:
    """An image that activates a unit most, by its latent."""

    rank: int
    latent: int
    activation: Number


@dataclass(frozen=True)
class Cause:
    """A unit in the ranking of a causes run; effects are of the unit alone, as shares of all pixels."""

    unit: int
    rank: int
    alpha: Number
    alpha_low: Number
    alpha_high: Number
    ablate_value: Number
    insert_value: Number
    effect: Number
    effect_low: Number
    effect_high: Number
    relative_effect: Number
    iou: Number


@dataclass(frozen=True)
class CauseSummary:
    """What a causes run found, as one segmenter scores it."""

    layer: str
    concept: str
    segmenter: str
    images: Count
    seeds: int
    top_units: int
    acting_units: int
    effect: Number
    effect_low: Number
    effect_high: Number
    removed: Number
    removed_low: Number
    removed_high: Number


@dataclass(frozen=True)
class Curve:
    """What editing the first units of a ranking does to the concept."""

    ranking: str
    edit: str
    units: int
    effect: Number
    effect_low: Number
    effect_high: Number
    relative_effect: Number
    relative_low: Number
    relative_high: Number
    as_good: Number
    compared_sets: Count
    sets: Count


@dataclass(frozen=True)
class ContextSummary:
    """What inserting a concept's units place by place changes, at one strength."""

    layer: str
    concept: str
    strength: str
    images: int
    locations: int
    units: int
    patch: int
    effect: Number
    effect_low: Number
    effect_high: Number
    random_effect: Number
    row_share: Number
    position_share: Number
    context_share: Number


@dataclass(frozen=True)
class Context:
    """What an insertion changes where one concept was there before."""

    strength: str
    context: str
    locations: int
    images: int
    effect: Number
    effect_low: Number
    effect_high: Number
    random_effect: Number
    left_out: bool


@dataclass(frozen=True)
class ArtifactUnit:
    """A unit in a ranking by how much worse it makes images."""

    ranking: str
    unit: int
    rank: Count
    score: Number
    error: Number
    concept: Text
    iou: Number


@dataclass(frozen=True)
class ArtifactEffect:
    """The distance to reference images before and after the first units of a ranking are switched off."""

    layer: str
    ranking: str
    metric: str
    units: int
    before: Number
    before_error: Number
    after: Number
    after_error: Number
    fall: Number
    fall_error: Number
    as_good: Number
    sets: Count
