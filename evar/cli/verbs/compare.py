"""`evar compare`: compare two runs or encoders, clip by clip, on the clips that both were tested on."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evar.base.errors import counted
from evar.base.percent import rounded_percent
from evar.cli.errors import for_each
from evar.cli.options import add_json, add_results
from evar.cli.terminal import echo, table

if TYPE_CHECKING:
    from evar.leaderboard.comparison import ComparedRows
    from evar.scoring.compare import Comparison


def add_options(parser: argparse.ArgumentParser) -> None:
    """The two, and which of their rows."""
    for name in ("a", "b"):
        parser.add_argument(
            name,
            metavar=name.upper(),
            help="a run's id; or the name of an encoder or of its weights, which stands for its latest ranked row",
        )
    parser.add_argument(
        "--task",
        action="add-up",
        metavar="NAME[,..]",
        help="tasks separated by commas (default: every task that both have, in one line each)",
    )
    parser.add_argument(
        "--probe",
        metavar="NAME",
        help="compare rows of this probe (default: the probe of the run that is named, else logistic)",
    )
    add_results(parser)
    add_json(parser, "comparisons")


def run(arguments: argparse.Namespace) -> int:
    """Compare them on each task: in full where tasks are named, else all in short."""
    from evar.leaderboard.comparison import ComparedPairs

    pairs = ComparedPairs.of(arguments.results, arguments.a, arguments.b, arguments.task, arguments.probe)
    compared: list[ComparedRows] = []

    def work(task: str) -> None:
        compared.append(pairs.compare(task))
        if arguments.json:
            echo(json.dumps(as_json(compared[-1])))
        elif arguments.task is not None:
            echo(report(compared[-1]))

    code = for_each(pairs.tasks, work)
    if compared and arguments.task is None and not arguments.json:
        echo(overview(compared))
    return code


def report(pair: "ComparedRows") -> str:
    """A few lines for people."""
    a, b, found = pair.a, pair.b, pair.found
    clips = f"{found.clips:,} clips" + (f" in common ({found.left_out:,} are not)" if found.left_out else "")
    groups = f", {found.groups:,} groups" if found.groups < found.clips else ""
    folds = f", {found.folds} folds" if found.folds > 1 else ""
    header = f"{a.task}  {a.metric}  {clips}{groups}{folds}"
    scores = table(
        ("", "encoder", "weights", "output", "probe", "score", "run"),
        [(letter, row.encoder, row.weights, row.output, row.probe, f"{rounded_percent(score, 2)} %", row.run)
         for letter, row, score in (("A", a, found.a), ("B", b, found.b))],
    )  # fmt: skip
    lines = [header, scores, f"A - B  {difference(found)} points, 95 % interval"]
    if (test := found.mcnemar) is not None:
        lines.append(
            f"McNemar's exact test  only A right: {test.only_a:,}, only B right: {test.only_b:,}, p = {test.p:.2g}"
        )
    return "\n".join([*lines, pair.verdict])


def overview(pairs: Sequence["ComparedRows"]) -> str:
    """All tasks for people: a line each, the mean difference, wins and losses."""
    rows = []
    for pair in pairs:
        a, b, found = pair.a, pair.b, pair.found
        scores = (rounded_percent(found.a), rounded_percent(found.b), difference(found))
        rows.append((a.task, a.metric, *scores, pair.verdict, a.run, b.run))
    lines = table(("task", "metric", "A", "B", "A - B [95 % interval]", "", "run A", "run B"), rows)
    founds = [pair.found for pair in pairs]
    mean = rounded_percent(sum(found.difference for found in founds) / len(founds), 2, sign=True)
    better, worse = (sum(found.separable and sign * found.difference > 0 for found in founds) for sign in (1, -1))
    higher, lower = (sum(sign * found.difference > 0 for found in founds) for sign in (1, -1))
    return (
        f"{lines}\n"
        f"mean difference {mean} points over {counted(len(founds), 'task')}; A higher on {higher}, lower on {lower}; "
        f"better on {better}, worse on {worse}, no claim on {len(founds) - better - worse}"
    )


def difference(found: "Comparison") -> str:
    """The difference in points with its interval."""
    d, low, high = (rounded_percent(each, 2, sign=True) for each in (found.difference, found.low, found.high))
    return f"{d} [{low}, {high}]"


def as_json(pair: "ComparedRows") -> dict[str, object]:
    """For programs."""
    found = dataclasses.asdict(pair.found)
    runs = {"task": pair.a.task, "run_a": pair.a.run, "run_b": pair.b.run}
    return {
        **runs, **found, "difference": pair.found.difference, "separable": pair.found.separable,
        "few_groups": pair.found.few_groups,
    }  # fmt: skip
