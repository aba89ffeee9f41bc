"""`evar compare`: is A really better than B? Paired on the kept predictions, on one task or on all that both have."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evar.base.errors import DataError, UsageError, unknown
from evar.base.progress import say
from evar.cli.choice import each
from evar.cli.terminal import table
from evar.leaderboard.names import rivals, row_of, run_of, tasks_of
from evar.leaderboard.ranking import why_apart
from evar.leaderboard.runs import read_predictions, read_rows
from evar.result import Result
from evar.scoring.compare import Comparison, compare
from evar.scoring.intervals import FEW_GROUPS

PROBE = "logistic"


@dataclass(frozen=True)
class ComparedRows:
    """Two rows of one task and what their comparison says."""

    a: Result
    b: Result
    found: Comparison


def run(arguments: argparse.Namespace) -> int:
    """Compare two runs on each task and say who is better, where that can be said."""
    rows = read_rows(arguments.results)
    if not rows:
        raise DataError(f"no runs in {arguments.results}: `evar --task ... --encoder ...` adds them")
    probe = arguments.probe or next(
        (row.probe for name in (arguments.a, arguments.b) if (row := run_of(rows, name))), PROBE
    )
    tasks = choose_tasks(rows, arguments.a, arguments.b, arguments.task, probe)
    pairs: list[ComparedRows] = []

    def work(task: str) -> None:
        a, b = (row_of(rows, name, task, probe) for name in (arguments.a, arguments.b))
        for name, row in ((arguments.a, a), (arguments.b, b)):
            if others := rivals(rows, name, row):
                say(f"{task}: {name} also has rows of {others} other weights, options or outputs; latest is {row.run}")
        pairs.append(compare_rows(arguments.results, a, b))
        if arguments.json:
            print(json.dumps(as_json(pairs[-1])), flush=True)
        elif arguments.task is not None:
            print(report(pairs[-1]), flush=True)

    code = each(tasks, work)
    if pairs and arguments.task is None and not arguments.json:
        print(overview(pairs))
    return code


def choose_tasks(rows: Sequence[Result], a: str, b: str, named: str | None, probe: str) -> list[str]:
    """The tasks of a comma list, or all that both have. Raises UsageError, DataError where there is none."""
    if named is not None:
        tasks = [name.strip() for name in named.split(",") if name.strip()]
        known = {row.task for row in rows}
        for task in tasks:
            if task not in known:
                raise unknown("task of this leaderboard", task, known)
        if not tasks:
            raise UsageError(f"--task {named!r} names no task (valid: {', '.join(sorted(known))})")
        return list(dict.fromkeys(tasks))
    has_a, has_b = tasks_of(rows, a, probe), tasks_of(rows, b, probe)
    if not (both := [task for task in has_a if task in has_b]):
        raise DataError(
            f"{a} and {b} have no task in common with a ranked row by probe {probe}: "
            f"{a} has {', '.join(has_a) or 'none'}, {b} has {', '.join(has_b) or 'none'}"
        )
    return both


def compare_rows(results: Path, a: Result, b: Result) -> ComparedRows:
    """Compare the kept predictions of two rows of one task. Raises DataError where they cannot be compared."""
    where = f"{a.task}: runs {a.run} and {b.run}"
    if a.run == b.run:
        raise DataError(f"{a.task}: A and B are the same run, {a.run}; name two")
    if a.metric != b.metric:
        raise DataError(f"{where} are scored by {a.metric} and {b.metric}")
    if a.protocol_version != b.protocol_version:
        raise DataError(
            f"{where} are of protocol versions {a.protocol_version} and {b.protocol_version}: score one again"
        )
    kept_a, kept_b = (read_predictions(results, row.run) for row in (a, b))
    try:
        found = compare(kept_a, kept_b, a.metric)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    for what in ("task_digest", "probe", "probe_options", "limit", "shots"):
        if getattr(a, what) != getattr(b, what):
            say(f"{where} differ in their {what.replace('_', ' ')}")
    for letter, row in (("A", a), ("B", b)):
        if reason := why_apart(row):
            say(f"{a.task}: {letter}, run {row.run}, is never ranked: {reason}")
    return ComparedRows(a, b, found)


def report(pair: ComparedRows) -> str:
    """A few lines for people."""
    a, b, found = pair.a, pair.b, pair.found
    clips = f"{found.clips:,} clips" + (f" in common ({found.left_out:,} are not)" if found.left_out else "")
    groups = f", {found.groups:,} groups" if found.groups < found.clips else ""
    folds = f", {found.folds} folds" if found.folds > 1 else ""
    header = f"{a.task}  {a.metric}  {clips}{groups}{folds}"
    scores = table(
        ("", "encoder", "weights", "output", "probe", "score", "run"),
        [(letter, row.encoder, row.weights, row.output, row.probe, f"{100 * score:.2f} %", row.run)
         for letter, row, score in (("A", a, found.a), ("B", b, found.b))],
    )  # fmt: skip
    lines = [header, scores, f"A - B  {difference(found)} points, 95 % interval"]
    if (test := found.mcnemar) is not None:
        lines.append(
            f"McNemar's exact test  only A right: {test.only_a:,}, only B right: {test.only_b:,}, p = {test.p:.2g}"
        )
    return "\n".join([*lines, verdict(found)])


def overview(pairs: Sequence[ComparedRows]) -> str:
    """All tasks for people: a line each, the mean difference, wins and losses."""
    lines = table(
        ("task", "metric", "A", "B", "A - B [95 % interval]", "", "run A", "run B"),
        [(pair.a.task, pair.a.metric, f"{100 * pair.found.a:.1f}", f"{100 * pair.found.b:.1f}", difference(pair.found),
          verdict(pair.found), pair.a.run, pair.b.run) for pair in pairs],
    )  # fmt: skip
    founds = [pair.found for pair in pairs]
    mean = sum(found.difference for found in founds) / len(founds)
    better, worse = (sum(found.separable and sign * found.difference > 0 for found in founds) for sign in (1, -1))
    higher, lower = (sum(sign * found.difference > 0 for found in founds) for sign in (1, -1))
    tasks = "1 task" if len(founds) == 1 else f"{len(founds)} tasks"
    return (
        f"{lines}\n"
        f"mean difference {100 * mean:+.2f} points over {tasks}; A higher on {higher}, lower on {lower}; "
        f"better on {better}, worse on {worse}, no claim on {len(founds) - better - worse}"
    )


def difference(found: Comparison) -> str:
    """The difference in points with its interval."""
    return f"{100 * found.difference:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"


def verdict(found: Comparison) -> str:
    """Who is better, or that nobody can say."""
    if found.few_groups:
        worth = f" of unequal size, worth {found.effective:.0f} equal ones," if found.groups >= FEW_GROUPS else ","
        return f"no claim: only {found.groups} groups{worth} fewer than {FEW_GROUPS} support none"
    if found.separable:
        return "A is better" if found.difference > 0 else "B is better"
    if found.low <= 0 <= found.high:
        return "not separable: the interval holds 0"
    return "not separable: McNemar's test finds no difference"


def as_json(pair: ComparedRows) -> dict[str, object]:
    """For programs."""
    found = dataclasses.asdict(pair.found)
    runs = {"task": pair.a.task, "run_a": pair.a.run, "run_b": pair.b.run}
    return {
        **runs, **found, "difference": pair.found.difference, "separable": pair.found.separable,
        "few_groups": pair.found.few_groups,
    }  # fmt: skip
