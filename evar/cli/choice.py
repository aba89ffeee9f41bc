"""Which tasks a command is about: a comma list of names, `all`, or a table of what there is."""

from collections.abc import Callable
from pathlib import Path

from evar.cli.terminal import say, table
from evar.data import task as tasks
from evar.data.manifest import find_root
from evar.data.task import Task, load_task
from evar.errors import EvarError, UsageError


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
