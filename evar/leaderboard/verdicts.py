"""Whether two rows of a task differ."""

from pathlib import Path

from evar.leaderboard.table import Result
from evar.leaderboard.views import Verdict


def verdicts(results: Path) -> Verdict:
    """How to tell, for rows of this folder, whether the best of a column and another row are separable."""

    def separable(best: Result, other: Result) -> bool:
        return best.low > other.high and not (best.few_groups or other.few_groups)

    return separable
