"""The mean score over a group of tasks, with its 95 % interval.

It is unweighted, of accuracies and mAPs as they are (both from 0 to 1), as HEAR's is, and only where every task of the
group has a row. Its interval is of the tasks' test clips, whose errors are taken as independent from task to task: of
k tasks with scores s_i and intervals [l_i, h_i]

    low = mean(s) - sqrt(sum (s_i - l_i)^2) / k,    high = mean(s) + sqrt(sum (h_i - s_i)^2) / k

(Zou, Huang, Zhang 2009, "A note on confidence interval estimation for a linear function of binomial proportions", which
keeps the asymmetry of each). Tasks that score the same clips, as NSynth's two, are not independent: their distances are
added before they are squared, which is right where they err together and wide elsewhere. Which tasks a group holds is
given: the interval says nothing of other tasks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from evar.data.groups import groups
from evar.result import Result


@dataclass(frozen=True)
class GroupMean:
    """A mean and its interval, shares from 0 to 1; few_groups: whether a task's test clips are of too few groups."""

    score: float
    low: float
    high: float
    few_groups: bool


def group_means(rows: Mapping[str, Result]) -> dict[str, GroupMean]:
    """Group -> mean, for each group that has all its tasks among `rows` (task -> row of one encoder)."""
    whole = {name: group.tasks for name, group in groups().items() if set(group.tasks) <= rows.keys()}
    return {name: mean_of([rows[task] for task in tasks]) for name, tasks in whole.items()}


def mean_of(rows: list[Result]) -> GroupMean:
    """The mean of the rows of one encoder, a task each."""
    below, above = dict[str, float](), dict[str, float]()
    for row in rows:
        below[row.store_digest] = below.get(row.store_digest, 0.0) + max(0.0, row.score - row.low)
        above[row.store_digest] = above.get(row.store_digest, 0.0) + max(0.0, row.high - row.score)
    score = math.fsum(row.score for row in rows) / len(rows)
    low = score - math.hypot(*below.values()) / len(rows)
    high = score + math.hypot(*above.values()) / len(rows)
    return GroupMean(score, low, high, any(row.few_groups for row in rows))
