"""`evar check`: report what your copy of a dataset lacks, repeats or leaks, and whether it can be scored."""

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from evar.cli.errors import for_each
from evar.cli.options import add_json, add_rate, add_settings, add_task, config_from
from evar.cli.terminal import echo, width
from evar.data.named_tasks import load_tasks
from evar.data.task import Task

if TYPE_CHECKING:
    from evar.preparation import Checked


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which tasks, and how thoroughly."""
    add_task(parser)
    add_rate(parser)
    add_settings(parser, "data", "cache", "workers", "min_coverage")
    parser.add_argument(
        "--near-duplicates",
        action="store_true",
        help="also search for test clips that are changed copies of training clips (louder, inverted, shifted, coded "
        "as MP3): minutes for a large task; the result is kept for later runs (default: show what was found before)",
    )
    add_json(parser, "reports")


def run(arguments: argparse.Namespace) -> int:
    """Decode what is not decoded yet, and show each task's report. 0 where all can be scored, else 2."""
    config = config_from(arguments)
    tasks = load_tasks(arguments.task, config.data)
    from evar.cli.check_screen import screen
    from evar.preparation import check

    problems: list[str] = []

    def show(task: Task) -> None:
        (checked,) = check(task, arguments.rate, near_duplicates=arguments.near_duplicates, config=config)
        if problems and not arguments.json:
            echo()
        text = as_json(checked) if arguments.json else screen(checked.report, checked.near_duplicates, width())
        echo(text)
        problems.append(checked.report.problem)

    return max(for_each(tasks, show), 2 if any(problems) else 0)


def as_json(checked: "Checked") -> str:
    """All of it on one line; near_duplicates is null where nobody looked for them."""
    near = checked.near_duplicates
    found = near and dataclasses.asdict(near) | {"file": str(near.file)}
    return json.dumps(dataclasses.asdict(checked.report) | {"near_duplicates": found})
