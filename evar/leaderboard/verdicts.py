"""Whether the best row of a column and another one are separable: paired on the kept predictions where both have them.

Where the two intervals do not touch, nothing has to be computed: the error of a difference is never more than the sum
of both errors, however the runs are correlated. Else the answer of a paired comparison, which takes seconds for a large
multi-label task, is kept in `comparisons.json` of the results folder, by the names of both runs and the comparison's
source. Rows without predictions are separable only where the intervals do not touch; fewer than 30 groups support no
claim.
"""

from pathlib import Path

from evar.base import provenance
from evar.base.errors import DataError, StorageError
from evar.base.files import locked
from evar.base.json_file import read_json, write_json
from evar.leaderboard.runs import read_predictions
from evar.result import Result
from evar.scoring.compare import compare

NAME = "comparisons.json"


class Verdicts:
    """Answers for the rows of one results folder; `keep` writes down what had to be computed."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.known: dict[str, bool] = read_json(results / NAME)
        self.new: dict[str, bool] = {}
        self.source = provenance.hash_sources(provenance.imported_sources({"scoring/compare.py"}, within=("scoring",)))

    def separable(self, best: Result, other: Result) -> bool:
        """Whether the two rows' scores differ beyond doubt."""
        if best.few_groups or other.few_groups:
            return False
        if best.low > other.high:
            return True
        key = f"{best.run} {other.run} {best.metric} {self.source[:16]}"
        if key not in self.known:
            try:
                self.known[key] = self.new[key] = self._compare(best, other)
            except DataError:  # no predictions: they may come back
                self.known[key] = False
        return self.known[key]

    def keep(self) -> None:
        """Keep the new answers for the next time, where the folder can be written."""
        if not self.new:
            return
        path = self.results / NAME
        try:
            with locked(path):
                write_json(path, read_json(path) | self.new)
        except StorageError:
            return  # a folder that can only be read: the next call computes them again
        self.new = {}

    def _compare(self, best: Result, other: Result) -> bool:
        """Raises DataError where the predictions are missing, broken, or not of the same clips."""
        kept = [read_predictions(self.results, row.run) for row in (best, other)]
        return compare(kept[0], kept[1], best.metric).separable
