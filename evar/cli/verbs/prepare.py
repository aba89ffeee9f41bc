"""`evar prepare`: decode the clips of tasks once, for all later runs."""

import argparse

from evar.cli.errors import for_each
from evar.cli.options import add_rate, add_settings, add_task, config_from
from evar.cli.terminal import echo
from evar.data.named_tasks import load_tasks
from evar.data.task import Task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which tasks, for which encoders."""
    add_task(parser)
    parser.add_argument(
        "--download",
        action="store_true",
        help="first download what is missing, where that needs no account (default: use what is there)",
    )
    add_rate(parser)
    add_settings(parser, "data", "cache", "workers")


def run(arguments: argparse.Namespace) -> int:
    """Fetch, if asked to, and decode each task's clips into the store."""
    config = config_from(arguments)
    tasks = load_tasks(arguments.task, config.data, fetch=arguments.download)
    from evar.preparation import SPANS, prepare

    def work(task: Task) -> None:
        (prepared,) = prepare(task, arguments.rate, download=arguments.download, config=config)
        there, expected = len(prepared.store.usable), prepared.manifest.expected
        rate = f"{prepared.store.rate} {SPANS[task.modality][2]}"
        echo(f"{task.name}  {there:,} of {expected:,} {task.noun} ({prepared.coverage:.1%}) at {rate} in "
             f"{prepared.store.folder}  {prepared.seconds:.1f} s")  # fmt: skip

    return for_each(tasks, work)
