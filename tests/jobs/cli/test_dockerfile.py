"""The Dockerfile's command is one that this program takes."""

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from jobs.cli.app import app

DOCKERFILE = Path(__file__).parents[3] / "Dockerfile"


def test_the_container_starts_with_options_that_exist() -> None:
    [words] = re.findall(r"^CMD (\[.*\])$", DOCKERFILE.read_text(), re.MULTILINE)
    program, *arguments = json.loads(words)
    assert program == "ganatomy"
    shown = CliRunner().invoke(app, [*arguments, "--help"])  # an unknown option fails before help is shown
    assert shown.exit_code == 0, shown.output
    assert "--open" in arguments  # a container listens beyond itself; which port is published says to whom
    refused = CliRunner().invoke(app, [arguments[0], "--host", "0.0.0.0", "--help"])
    assert refused.exit_code == 2
