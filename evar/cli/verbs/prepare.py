"""`evar prepare`: fetch each task's dataset where that is asked for, and decode its clips into the store."""

import argparse

from evar.cli.choice import choose_tasks, each
from evar.data.downloads.dataset import download
from evar.data.downloads.fetch import Fetcher
from evar.data.task import Task
from evar.embeddings.device import Runtime, choose_device
from evar.preparation import Settings, prepare_task


def run(arguments: argparse.Namespace) -> int:
    """Fetch, if asked to, and decode each task's clips into the store."""
    runtime = Runtime(choose_device("cpu"), "float32")
    settings = Settings(arguments.data, arguments.cache, runtime, arguments.workers, seed=0)

    def work(task: Task) -> None:
        if arguments.download:
            download(task, arguments.data, Fetcher())
        prepared = prepare_task(task, arguments.rate, settings)
        there, expected = len(prepared.store.usable), prepared.manifest.expected
        print(f"{task.name}  {there:,} of {expected:,} clips ({prepared.coverage:.1%}) at {arguments.rate} Hz in "
              f"{prepared.store.folder}  {prepared.seconds:.1f} s")  # fmt: skip

    return each(choose_tasks(arguments.task), work)
