"""The files of deploy/ say nothing that the program does not know: settings, commands, metrics, paths."""

import configparser
import inspect
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from db.store import publish
from jobs.cli.app import app
from jobs.queue import rows
from jobs.queue.client import Client
from jobs.services import supervisor
from jobs.system.settings import Settings
from jobs.system.slots import GPU_LOCKS
from jobs.worker import metrics
from jobs.worker.metrics import JobCollector
from jobs.worker.worker import HAND_BACK_S

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
YAML = [path for path in FILES if path.suffix in (".yaml", ".yml")]
UNITS = sorted(DEPLOY.glob("systemd/*.service"))
EXAMPLES = [path for path in FILES if path.name.endswith("env.example")]
FOREIGN = {  # variables of Postgres, Grafana and the clients of object stores
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_DB",
    "PGDATA",
    "GF_SECURITY_ADMIN_PASSWORD",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
}
# The longest that a worker takes to end: its job processes, then its jobs.
LONGEST_END_S = 2 + 3 + HAND_BACK_S


def name(path: Path) -> str:
    return str(path.relative_to(DEPLOY))


def documents() -> Iterator[tuple[str, Any]]:
    for path in YAML:
        for document in yaml.safe_load_all(path.read_text()):
            yield name(path), document


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping inside a document."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)


def unit(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(path.read_text())
    return parser


def assignments(path: Path) -> dict[str, str]:
    """The variables of an example of an environment file, those in comments too."""
    return dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", path.read_text(), re.MULTILINE))


def variables() -> Iterator[tuple[str, str]]:
    """Every environment variable that a file sets, with the file's name."""
    for path in EXAMPLES:
        yield from ((name(path), each) for each in assignments(path))
    for path in UNITS:
        found = re.findall(r"^Environment=(\w+)=", path.read_text(), re.MULTILINE)
        yield from ((name(path), each) for each in found)
    for file, document in documents():
        for node in nodes(document):
            environment = node.get("environment") or {}
            yield from ((file, each) for each in environment)
            yield from ((file, each["name"]) for each in node.get("env") or [])
            yield from ((file, each.partition("=")[0]) for each in node.get("literals") or [])
            if "secretKeyRef" in node:
                yield file, node["secretKeyRef"]["key"]


def test_every_variable_is_a_setting() -> None:
    settings = {f"GANATOMY_{field.upper()}" for field in Settings.model_fields}
    found = set(variables())
    assert {variable for _file, variable in found} >= {"GANATOMY_QUEUE", "GANATOMY_RESULTS", "PGDATA"}
    assert sorted((file, each) for file, each in found if each not in settings | FOREIGN) == []
    named = {each for path in FILES for each in re.findall(r"GANATOMY_[A-Z_]+", path.read_text())}
    assert sorted(named - settings) == [], "also in comments"


def test_no_file_holds_a_secret() -> None:
    secret = re.compile(r"PASSWORD|SECRET|ACCESS_KEY")
    for path in EXAMPLES:
        for variable, value in assignments(path).items():
            if secret.search(variable):
                assert value in ("", "change-me"), f"{name(path)}: {variable}"
            if variable == "GANATOMY_QUEUE":
                assert ":change-me@" in value
    ignored = (ROOT / ".gitignore").read_text().split()
    kept_out = (ROOT / ".dockerignore").read_text().split()
    for path in ("deploy/.env", "deploy/kubernetes/secret.env"):
        assert f"/{path}" in ignored
        assert path in kept_out


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours, without the program's name."""
    for file, document in documents():
        for node in nodes(document):
            words = node.get("command")
            if isinstance(words, list) and words[0] == "ganatomy":
                yield file, words[1:]
    for path in UNITS:
        program, *arguments = shlex.split(unit(path)["Service"]["ExecStart"])
        assert program.endswith("/bin/ganatomy")
        yield name(path), arguments


def test_every_kind_of_file_was_read() -> None:
    assert len(list(commands())) == 7
    assert len(UNITS) == 2


OPEN = "--open" in CliRunner().invoke(app, ["dashboard", "--help"], env={"COLUMNS": "200"}).output


@pytest.mark.parametrize(("file", "arguments"), list(commands()), ids=str)
def test_command_lines_are_ones_that_the_program_takes(file: str, arguments: list[str]) -> None:
    if "--open" in arguments and not OPEN:
        pytest.xfail("the option --open comes with the roles")
    shown = CliRunner().invoke(app, [*arguments, "--help"])  # an unknown option fails before help is shown
    assert shown.exit_code == 0, f"{file}: {shown.output}"


def expressions() -> dict[str, str]:
    """Each query of Grafana's dashboard and of the alerts, by its title."""
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "ganatomy.json").read_text())
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel["targets"]
    }
    [group] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    return found | {rule["alert"]: rule["expr"] for rule in group["rules"]}


def test_every_metric_is_one_that_a_worker_gives(client: Client, write_run: Callable[..., Path]) -> None:
    write_run("run-1", into=client.layout)
    publish(client.layout, ["run-1"])
    families = {family.name: family for family in JobCollector(client).collect()}
    labels = {metric: set(family._labelnames) for metric, family in families.items() if family._labelnames}
    asked = set()
    for title, expression in expressions().items():
        [metric] = set(re.findall(r"ganatomy_\w+", expression))
        assert metric in families, title
        used = re.findall(r"by \((\w+)\)", expression) + re.findall(r"(\w+)=~?\"", expression)
        assert set(used) <= labels.get(metric, set()), title
        states = [
            state for each in re.findall(r"state=~?\"([\w|]+)\"", expression) for state in each.split("|")
        ]
        assert set(states) <= set(rows.STATES.values()), title
        assert "max" in expression, f"{title}: every worker reports the whole queue"
        asked.add(metric)
    assert asked == set(families), "a metric that nobody looks at"


@pytest.mark.skipif(not shutil.which("promtool"), reason="Debian's package prometheus brings promtool")
def test_prometheus_takes_its_files() -> None:
    file = str(DEPLOY / "prometheus.yml")
    done = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_names_what_is_there_and_publishes_on_this_host_only() -> None:
    file = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for title, service in file["services"].items():
        assert set(service.get("depends_on", {})) <= set(file["services"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), title
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in file["volumes"]
            assert target == str(GPU_LOCKS) or source != "gpu-locks"
        if service.get("image") == "ganatomy":
            assert float(service["stop_grace_period"].removesuffix("s")) > 2 * LONGEST_END_S
            assert service["healthcheck"]["test"][0] == "CMD"
    [scraped] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert scraped["honor_labels"], "else the label `job` of a running job gives way to the name of the block"
    [found] = scraped["dns_sd_configs"]
    worker = file["services"]["worker"]["environment"]
    assert found["names"] == ["worker"]
    assert str(found["port"]) == worker["GANATOMY_METRICS_PORT"]


def lost(given: Any, read: Any, path: str = "") -> Iterator[str]:
    """The places of a manifest that are not in what kubectl read of it."""
    if isinstance(given, dict):
        for key, value in given.items():
            yield from lost(value, (read or {}).get(key), f"{path}.{key}")
    elif isinstance(given, list):
        for number, value in enumerate(given):
            yield from lost(value, read[number] if read else None, f"{path}[{number}]")
    elif str(given) != str(read):
        yield f"{path}: {given!r} is read as {read!r}"


def check_pod(pod: Any, names: set[tuple[str, str]]) -> None:
    """Image, time to end, probes and volumes of a pod; `names` has the kinds and names of all objects."""
    [container] = pod["containers"]
    assert container["image"].startswith("registry.example.org/ganatomy:")
    assert pod["terminationGracePeriodSeconds"] > 2 * LONGEST_END_S
    for source in container["envFrom"]:
        [(kind, reference)] = source.items()
        assert ({"secretRef": "Secret", "configMapRef": "ConfigMap"}[kind], reference["name"]) in names
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        [check] = [container[probe][kind] for kind in ("httpGet", "tcpSocket") if kind in container[probe]]
        assert check["port"] in ports
    assert {mount["name"] for mount in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    for volume in pod["volumes"]:
        if claim := volume.get("persistentVolumeClaim"):
            assert ("PersistentVolumeClaim", claim["claimName"]) in names


def typed(manifest: Any) -> Any:
    """A manifest as kubectl reads it by its type: fields that the type has not are gone. Needs no cluster."""
    change_of_nothing = ["kubectl", "set", "serviceaccount", "--local", "-f", "-", "default", "-o", "yaml"]
    given = yaml.dump(manifest)
    done = subprocess.run(
        change_of_nothing, input=given, capture_output=True, text=True, check=True, timeout=60
    )
    return yaml.safe_load(done.stdout)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is missing")
@pytest.mark.parametrize("components", [False, True], ids=["plain", "with components"])
def test_kubernetes_manifests_build(tmp_path: Path, components: bool) -> None:
    folder = shutil.copytree(DEPLOY / "kubernetes", tmp_path / "kubernetes")
    shutil.copy(folder / "secret.env.example", folder / "secret.env")
    if components:
        file = folder / "kustomization.yaml"
        text = re.sub(r"^# (components:|  - )", r"\1", file.read_text(), flags=re.MULTILINE)
        file.write_text(text)
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    names = {(each["kind"], each["metadata"]["name"]) for each in made}
    deployments = {each["metadata"]["name"]: each for each in made if each["kind"] == "Deployment"}
    assert set(deployments) == {"worker", "dashboard"} | ({"worker-gpu"} if components else set())
    for each in made:
        if each["kind"] in ("Deployment", "StatefulSet"):
            assert list(lost(each, typed(each))) == []
    for deployment in deployments.values():
        check_pod(deployment["spec"]["template"]["spec"], names)


def test_health_checks_ask_what_is_answered() -> None:
    asked = {
        node["httpGet"]["path"] for _file, each in documents() for node in nodes(each) if "httpGet" in node
    }
    asked |= set(re.findall(r"localhost:\d+(/[\w/]+)", (DEPLOY / "compose.yaml").read_text()))
    assert asked == {"/healthz", "/_stcore/health"}
    assert '"/healthz"' in inspect.getsource(metrics.serve)
    assert "/_stcore/health" in inspect.getsource(supervisor.answers)


@pytest.mark.parametrize("path", UNITS, ids=name)
def test_units_give_a_worker_time_and_leave_it_what_it_needs(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["KillMode"] == "mixed"
    assert float(service["TimeoutStopSec"]) > 2 * LONGEST_END_S
    assert service["ReadWritePaths"] == str(GPU_LOCKS.parent)
    assert {"PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute"} & set(service) == set()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is missing")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = tmp_path / "ganatomy"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copies = []
    for path in UNITS:
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={program}", path.read_text(), flags=re.MULTILINE)
        copies.append(tmp_path / path.name)
        copies[-1].write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, copies)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    ours = [line for line in done.stderr.splitlines() if "ganatomy" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
