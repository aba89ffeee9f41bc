"""The list of leaks, kept beside a store's samples: a CSV of all of them for people, and a record that sums them up.

STORE/leaks-KEY.csv    a line for each test clip and kind of leak
STORE/leaks-KEY.json   counts and a few examples; written last, so its presence says that the list is whole
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from evar.base.files import write_atomic

KINDS = {
    "duplicates": "equal a clip on the other side of the split",
    "near_duplicates": "nearly equal a clip on the other side",
    "groups": "share a group with a clip on the other side",
    "silent": "are silent",
}
EXAMPLES = 2  # of each kind, for the warning


@dataclass(frozen=True)
class Finding:
    """One test clip. other: a clip on another side (the best match, else the first), one of `others` there.

    Of near-duplicates, correlation: negative where the polarity is reversed; lag: seconds by which `path` is late.
    """

    kind: str
    path: str
    part: str
    other: str = ""
    other_part: str = ""
    others: int = 0
    correlation: float | None = None
    lag: float | None = None

    def __str__(self) -> str:
        if not self.other:
            return self.path
        how = "" if self.correlation is None else f", correlation {self.correlation:.2f} at {self.lag:.3f} s"
        return f"{self.path} ({self.part}) and {self.other} ({self.other_part}){how}"


@dataclass(frozen=True)
class Leaks:
    """What was found.

    counts:      test clips by kind, every one of KINDS
    uncompared:  pairs that sound alike and were too many to compare
    examples:    a few findings of each kind, the strongest matches first
    file:        the CSV of all
    """

    counts: dict[str, int]
    uncompared: int
    examples: dict[str, list[Finding]]
    file: Path

    @property
    def warning(self) -> str:
        """One line for people; "" where there is nothing to say."""
        said = [
            f"{self.counts[kind]:,} test clips {what} ({'; '.join(map(str, self.examples[kind]))})"
            for kind, what in KINDS.items()
            if self.counts[kind]
        ]
        if self.uncompared:
            said.append(f"{self.uncompared:,} more pairs sound alike and were too many to compare")
        return f"leaks: {', '.join(said)}; all are listed in {self.file}" if said else ""


def keep(record: Path, findings: Sequence[Finding], uncompared: int) -> Leaks:
    """Write the list, then the record. Raises StorageError."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, [field.name for field in fields(Finding)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in asdict(each).items()} for each in findings)
    write_atomic(record.with_suffix(".csv"), lines.getvalue().encode("utf-8", "surrogateescape"))
    by_kind = {kind: [each for each in findings if each.kind == kind] for kind in KINDS}
    content = {
        "counts": {kind: len(found) for kind, found in by_kind.items()},
        "uncompared": uncompared,
        "examples": {kind: [asdict(each) for each in _telling(found)] for kind, found in by_kind.items()},
    }
    write_atomic(record, json.dumps(content, indent=1) + "\n")
    return _leaks(record, content)


def read(record: Path) -> Leaks | None:
    """What was kept; None where there is nothing whole."""
    try:
        content = json.loads(record.read_text())
        return _leaks(record, content) if record.with_suffix(".csv").is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _leaks(record: Path, content: dict[str, Any]) -> Leaks:
    counts = {kind: int(content["counts"][kind]) for kind in KINDS}
    examples = {kind: [Finding(**each) for each in content["examples"][kind]] for kind in KINDS}
    return Leaks(counts, int(content["uncompared"]), examples, record.with_suffix(".csv"))


def _telling(findings: Sequence[Finding]) -> list[Finding]:
    """A few of one kind, no pair of clips twice, the strongest matches first."""
    pairs: dict[frozenset[str], Finding] = {}
    for each in findings:
        pairs.setdefault(frozenset((each.path, each.other)), each)
    return sorted(pairs.values(), key=lambda each: -abs(each.correlation or 0))[:EXAMPLES]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else str(value)
