"""A pinned render: rows that SQL can find, and pictures that outlive the renders folder."""

from pathlib import Path

from PIL import Image

from db.sql import console
from db.store import bundles
from jobs.queue.client import Client
from jobs.render.client import RenderResult


def test_a_pinned_render_becomes_rows_once(tmp_path: Path) -> None:
    client = Client.at(tmp_path / "store")
    names = {part: [f"{part}{number}.png" for number in (4, 9)] for part in ("before", "after", "difference")}
    for number, name in enumerate(name for each in names.values() for name in each):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(client.layout.renders / name)
    files = {part: tuple(str(client.layout.renders / name) for name in each) for part, each in names.items()}
    facts = {"key": "render-0123456789", "milliseconds": 1.0, "cached": False}
    made = RenderResult("planted", "ablate layer1 3", 1, (4, 9), **files, **facts)
    for _ in range(2):
        run = client.pin(made, author="ada")
    asked = "select name, edit, latent, seed, author, shared from render order by latent"
    rows = console.run(client.layout, asked).table.to_pylist()
    assert [(row["name"], row["latent"]) for row in rows] == [("after4.png", 4), ("after9.png", 9)]
    assert rows[0]["edit"] == "ablate layer1 3"
    assert (rows[0]["author"], rows[0]["shared"]) == ("ada", True)
    for file in client.layout.renders.glob("*.png"):
        file.unlink()
    assert bundles.latest(client.layout, run).file("before4.png")[:4] == b"\x89PNG"
