"""Plug-ins on the command line: what is installed, and adding one to a store."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from analysis.models import generators, plugins, segmenters
from analysis.models.catalogue import ModelInfo
from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.cli.common import Json, show_json, show_table
from jobs.system import processes


def list_plugins(json: Json = False) -> None:
    """List the plug-ins of installed packages: code that `models add NAME --plugin ENTRY` would run."""
    found = plugins.plugins()
    if json:
        show_json([vars(each) for each in found])
        return
    rows = [
        [each.entry, each.role, f"{each.distribution} {each.version}", each.function, each.licence]
        for each in found
    ]
    groups = " or ".join(plugins.GROUPS.values())
    show_table(
        ["plug-in", "role", "package", "function", "licence"],
        rows,
        f"No installed package has an entry point under {groups}.",
    )


def add_plugin(
    layout: Layout,
    name: str,
    entry: str,
    role: str,
    segmenter: str | None,
    trained_on: str,
    about: Mapping[str, str],
) -> ModelInfo:
    """Register a plug-in under a name, in a process that runs its code once."""
    if role not in plugins.GROUPS:
        raise GanatomyError(f"'{role}' is not a role; give --role generator or --role segmenter.")
    chosen = _role(entry, role)
    if chosen == "segmenter" and (segmenter is not None or trained_on):
        raise GanatomyError(
            f"The plug-in '{entry}' is a segmenter, to which --segmenter and --trained-on do not apply; "
            "leave them out."
        )
    registry = generators if chosen == "generator" else segmenters
    if chosen == "generator" and segmenter is not None:
        segmenters.describe(segmenter, layout.models)
    arguments = ["--store", str(layout.root), "--name", name, "--entry", entry, "--role", chosen]
    arguments += ["--segmenter", segmenter] if segmenter is not None else []
    arguments += ["--trained-on", trained_on] if trained_on else []
    child = processes.start("jobs.worker.plugin_registration", arguments, output=sys.stderr.fileno())
    if (status := child.wait()) < 0:
        raise GanatomyError(f"The plug-in '{entry}' ended its process (signal {-status}); see above.")
    if status:
        sys.exit(1)  # it has said why
    if about:
        registry.change(name, layout.models, **about)
    return registry.describe(name, layout.models)


def _role(entry: str, role: str) -> str:
    """The role of a plug-in: the given one, or the other where only that has this entry point."""
    roles = {each.role for each in plugins.plugins() if each.entry == entry}
    return roles.pop() if len(roles) == 1 else role
