"""docs/protocols.md says nothing that no test pins."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SENTENCES = [
    line for line in (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8").splitlines() if line[:2] == "- "
]
FILES = [
    ROOT / "evar" / "testing" / "probe_contract.py",
    *(ROOT / "tests").glob("nn/*.py"),
    *(ROOT / "tests").glob("embeddings/*.py"),
    *(ROOT / "tests").glob("probes/**/*.py"),
    *(ROOT / "tests").glob("scoring/*.py"),
    ROOT / "tests" / "data" / "test_leaks.py",
    ROOT / "tests" / "data" / "test_check.py",
    *(ROOT / "tests").glob("near_duplicates/*.py"),
    *(ROOT / "tests").glob("leaderboard/*.py"),
    *(ROOT / "tests").glob("cli/*.py"),
    *(ROOT / "tests").glob("leaderboard/page/*.py"),
]
TESTS = {
    name for file in FILES for name in re.findall(r"^ *def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_document_is_not_empty() -> None:
    assert len(SENTENCES) > 30


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentence_names_a_test_that_exists(sentence: str) -> None:
    named = re.search(r"`(test_\w+)`$", sentence)
    assert named
    assert named[1] in TESTS
