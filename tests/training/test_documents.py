"""Documents promise nothing that no test pins."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("document", ["pretraining", "finetuning", "training-loop", "sharing"])
def test_every_test_that_the_document_names_is_there(document):
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / f"{document}.md").read_text(encoding="utf-8")))
    files = (ROOT / "tests").rglob("test_*.py")
    there = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert len(named) > 4
    assert named <= there
