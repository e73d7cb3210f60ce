"""The render process: pictures of edits, kept by content, refused in one sentence, back after a kill."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from analysis.editing.renders import pixels as drawn
from analysis.models import generators
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents as sample
from jobs.queue.client import Client
from jobs.render.client import LONGEST_PATH, ActivationsRequest, MeasureRequest, MeasureResult, socket
from jobs.system import live


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A store whose render process starts when it is first asked."""
    client = Client.at(tmp_path_factory.mktemp("renders") / "store")
    yield client
    there = live.read(client.layout.live / "render.json")
    if live.alive(there):
        os.kill(there["pid"], signal.SIGTERM)


def measured(
    client: Client, generator: str, segmenter: str, edit: str, seed: int, latent: int
) -> MeasureResult:
    return client.measure(MeasureRequest(generator, segmenter, edit, seed, latent))


def pixels(file: str) -> np.ndarray:
    return np.asarray(Image.open(file))


def test_before_after_and_difference_are_pictures_in_the_store(client: Client) -> None:
    made = client.render("planted", "ablate layer2 5,6,7,9", 1, [0, 1, 2, 3])
    files = [*made.before, *made.after, *made.difference]
    assert len(made.before) == len(made.after) == len(made.difference) == 4
    assert all(Path(file).parent == client.layout.renders for file in files)
    assert pixels(made.before[0]).shape == (32, 32, 3)
    assert any(not np.array_equal(pixels(a), pixels(b)) for a, b in zip(made.before, made.after, strict=True))
    again = client.render("planted", "ablate layer2 5,6,7,9", 1, [0, 1, 2, 3])
    assert again.cached
    assert (again.before, again.after, again.key) == (made.before, made.after, made.key)


def test_a_units_maps_are_those_of_the_generator(client: Client) -> None:
    latents = tuple(range(3, 14))  # more than are made at once
    found = client.activations(ActivationsRequest("planted", "layer2", 5, 1, latents))
    made = generators.load("planted", client.layout.models)
    z = torch.cat([sample(1, number, number + 1, made.latent_shape) for number in latents])
    images, maps = made.features(z, ["layer2"])
    np.testing.assert_allclose(found.maps, maps["layer2"][:, 5].numpy(), atol=1e-6)
    assert found.latents == latents
    assert [pixels(file).shape for file in found.images] == [(32, 32, 3)] * len(latents)
    np.testing.assert_array_equal(pixels(found.images[4]), drawn(images)[4])


def test_a_unit_that_is_not_there_is_refused_in_a_sentence(client: Client) -> None:
    with pytest.raises(GanatomyError, match="there is no unit 4000"):
        client.activations(ActivationsRequest("planted", "layer2", 4000, 1, (0,)))


def test_what_the_segmenter_sees_before_and_after_an_edit(client: Client) -> None:
    found = measured(client, "planted", "planted", "ablate layer2 0-12 at 0-7:0-15", 1, 2)
    assert set(found.before) == set(found.after) == set(found.colours)
    assert found.stroke == pytest.approx(0.5)
    assert any(found.before[name] != found.after[name] for name in found.before)
    for name, (image, stroke, elsewhere) in found.after.items():
        assert stroke is not None
        assert elsewhere is not None
        assert image == pytest.approx((stroke + elsewhere) / 2, abs=1e-6), name
    assert pixels(found.labels_before).shape == pixels(found.labels_after).shape
    assert (found.change_in_stroke or 0) > (found.change_elsewhere or 0)
    nothing = measured(client, "planted", "planted", "", 1, 2)
    assert nothing.before == nothing.after
    assert nothing.change_in_stroke is None


@pytest.mark.parametrize(
    ("segmenter", "edit", "word"),
    [("nobody", "ablate layer1 1", "nobody"), ("planted", "ablate layer9 1", "layer9")],
)
def test_what_cannot_be_measured_is_one_sentence(
    client: Client, segmenter: str, edit: str, word: str
) -> None:
    with pytest.raises(GanatomyError, match=word):
        measured(client, "planted", segmenter, edit, 1, 0)


def test_an_image_does_not_depend_on_its_company(client: Client) -> None:
    together = client.render("planted", "ablate layer2 5", 3, [0, 1, 2])
    alone = client.render("planted", "ablate layer2 5", 3, [2])
    assert np.abs(pixels(together.after[2]).astype(int) - pixels(alone.after[0]).astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("generator", "edit", "latents", "word"),
    [
        ("planted", "ablate layer9 1", [0], "layer9"),
        ("planted", "ablate layer1 999", [0], "999"),
        ("planted", "__import__('os')", [0], "cannot be read"),
        ("nobody", "ablate layer1 1", [0], "nobody"),
        ("../../etc", "ablate layer1 1", [0], "generator"),
        ("faces", "ablate layer1 1", [0], "fetch"),
        ("planted", "ablate layer1 1", [], "1 to 64"),
        ("planted", "ablate layer1 1", list(range(65)), "1 to 64"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(
    client: Client, generator: str, edit: str, latents: list[int], word: str
) -> None:
    with pytest.raises(GanatomyError, match=word) as caught:
        client.render(generator, edit, 1, latents)
    assert "\n" not in str(caught.value)


def test_the_socket_is_its_owners_and_takes_json_only(client: Client) -> None:
    client.render("planted", "ablate layer1 1", 1, [0])
    path = socket(client.layout)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://render") as raw:
        assert raw.post("/render", content=b"\x80\x04pickle").status_code == 422
        body = {"generator": "planted", "edit": "ablate layer1 1", "seed": 1, "latents": [0], "path": "/etc"}
        assert raw.post("/render", json=body).status_code == 422


def test_it_comes_back_after_a_kill(client: Client) -> None:
    client.render("planted", "ablate layer1 1", 1, [0])
    os.kill(live.read(client.layout.live / "render.json")["pid"], signal.SIGKILL)
    time.sleep(0.2)
    assert client.render("planted", "ablate layer1 2", 1, [0]).before
    assert client.render_ready()


def test_a_store_with_a_long_path_has_a_short_socket(tmp_path: Path) -> None:
    deep = Client.at(tmp_path / ("d" * 120) / "store").layout
    assert len(os.fsencode(socket(deep))) <= LONGEST_PATH
    assert socket(deep) != socket(Client.at(tmp_path / ("e" * 120) / "store").layout)


def test_it_ends_when_nobody_asks(tmp_path: Path) -> None:
    layout = Client.at(tmp_path / "store").layout
    command = [sys.executable, "-P", "-m", "jobs.render.server", "--store", str(layout.root), "--idle", "1"]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
    assert json.loads((layout.live / "render.json").read_text())["pid"]


def test_the_generator_that_nobody_asked_for_longest_is_put_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.render import pictures

    loaded: list[str] = []
    load = generators.load
    monkeypatch.setattr(generators, "load", lambda name, *a, **b: loaded.append(name) or load(name, *a, **b))
    cache = pictures.LoadedGenerators(tmp_path, limit=2)
    for name in ("planted", "planted-scenes", "planted", "churches-8px", "planted", "planted-scenes"):
        cache.get(name, "")
    assert loaded == ["planted", "planted-scenes", "churches-8px", "planted-scenes"]
    assert cache.names == ["planted", "planted-scenes"]
