import subprocess
import sys
from pathlib import Path

import pytest

import analysis

TORCH_FREE = (
    "analysis",
    "analysis.models.catalogue",
    "analysis.shared.concepts",
    "analysis.editing.edits",
    "analysis.shared.errors",
    "analysis.models.archives",
    "analysis.models.layer",
    "analysis.models.generators",
    "analysis.editing.masks",
    "analysis.models.segmenters",
    "analysis.models.vocabularies",
    "analysis.models.weights",
)


def test_the_torch_free_modules_import_no_torch() -> None:
    code = f"""
import importlib, sys
for name in {TORCH_FREE}:
    importlib.import_module(name)
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0


def test_no_export_shares_a_submodules_name() -> None:
    folder = Path(analysis.__file__).parent
    submodules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not submodules & set(analysis.__all__)


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_export_is_there(name: str) -> None:
    assert getattr(analysis, name) is not None
    assert name in dir(analysis)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = analysis.nonsense  # type: ignore[attr-defined]
