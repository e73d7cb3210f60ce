"""Whether everything is as it must be once a soak has ended."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.soak.reader import digests, lines
from benchmarks.soak.report import errors
from benchmarks.soak.settings import (
    FULL,
    READERS,
)
from db import store
from db.layout import Layout
from db.store import bundles, health
from jobs.system import live

if TYPE_CHECKING:
    from benchmarks.soak.soak import Soak


@dataclass
class Verdict:
    """What is held against the undisturbed runs."""

    soak: Soak

    def verify(self) -> None:
        """Every run that was ever reported done is there, and has the numbers of the undisturbed one."""
        self.soak.call("publish", lambda: store.publish(self.soak.layout))
        for problem in health.check(self.soak.layout).problems:
            self.soak.finding(f"check: {problem}")
        published, expected = digests(store.open(self.soak.layout)), digests(store.open(self.soak.reference))
        for run, variant in sorted(self.done().items()):
            if variant is None:
                self._verify_sum(run)
                continue
            same = self.soak.undisturbed[variant]
            if published.get(run) != expected[same]:
                self.soak.finding(f"numbers of {run}: {published.get(run)}, not {expected[same]}")
            if self.soak.call(run, partial(arrays, self.soak.layout, run)) != arrays(
                self.soak.reference, same
            ):
                self.soak.finding(f"arrays of {run} are not those of the undisturbed one")
        self._verify_readers()
        self._verify_logs()

    def done(self) -> dict[str, int | None]:
        """The runs that were ever reported done, and their variant."""
        return {
            entry["run"]: self.soak.submitted[entry["job"]]["variant"]
            for entry in self.soak.report.all("ended")
            if entry.get("state") == "done"
        }

    def _verify_readers(self) -> None:
        for number in range(READERS):
            for line in lines(self.soak.report.folder / f"reader-{number}.jsonl"):
                for wrong in line.get("wrong", []):
                    self.soak.finding(f"reader {number}: {wrong}")
                if "refused" in line:
                    self.soak.refused(f"reader {number}", line["refused"])

    def _verify_sum(self, run: str) -> None:
        folder = self.soak.layout.work / run
        counted = [int(line) for line in (folder / "counted.log").read_text().split()]
        if live.read(folder / "result.json").get("sum") != sum(range(max(counted) + 1)):
            self.soak.finding(f"{run}: a wrong sum")

    def _verify_logs(self) -> None:
        for file in [*self.soak.layout.logs.glob("*"), *self.soak.report.folder.glob("*.out")]:
            for error, number in Counter(errors(file.read_text(errors="replace"))).items():
                self.soak.report.write("traceback", log=file.name, error=error[:300], times=number)
                if not re.search(f"{FULL}|CUDA error", error):
                    self.soak.finding(f"{file.name}: {number} x {error}")

    def summarise(self) -> bool:
        """The last line of the report."""
        read = [line for n in range(READERS) for line in lines(self.soak.report.folder / f"reader-{n}.jsonl")]
        findings = Counter(entry["text"].split(":")[0] for entry in self.soak.report.all("finding"))
        versions = [int(p.name[1:9]) for p in self.soak.layout.versions.glob("v*.duckdb")]
        refused = (f"{each['what']}: {each['sentence']}" for each in self.soak.report.all("refused"))
        self.soak.report.write(
            "summary",
            faults=dict(Counter(entry["fault"] for entry in self.soak.report.all("fault"))),
            submitted=dict(Counter(entry["kind"] for entry in self.soak.report.all("submitted"))),
            done=len(self.done()),
            states=dict(Counter(self.soak.states.values())),
            refused=dict(Counter(refused)),
            commands=dict(
                Counter(
                    f"{each['words'].split()[:2]} {each['status']}"
                    for each in self.soak.report.all("command")
                )
            ),
            commits=max(versions, default=0),
            reads=len(read),
            slowest_read_s=max((line["seconds"] for line in read), default=0.0),
            findings=dict(findings),
        )
        print(json.dumps(self.soak.report.events[-1], indent=1))
        return not findings


def arrays(layout: Layout, run: str) -> dict[str, str]:
    """The hash of each file of arrays in a run's bundle: counts, pictures and places of its units."""
    files = bundles.latest(layout, run).manifest["files"]
    return {name: fact["sha256"] for name, fact in files.items() if name.startswith("arrays/")}
