"""SQL over HTTP: the token, the formats, the sandbox, and the client."""

import contextlib
import io
import time

import httpx
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from db import store
from db.layout import Layout
from db.queries import runs
from jobs.api import sql
from jobs.api.client import ApiClient, ApiError

TOKEN = "a-secret-of-this-test"
BEST = "SELECT layer, unit, concept FROM unit_label WHERE detector ORDER BY layer, unit"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sql.TOKEN, TOKEN)


def ask(
    address: str, token: str | None = TOKEN, accept: str = "application/json", **asked: object
) -> httpx.Response:
    headers = {"accept": accept} | ({"authorization": f"Bearer {token}"} if token else {})
    return httpx.post(address + sql.PATH, json=asked, headers=headers, trust_env=False, timeout=60)


def test_only_the_token_lets_one_in(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(address, statement="SELECT 1 AS one").json()["rows"] == [[1]]
    for wrong in (None, "", "a-secret-of-this-tes", TOKEN.upper()):
        refused = ask(address, wrong, statement="SELECT 1")
        assert refused.status_code == 401
        assert "needs the token" in refused.json()["error"]
    opened = httpx.get(address + sql.PATH, trust_env=False)
    assert (opened.status_code, opened.headers["allow"]) == (405, "POST")
    mistake = ask(address, statement="SELECT 1,\n  conept FROM unit")
    assert mistake.json()["error"].startswith("Line 2, column 3. ")
    for off in ("", "short"):
        monkeypatch.setenv(sql.TOKEN, off)
        refused = ask(address, off, statement="SELECT 1")
        assert (refused.status_code, "SQL over HTTP is off" in refused.json()["error"]) == (401, True)


def test_every_format_holds_the_same_rows(address: str, full_store: Layout) -> None:
    snapshot = store.open(full_store)
    frame = pd.concat(
        runs.units(snapshot, run_id, layer).query("detector == True")
        for run_id in runs.runs(snapshot, "dissection")["run_id"]
        for layer in runs.layers(snapshot, run_id)["layer"]
    )
    expected = frame[["layer", "unit", "concept"]].sort_values(["layer", "unit"]).to_numpy().tolist()
    found = ask(address, statement=BEST).json()
    assert (found["columns"], found["truncated"]) == (["layer", "unit", "concept"], False)
    assert sorted(found["rows"]) == sorted(expected)
    assert len(expected) > 10
    csv = pd.read_csv(io.StringIO(ask(address, accept="text/csv", statement=BEST).text))
    parquet = pq.read_table(io.BytesIO(ask(address, accept=sql.PARQUET, statement=BEST).content)).to_pandas()
    arrow = pa.ipc.open_stream(ask(address, accept=sql.ARROW, statement=BEST).content).read_pandas()
    for table in (csv, parquet, arrow):
        assert table.to_numpy().tolist() == found["rows"]


def test_the_client_reads_a_frame_and_knows_when_rows_are_cut(address: str) -> None:
    with ApiClient(address, token=TOKEN) as api:
        found = api.sql("SELECT i FROM range(20) t(i)", rows=7)
        assert (found.frame["i"].tolist(), found.truncated) == ([*range(7)], True)
        found = api.sql("SELECT :concept AS given", concept="'; DROP TABLE unit; --")
        assert found.frame["given"].tolist() == ["'; DROP TABLE unit; --"]
        with pytest.raises(ApiError, match="not ATTACH") as refused:
            api.sql("ATTACH '/etc/passwd' AS x")
        assert refused.value.status == 400
    with ApiClient(address) as api, pytest.raises(ApiError, match="needs the token"):
        api.sql("SELECT 1")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "Send JSON such as"),
        ({"statement": 5}, "Send JSON such as"),
        ({"statement": "SELECT 1", "rows": 0}, "The parameter rows is a number up to 100,000"),
        ({"statement": "SELECT 1", "rows": True}, "The parameter rows"),
        ({"statement": "SELECT 1", "seconds": 10**9}, "The parameter seconds is a number up to 60"),
        ({"statement": "SELECT :a", "values": {"a": [1]}}, "are texts and numbers"),
        ({"statement": "SELECT :a"}, "needs a value for :a"),
        ({"statement": "SELECT :a", "values": {"a": 1, "b": 2}}, "no parameter b; its parameters: a."),
        ({"statement": "SELECT 1", "path": "/etc"}, "There is no parameter path here"),
        ({"statement": "SELECT nothing FROM run"}, 'column "nothing" not found'),
        ({"statement": "SELECT 1; SELECT 2"}, "One statement at a time"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(address: str, asked: dict[str, object], words: str) -> None:
    refused = ask(address, **asked)
    assert refused.status_code == 400
    assert words in refused.json()["error"]


def test_a_request_may_not_be_endless(address: str) -> None:
    refused = ask(address, statement="SELECT 1 -- " + "x" * sql.LARGEST)
    assert refused.status_code == 413


def test_a_statement_that_takes_too_long_is_stopped(address: str) -> None:
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7.5"
    refused = ask(address, statement=endless, seconds=1)
    assert "took longer than 1 s" in refused.json()["error"]


def test_a_client_that_goes_away_ends_its_statement(address: str) -> None:
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7.5"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            address + sql.PATH,
            json={"statement": endless, "seconds": 60},
            headers={"authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=1.5,
        )
    assert len(_statements()) == 1
    until = time.monotonic() + 20
    while (left := _statements()) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []


def _statements() -> list[psutil.Process]:
    """The statements that the served API, which is in this process, runs now."""
    found = []
    for each in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "db.sql.sandbox" in each.cmdline():
                found.append(each)
    return found
