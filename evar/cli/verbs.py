"""What each verb does. Every function takes the parsed arguments and returns an exit code."""

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from evar import encoders, probes
from evar.cli.terminal import bar, say, size, table
from evar.data import task as tasks
from evar.data.manifest import find_root
from evar.data.task import Task, load_task
from evar.embeddings import inventory
from evar.embeddings.device import choose_device, choose_precision
from evar.embeddings.extract import Runtime
from evar.errors import EvarError, UsageError
from evar.evaluate import Evaluation, Settings, evaluate, prepare_task
from evar.leaderboard import table as leaderboard
from evar.spec import split_calls


def eval_verb(arguments: argparse.Namespace) -> int:
    """Score one encoder on each task by each probe, and append the rows."""
    if arguments.task == "list":
        print(task_list(arguments.data))
        return 0
    chosen = choose_tasks(arguments.task)
    fits = [probes.open_probe(call) for call in split_calls(arguments.probe)]
    if not fits:
        raise UsageError(f"--probe names no probe (valid: {', '.join(probes.names())})")
    device = choose_device(arguments.device)
    runtime = Runtime(device, choose_precision(arguments.precision, device), arguments.batch_size)
    leaderboard.check(arguments.results)
    encoder = encoders.open_encoder(arguments.encoder, arguments.weights)
    if encoder.identity.random:
        say(f"{encoder.identity.name}: nothing in it was learned; --weights gives it a checkpoint")
    settings = Settings(
        data=arguments.data,
        cache=arguments.cache,
        runtime=runtime,
        workers=arguments.workers,
        seed=arguments.seed,
        limit=arguments.limit,
        min_coverage=arguments.min_coverage,
    )

    def score(task: Task) -> None:
        for evaluation in evaluate(task, encoder, fits, settings, progress=bar, note=say):
            path = keep(arguments.results, evaluation)
            print(
                json.dumps(dataclasses.asdict(evaluation.result)) if arguments.json else result_line(evaluation),
                flush=True,
            )
            say(f"row added to {path}")

    return each_task(chosen, score)


def prepare_verb(arguments: argparse.Namespace) -> int:
    """Decode each task's clips into the store."""
    runtime = Runtime(choose_device("cpu"), "float32")
    settings = Settings(arguments.data, arguments.cache, runtime, arguments.workers, seed=0)

    def decode(task: Task) -> None:
        prepared = prepare_task(task, arguments.rate, settings, progress=bar, note=say)
        there, expected = len(prepared.store.usable), prepared.manifest.expected
        print(f"{task.name}  {there:,} of {expected:,} clips ({prepared.coverage:.1%}) at {arguments.rate} Hz in "
              f"{prepared.store.folder}  {prepared.seconds:.1f} s")  # fmt: skip

    return each_task(choose_tasks(arguments.task), decode)


def cache_verb(arguments: argparse.Namespace) -> int:
    """List the cache, or delete what is of no use from it."""
    items = inventory.inventory(arguments.cache)
    if arguments.action == "list":
        rows = [(item.kind, size(item.size), item.owner, item.leftover or "in use", item.folder.name) for item in items]
        print(table(("kind", "size", "belongs to", "state", "folder"), rows))
        print(f"{size(sum(item.size for item in items))} in {arguments.cache}")
        return 0
    gone = [
        item
        for item in inventory.prunable(items, older_than_days=arguments.older_than, everything=arguments.all)
        if inventory.remove(item)
    ]
    for item in gone:
        print(f"removed {item.kind} {item.folder.name}  {size(item.size)}")
    print(f"{size(sum(item.size for item in gone))} freed in {arguments.cache}")
    return 0


def demo_verb(arguments: argparse.Namespace) -> int:
    """Write the demo dataset, then do the main job on it, with a leaderboard and a cache of its own."""
    from evar.cli.arguments import parse
    from evar.data.demo import write_demo

    folder: Path = arguments.folder
    write_demo(folder / "data" / "demo", seed=0)
    places = ["--data", str(folder / "data"), "--results", str(folder / "results"), "--cache", str(folder / "cache")]
    codes = []
    for encoder in ("logmel", "m2d"):
        chosen = parse(["eval", "--task", "demo", "--encoder", encoder, *places])
        assert chosen is not None
        codes.append(eval_verb(chosen))
    return max(codes)


def choose_tasks(names: str | None) -> list[Task]:
    """The tasks of a comma list; `all` is the five core tasks. Raises UsageError where any of them is not to be had."""
    if not names:
        raise UsageError(f"say what to score: --task NAME (one of {', '.join(tasks.task_files())}), or --task list")
    wanted = [
        name for part in names.split(",") for name in (tasks.CORE if part.strip() == "all" else [part.strip()]) if name
    ]
    chosen = [load_task(name) for name in dict.fromkeys(wanted)]
    for task in chosen:
        if task.name in tasks.local_tasks():
            say(f"task {task.name}: taken from {task.file}")
    return chosen


def each_task(chosen: list[Task], work: Callable[[Task], None]) -> int:
    """Do `work` for each task; one that cannot be done does not stop the others. Returns the exit code."""
    code = 0
    for task in chosen:
        try:
            work(task)
        except EvarError as error:
            say(f"error: {error}")
            code = 2
    return code


def keep(results: Path, evaluation: Evaluation) -> Path:
    """Append the row; where that fails show the row, so that nothing is lost."""
    try:
        return leaderboard.append(
            results, evaluation.result, evaluation.predictions, evaluation.clips, evaluation.classes
        )
    except EvarError:
        say(f"not saved: {json.dumps(dataclasses.asdict(evaluation.result))}")
        raise


def result_line(evaluation: Evaluation) -> str:
    """The result for people: `us8k  m2d_vit_base-80x608p16x16  logistic  accuracy 87.6 % [86.9, 88.3]  n=8732`."""
    result = evaluation.result
    parts = [
        result.task,
        result.encoder,
        result.probe if result.output == "last" else f"{result.output} {result.probe}",
        f"{result.metric} {100 * result.score:.1f} % [{100 * result.low:.1f}, {100 * result.high:.1f}]",
        f"n={result.n}",
    ]
    remarks = {
        "random weights": result.random_weights and "random weights" not in result.encoder,
        f"coverage {100 * result.coverage:.1f} %": result.coverage < 1,
        f"limit {result.limit}": result.limit is not None,
        "not ranked": not result.ranked,
        "not converged": not result.converged,
        "setting at the grid's edge": result.at_edge,
        f"only {result.groups} groups": result.few_groups,
    }
    if said := [remark for remark, holds in remarks.items() if holds]:
        parts.append(f"({', '.join(said)})")
    return "  ".join(parts)


def task_list(data: Path) -> str:
    """A table of all tasks: size, metric, protocol, and whether their data is found."""
    rows = []
    for name in tasks.task_files():
        try:
            task = load_task(name)
        except UsageError as error:
            rows.append((name, "", "", "", "", f"broken: {error}"))
            continue
        clips = f"{task.expects.rows:,}" if task.expects else "?"
        classes = str(task.expects.classes) if task.expects else "?"
        rows.append((name, task.title, clips, classes, f"{task.metric}, {task.protocol}", _found(task, data)))
    return table(("task", "title", "clips", "classes", "metric, protocol", "data"), rows)


def _found(task: Task, data: Path) -> str:
    try:
        root = find_root(task, data)
    except UsageError:
        return "this version cannot read it yet"
    return f"found in {root}" if root else f"not in {data}"
