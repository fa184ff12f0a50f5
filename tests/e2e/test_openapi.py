"""The OpenAPI document is generated from the routes, and committed: what is served is what was reviewed."""

import subprocess
import sys
from pathlib import Path

from local.openapi import DOCUMENT
from tests.e2e.launch import environment


def test_the_committed_document_is_the_one_that_the_routes_generate(tmp_path: Path) -> None:
    generated = tmp_path / "openapi.json"

    subprocess.run([sys.executable, "-m", "local.openapi", str(generated)], env=environment(), timeout=60, check=True)

    assert generated.read_text() == DOCUMENT.read_text(), "run `make openapi` and commit what it changes"
