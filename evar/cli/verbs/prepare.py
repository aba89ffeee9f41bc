"""`evar prepare`: fetch each task's dataset where that is asked for, and decode its clips into the store."""

import argparse

from evar.cli.choice import each
from evar.cli.options import config_from
from evar.data.downloads.dataset import download
from evar.data.downloads.fetch import Fetcher
from evar.data.task import Task, load_tasks
from evar.preparation import prepare_task


def run(arguments: argparse.Namespace) -> int:
    """Fetch, if asked to, and decode each task's clips into the store."""
    config = config_from(arguments)

    def work(task: Task) -> None:
        if arguments.download:
            download(task, config.data, Fetcher())
        prepared = prepare_task(task, arguments.rate, config)
        there, expected = len(prepared.store.usable), prepared.manifest.expected
        print(f"{task.name}  {there:,} of {expected:,} clips ({prepared.coverage:.1%}) at {arguments.rate} Hz in "
              f"{prepared.store.folder}  {prepared.seconds:.1f} s")  # fmt: skip

    return each(load_tasks(arguments.task), work)
