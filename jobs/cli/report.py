"""`ganatomy report KIND RUN`: a result as one HTML file."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from analysis.shared.errors import GanatomyError
from jobs.cli.common import Store, client, console


class Subject(enum.StrEnum):
    """What a report is about."""

    run = "run"
    unit = "unit"
    concept = "concept"
    causes = "causes"
    comparison = "comparison"


def report(
    subject: Annotated[Subject, typer.Argument(help="run, unit, concept, causes or comparison.")],
    run: Annotated[str, typer.Argument(help="The run; of a comparison, several separated by commas.")],
    layer: Annotated[str, typer.Option(help="The layer, for a unit.")] = "",
    unit: Annotated[int | None, typer.Option(min=0, help="The unit's number, for a unit.")] = None,
    concept: Annotated[str, typer.Option(help="The concept, for a concept.")] = "",
    layers: Annotated[str, typer.Option(help="Only these layers, for a comparison.")] = "",
    without: Annotated[str, typer.Option(help="RUN:LAYER,... to leave out of a comparison.")] = "",
    rule: Annotated[
        str, typer.Option(help="Names by lift or by the paper's rule, for a comparison.")
    ] = "lift",
    cut: Annotated[float, typer.Option(help="The IoU over which the paper's rule names units.")] = 0.05,
    link: Annotated[str, typer.Option(help="The dashboard's address, for a link back.")] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; by default named after what it shows.")
    ] = None,
    store: Store = None,
) -> None:
    """Write a run, unit, concept, causes study or comparison as one HTML file that needs no network."""
    from db import store as stores
    from jobs.report import contents, routes

    asked = {"run": run, "layer": layer, "unit": "" if unit is None else str(unit), "concept": concept}
    if subject is Subject.comparison:
        asked = {"runs": run, "layers": layers, "without": without, "rule": rule, "cut": str(cut)}
    text = contents.report(stores.open(client(store).layout), subject.value, asked, link)
    file = output or Path(routes.file_name(subject.value, asked))
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise GanatomyError(f"{file} cannot be written ({error.strerror}); give another --output.") from error
    console.print(f"Wrote {file} ({len(text) / 1e6:.1f} MB).")
