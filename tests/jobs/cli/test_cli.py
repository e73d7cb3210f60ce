"""The program: exit status 0, 1 for what people can mend, 2 for wrong usage; one sentence, no traceback."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.cli.app import app
from jobs.queue.client import Client


@dataclass
class Done:
    """What a command printed, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


class Program:
    """`ganatomy`, run in this process on a store."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, store: Path
    ) -> None:
        self._capsys, self.store = capsys, store
        monkeypatch.setenv("GANATOMY_STORE", str(store))

    def __call__(self, *words: str) -> Done:
        self._capsys.readouterr()
        status = 0
        try:
            app(args=list(words), prog_name="ganatomy")
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return Done(status, out, err)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli") / "store"


@pytest.fixture
def ganatomy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, store: Path) -> Program:
    return Program(capsys, monkeypatch, store)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dissect", "nobody"], "nobody"),
        (["dissect", "faces"], "ganatomy models fetch faces"),
        (["dissect", "planted", "--images", "0"], "images"),
        (["dissect", "planted", "--layers", "layer7"], "layer7"),
        (["dissect", "planted", "--layers", ""], "layers"),
        (["dissect", "planted", "--threshold", "much"], "much"),
        (["models", "show", "nobody"], "nobody"),
        (["models", "add", "mine", "/nowhere.pt", "--family", "dcgan"], "nowhere"),
        (["jobs", "show", "nothing"], "nothing"),
        (["jobs", "cancel", "../x"], "../x"),
        (["jobs", "schedule", "add", "n", "planted", "--cron", "soon"], "soon"),
        (["jobs", "schedule", "pause", "n"], "no schedule"),
        (["jobs", "watch", "add", "w", "/", "--family", "nix", "--segmenter", "planted"], "family 'nix'"),
        (["jobs", "watch", "add", "w", "/", "--family", "dcgan", "--segmenter", "nix"], "nix"),
        (
            ["jobs", "watch", "add", "w", "/nowhere", "--family", "dcgan", "--segmenter", "planted"],
            "/nowhere",
        ),
        (["render", "planted", "ablate layer1 1", "--latents", "x"], "list of numbers"),
        (["sql", "delete from run"], "ganatomy:"),
        (["dashboard", "--address", "203.0.113.1", "--open"], "Port 8501"),
        (["dashboard", "--address", "0.0.0.0"], "--open"),
        (["dashboard", "--address", "", "--read-only"], "--open"),
        (["up", "--address", "0.0.0.0"], "--open"),
        (["demo", "--address", "::"], "--open"),
    ],
)
def test_what_people_can_mend_is_one_sentence(ganatomy: Program, words: list[str], said: str) -> None:
    done = ganatomy(*words)
    assert done.returncode == 1, done
    assert said in done.stderr
    assert done.stderr.startswith("ganatomy: ")
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_statement_may_begin_with_a_comment(ganatomy: Program) -> None:
    assert ganatomy("sql", "-- a comment\nSELECT 1 AS one", "--format", "csv").stdout == "one\n1\n"
    assert ganatomy("sql", "-- only a comment").returncode == 1


def test_a_model_is_told_in_words(ganatomy: Program) -> None:
    told = json.loads(ganatomy("models", "show", "faces", "--json").stdout)
    assert told["fetched"] is False
    assert told["weights"] == "of a published package, fetched when asked for"
    assert "layer3 (main.8): 128 units, 16x16" in ganatomy("models", "show", "faces").stdout.replace(
        "\n", " "
    )
    assert ganatomy("models", "show", "planted").returncode == 0  # not listed, and yet there


@pytest.mark.parametrize("name", ["queue", "workspace"])
def test_the_doctor_knows_a_remedy_for_a_damaged_file(ganatomy: Program, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.sqlite"
    file.write_bytes(b"SQLite format 3\0" + b"damaged " * 1000)
    done = ganatomy("doctor", "--store", str(tmp_path), "--json")
    assert done.returncode == 1
    [check] = [one for one in json.loads(done.stdout) if one["what"].startswith(name)]
    assert check["level"] == "wrong"
    assert f"move {name}.sqlite away" in check["remedy"]


@pytest.mark.parametrize(
    "words", [["bake"], ["dissect"], ["dissect", "planted", "--imges", "3"], ["jobs", "show"]]
)
def test_wrong_usage_is_2(ganatomy: Program, words: list[str]) -> None:
    done = ganatomy(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_models_list_is_a_list_of_objects_with_names(ganatomy: Program, store: Path) -> None:
    done = ganatomy("models", "list", "--json", "--store", str(store))
    assert {"faces", "face-parts"} <= {model["name"] for model in json.loads(done.stdout)}


def test_a_job_is_queued_shown_cancelled(ganatomy: Program, store: Path) -> None:
    asked = json.loads(ganatomy("dissect", "planted", "--images", "64", "--json").stdout)
    assert (asked["state"], asked["already"]) == ("queued", False)
    listed = json.loads(ganatomy("jobs", "list", "--json").stdout)
    assert asked["job_id"] in {job["id"] for job in listed}
    cancelled = json.loads(ganatomy("jobs", "cancel", asked["job_id"], "--json").stdout)
    assert cancelled["state"] == "cancelled"


def test_an_estimate_queues_nothing(ganatomy: Program) -> None:
    words = ("dissect", "planted", "--images", "70", "--seed", "99", "--estimate")
    before = ganatomy("jobs", "list", "--json").stdout
    assert "570" in ganatomy(*words).stdout
    told = json.loads(ganatomy(*words, "--width", "0.1", "--json").stdout)
    assert (told["images"], told["intervals"]) == (570, None)
    assert ganatomy("jobs", "list", "--json").stdout == before
    assert ganatomy(*words, "--width", "7").returncode == 1


def test_sql_answers_in_every_format(ganatomy: Program, store: Path) -> None:
    question = "select 1 as one, 'a' as word"
    assert json.loads(ganatomy("sql", question, "--json").stdout) == [{"one": 1, "word": "a"}]
    assert ganatomy("sql", question, "--format", "csv").stdout == "one,word\n1,a\n"
    assert "word" in ganatomy("sql", question).stdout
    file = store / "answer.parquet"
    assert ganatomy("sql", question, "--format", "parquet", "-o", str(file)).returncode == 0
    assert file.read_bytes()[:4] == b"PAR1"


def test_a_damaged_queue_is_a_sentence(ganatomy: Program, tmp_path: Path) -> None:
    (tmp_path / "queue.sqlite").write_bytes(b"SQLite format 3\0 and then nonsense" * 100)
    done = ganatomy("jobs", "list", "--store", str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "queue" in done.stderr


def test_doctor_says_what_it_found(ganatomy: Program, store: Path) -> None:
    done = ganatomy("doctor", "--json")
    checks = {check["what"]: check for check in json.loads(done.stdout)}
    assert checks["queue file"]["level"] == "ok"
    assert {"torch", "slots", "disk", "store", "workers"} <= set(checks)
    (store / "queue.sqlite").chmod(0o644)
    again = ganatomy("doctor", "--json")
    assert again.returncode == 1
    assert "chmod 600" in again.stdout


def test_a_job_runs_here_when_no_worker_is_alive(tmp_path: Path) -> None:
    words = [
        "dissect",
        "planted",
        "--images",
        "64",
        "--calibration",
        "64",
        "--wait",
        "--store",
        str(tmp_path / "s"),
    ]
    program = [sys.executable, "-P", "-m", "jobs.cli"]
    done = subprocess.run([*program, *words, "--json"], capture_output=True, text=True, check=False)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["state"]) == (0, "done"), done
    again = subprocess.run([*program, *words], capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert f"Already there: run {answer['run_id']}" in again.stdout


def test_a_job_is_finished_here_when_the_only_worker_is_killed(tmp_path: Path) -> None:
    client = Client.at(tmp_path / "s")
    program = [sys.executable, "-P", "-m"]
    store = ["--store", str(client.layout.root)]
    worker = subprocess.Popen(
        [*program, "jobs.worker", *store], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not client.workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    words = ["dissect", "planted", "--images", "640", "--calibration", "640", "--wait", "--json", *store]
    command = subprocess.Popen([*program, "jobs.cli", *words], stdout=subprocess.PIPE, text=True)
    while not client.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.running()
    worker.kill()
    worker.wait()
    answer = json.loads(command.communicate(timeout=240)[0])
    assert (command.returncode, answer["state"]) == (0, "done")


@pytest.mark.parametrize(("module", "words"), [("jobs.cli", "Usage: "), ("jobs.worker", "--until-idle")])
def test_packages_run_as_programs(module: str, words: str) -> None:
    command = [sys.executable, "-P", "-m", module, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, words in done.stdout) == (0, True), done
