"""Runs that a comparison lacks, and buttons that queue them with the same segmenter and sample."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from dashboard.comparison import tables
from dashboard.comparison.choice import Choice, request, run_names
from dashboard.team import people
from dashboard.widgets import jobs, page, url, words
from dashboard.widgets.rows import Row, rows
from jobs.kinds.base import Request
from jobs.kinds.requests import parse


def target(runs: Mapping[str, Row]) -> Row:
    """The run whose sample the others should have: the one that most have, of these that of most images."""
    counted: dict[tuple[object, ...], int] = {}
    for run in runs.values():
        sample = tuple(run[name] for name in tables.ASKED)
        counted[sample] = counted.get(sample, 0) + 1
    return max(
        runs.values(),
        key=lambda run: (
            counted[tuple(run[name] for name in tables.ASKED)],
            run["images"],
            run["calibration"],
        ),
    )


def like(run: Row, sample: Row) -> Request:
    """The request that dissects a run's generator as another run was made."""
    asked = {**request(sample)}
    for name in ("layers", "second_segmenter", "reference", "owner", "project"):
        asked.pop(name, None)
    asked |= {"generator": request(run).get("generator") or run["generator"], "inputs": run.get("inputs")}
    asked |= {"segmenter": sample["segmenter"], "control": request(run).get("control", "none")}
    return parse("dissect", {name: value for name, value in asked.items() if value is not None})


def offer(choice: Choice, found: pd.DataFrame, why: str) -> None:
    """Draw why runs cannot be joined, and a way to comparable ones: runs that are there, or buttons."""
    sample = target(choice.runs)
    there, absent = tables.same_sample(choice.runs, sample, rows(found))
    if not there and not absent:
        return
    st.info(why, icon=":material/timeline:")
    with st.container(horizontal=True):
        if there:
            keep = [
                run_id
                for run_id, run in choice.runs.items()
                if not any(tables.same_model(run, other) for other in there)
            ]
            names = run_names(there)
            label = f"Use the runs of {words.plain(', '.join(names.values()))} with this sample"
            chosen = ",".join([*keep, *(str(run["run_id"]) for run in there)])
            url.turn(label, "use-there", ":material/swap_horiz:", **url.everything(runs=chosen, without=None))
        for run in absent:
            button(f"Queue {words.plain(run['generator'])}", [like(run, sample)], str(run["run_id"]), sample)


def button(label: str, requests: Sequence[Request], key: str, sample: Row) -> None:
    """Draw a button that queues requests; on a read-only dashboard, the command that does the same."""
    said = f"{label}, {sample['images']:,} + {sample['calibration']:,} images"
    if page.read_only():
        st.code("\n".join(f"ganatomy {each.command()}" for each in requests), language=None, wrap_lines=True)
        return
    if st.button(said, key=f"queue-{key}", icon=":material/add:"):
        with page.sentences(), jobs.writing() as client:
            for each in requests:
                made = client.submit(each.replace(owner=people.owner()))
                st.toast(words.sentence(made.message), icon=":material/check:")
                if made.job_id:
                    st.page_link(
                        "views/jobs.py", label="Follow it on Jobs", query_params={"job": made.job_id}
                    )
