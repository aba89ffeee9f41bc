"""`evar check`: one screen a task on what its copy holds; the exit code says whether it can be scored."""

import argparse
import dataclasses
import json

from evar.cli.check_screen import screen
from evar.cli.choice import each
from evar.cli.terminal import width
from evar.data.check import check
from evar.data.manifest import read_manifest
from evar.data.report import Report
from evar.data.store import prepare
from evar.data.task import Task, load_tasks
from evar.near_duplicates.record import NearDuplicates, find, known


def run(arguments: argparse.Namespace) -> int:
    """Decode what is not decoded yet, and show each task's report. 0 where all can be scored, else 2."""
    problems: list[str] = []

    def show(task: Task) -> None:
        manifest = read_manifest(task, arguments.data)
        store = prepare(
            manifest.root,
            manifest.clips["path"].tolist(),
            arguments.rate,
            arguments.cache,
            workers=arguments.workers,
        )
        report = check(manifest, store, arguments.min_coverage)
        clips = manifest.keep(store.usable)
        near = find(clips, store, workers=arguments.workers) if arguments.near_duplicates else known(clips, store)
        if problems and not arguments.json:
            print()
        text = as_json(report, near) if arguments.json else screen(report, near, width())
        print(text, flush=True)
        problems.append(report.problem)

    return max(each(load_tasks(arguments.task), show), 2 if any(problems) else 0)


def as_json(report: Report, near: NearDuplicates | None) -> str:
    """All of it on one line; near_duplicates is null where nobody looked for them."""
    found = near and dataclasses.asdict(near) | {"file": str(near.file)}
    return json.dumps(dataclasses.asdict(report) | {"near_duplicates": found})
