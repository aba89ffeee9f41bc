"""`evar check`: one screen a task on what its copy holds; the exit code says whether it can be scored."""

import argparse
import dataclasses
import json

from evar.cli.check_screen import screen
from evar.cli.choice import choose_tasks, each_task
from evar.cli.terminal import bar, say, width
from evar.data.check import check
from evar.data.manifest import Manifest, read_manifest
from evar.data.report import Report
from evar.data.store import Store, prepare
from evar.data.task import Task
from evar.near_duplicates.record import NearDuplicates, find, known


def run(arguments: argparse.Namespace) -> int:
    """Decode what is not decoded yet, and show each task's report. 0 where all can be scored, else 2."""
    problems: list[str] = []

    def look(task: Task, clips: Manifest, store: Store) -> NearDuplicates:
        def waiting() -> None:
            say(f"{task.name}: another process is looking for near-duplicates among these clips; waiting for it")

        return find(clips, store, workers=arguments.workers, progress=bar, on_wait=waiting)

    def show(task: Task) -> None:
        manifest = read_manifest(task, arguments.data)
        store = prepare(
            manifest.root,
            manifest.clips["path"].tolist(),
            arguments.rate,
            arguments.cache,
            workers=arguments.workers,
            progress=bar,
            on_wait=lambda what: say(f"{task.name}: {what}"),
        )
        report = check(manifest, store, arguments.min_coverage)
        clips = manifest.keep(store.usable)
        near = look(task, clips, store) if arguments.near_duplicates else known(clips, store)
        if problems and not arguments.json:
            print()
        text = as_json(report, near) if arguments.json else screen(report, near, width())
        print(text, flush=True)
        problems.append(report.problem)

    return max(each_task(choose_tasks(arguments.task), show), 2 if any(problems) else 0)


def as_json(report: Report, near: NearDuplicates | None) -> str:
    """All of it on one line; near_duplicates is null where nobody looked for them."""
    found = near and dataclasses.asdict(near) | {"file": str(near.file)}
    return json.dumps(dataclasses.asdict(report) | {"near_duplicates": found})
