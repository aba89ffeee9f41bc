"""docs/pretraining.md promises nothing that no test pins."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_document_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "pretraining.md").read_text(encoding="utf-8")))
    files = [*(ROOT / "tests" / "pretrain").glob("*.py"), ROOT / "tests" / "cli" / "test_pretrain.py"]
    there = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert len(named) > 10
    assert named <= there
