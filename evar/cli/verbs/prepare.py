"""`evar prepare`: decode each task's clips into the store."""

import argparse

from evar.cli.choice import choose_tasks, each_task
from evar.cli.terminal import bar, say
from evar.data.task import Task
from evar.embeddings.device import choose_device
from evar.embeddings.extract import Runtime
from evar.evaluate import Settings, prepare_task


def run(arguments: argparse.Namespace) -> int:
    """Decode each task's clips into the store."""
    runtime = Runtime(choose_device("cpu"), "float32")
    settings = Settings(arguments.data, arguments.cache, runtime, arguments.workers, seed=0)

    def decode(task: Task) -> None:
        prepared = prepare_task(task, arguments.rate, settings, progress=bar, note=say)
        there, expected = len(prepared.store.usable), prepared.manifest.expected
        print(f"{task.name}  {there:,} of {expected:,} clips ({prepared.coverage:.1%}) at {arguments.rate} Hz in "
              f"{prepared.store.folder}  {prepared.seconds:.1f} s")  # fmt: skip

    return each_task(choose_tasks(arguments.task), decode)
