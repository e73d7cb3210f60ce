"""The HTTP API over real HTTP: what it answers, refuses and describes, and its typed client."""

import json
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import httpx
import pandas as pd
import pytest
from PIL import Image

from db import store
from db.layout import Layout
from db.queries import runs
from jobs.api.client import ApiClient, ApiError
from jobs.api.endpoints import ENDPOINTS, SINGLE

ROOT = Path(__file__).resolve().parents[3]
IDS = {
    "dissection": "planted-scenes-b103786cbd",
    "causes": "planted-scenes-59938705c0",
    "context": "planted-scenes-71b1b2cf9a",
    "artifacts": "planted-ca3edf35cd",
}


@pytest.fixture
def api(address: str) -> ApiClient:
    return ApiClient(address)


def path_of(template: str) -> str:
    """An address with a run of the kind that it is about."""
    kind = next((kind for kind in IDS if f"/{kind}" in template), "dissection")
    named = {"run_id": IDS[kind], "layer": "layer1", "unit": "3", "concept": "window"}
    return template.format(**named)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.path)
def test_every_address_answers_as_the_document_says(address: str, endpoint: object) -> None:
    assert hasattr(endpoint, "path")
    answer = httpx.get(address + path_of(endpoint.path), trust_env=False)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    document = httpx.get(f"{address}/api/openapi.json", trust_env=False).json()
    schema = document["components"]["schemas"][endpoint.record.__name__]  # type: ignore[attr-defined]
    for item in [found] if endpoint.path in SINGLE else found["items"]:
        assert set(item) == set(schema["properties"]) == set(schema["required"])
    if endpoint.path not in SINGLE:
        assert found["total"] >= len(found["items"]) > 0


def test_the_document_names_every_address_and_resolves(address: str) -> None:
    text = httpx.get(f"{address}/api/openapi.json", trust_env=False).text
    document = json.loads(text)
    assert set(document["paths"]) >= {endpoint.path for endpoint in ENDPOINTS}
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in document["components"]["schemas"]


def test_pages_are_all_records_once_and_in_order(address: str, api: ApiClient, full_store: Layout) -> None:
    path, seen = f"/api/runs/{IDS['dissection']}/layers/layer1/units?limit=5", []
    while path:
        page = httpx.get(address + path, trust_env=False).json()
        assert len(page["items"]) <= 5
        seen += [item["unit"] for item in page["items"]]
        path = page["next"]
    expected = runs.units(store.open(full_store), IDS["dissection"], "layer1")
    assert seen == expected["unit"].tolist()
    assert [unit.unit for unit in api.units(IDS["dissection"], "layer1")] == seen


def test_the_client_gives_what_the_store_holds(api: ApiClient, full_store: Layout) -> None:
    snapshot = store.open(full_store)
    frame = runs.units(snapshot, IDS["dissection"], "layer1").set_index("unit")
    for unit in api.units(IDS["dissection"], "layer1"):
        row = frame.loc[unit.unit]
        assert unit.lift == (None if row["lift"] != row["lift"] else pytest.approx(row["lift"]))
        assert unit.detector == (None if pd.isna(row["detector"]) else bool(row["detector"]))
    run = api.run(IDS["dissection"])
    assert (run.generator, run.images, run.seed) == ("planted-scenes", 64, 1)
    assert [each.run_id for each in api.runs("causes")] == [IDS["causes"]]
    only = list(api.units(IDS["dissection"], "layer1", concept="window", detectors=True))
    assert only
    assert {(unit.concept, unit.detector) for unit in only} == {("window", True)}
    assert next(api.causes(IDS["causes"])).rank == 1
    assert {each.metric for each in api.artifact_effects(IDS["artifacts"])}
    assert next(api.contexts(IDS["context"])).strength
    assert {curve.edit for curve in api.curves(IDS["causes"])} >= {"ablate", "insert"}


def test_pictures_are_of_the_asked_size(api: ApiClient) -> None:
    small, large = (
        Image.open(BytesIO(api.picture(IDS["dissection"], "layer1", 3, columns=2, width=width)))
        for width in (64, 128)
    )
    assert small.format == "PNG"
    assert large.width > small.width > 2 * 32


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/runs/nobody", 404, "There is no run nobody"),
        (f"/api/runs/{IDS['dissection']}/layers/layer9/units", 404, "no layer layer9; it has layer1, layer2"),
        (f"/api/runs/{IDS['dissection']}/layers/layer1/units/abc", 404, "there is no unit abc"),
        (f"/api/runs/{IDS['dissection']}/layers/layer1/units/-1", 404, "there is no unit -1"),
        (f"/api/runs/{IDS['dissection']}/concepts/unicorn/units", 404, "knows no concept unicorn"),
        (f"/api/runs/{IDS['dissection']}/causes", 404, "is of kind dissection"),
        ("/api/runs?limit=0", 400, "limit is 0; it is a whole number from 1 to 1000"),
        ("/api/runs?colour=red", 400, "There is no parameter colour"),
        (f"/api/runs/{IDS['dissection']}/layers/layer1/units?detectors=maybe", 400, "true or false"),
        ("/api/elsewhere", 404, "There is nothing at /api/elsewhere"),
    ],
)
def test_what_is_not_there_is_one_sentence(address: str, path: str, status: int, words: str) -> None:
    answer = httpx.get(address + path, trust_env=False)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert answer.json()["error"].endswith(".")


def test_nothing_can_be_written(address: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert httpx.request(method, f"{address}/api/runs", trust_env=False).status_code == 405


def test_an_answer_that_is_known_is_not_sent_again(address: str) -> None:
    first = httpx.get(f"{address}/api/runs", trust_env=False)
    known = {"if-none-match": first.headers["etag"]}
    again = httpx.get(f"{address}/api/runs", headers=known, trust_env=False)
    assert (again.status_code, again.content) == (304, b"")
    other = httpx.get(f"{address}/api/runs", headers={"if-none-match": '"older"'}, trust_env=False)
    assert other.status_code == 200


def test_the_client_says_what_the_server_said(api: ApiClient) -> None:
    with pytest.raises(ApiError, match="there is no unit 11111111111111111111") as refused:
        api.unit(IDS["dissection"], "layer1", int("1" * 4000))
    assert refused.value.status == 404
    with pytest.raises(ApiError, match="There is no run nobody") as refused:
        api.run("nobody")
    assert refused.value.status == 404
    with pytest.raises(ApiError, match="is the dashboard running there"):
        ApiClient("http://127.0.0.1:9", timeout=2).run("x")


def test_the_example_of_the_documents_runs(address: str) -> None:
    text = (ROOT / "docs" / "http-api.md").read_text()
    [example] = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    program = [sys.executable, "-c", example.replace("http://localhost:8501", address)]
    said = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout
    assert said.startswith("layer1 ")
    listed = set(re.findall(r"`(/api/[^`?]+)", text))
    patterns = {re.sub(r"{\w+}", "[^/]+", endpoint.path) for endpoint in ENDPOINTS}
    assert all(any(re.fullmatch(p, each) for p in patterns) for each in listed - {"/api/openapi.json"})
