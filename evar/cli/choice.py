"""Which tasks a command is about: a comma list of names, `all`, or a table of what there is."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from evar.base.errors import EvarError, UsageError
from evar.cli.terminal import say, table
from evar.data import task as tasks
from evar.data.manifest import find_root
from evar.data.task import Task, load_task
from evar.embeddings.share import Unfinished

Item = TypeVar("Item")


def choose_tasks(names: str | None) -> list[Task]:
    """The tasks of a comma list; `all` is the five core tasks. Raises UsageError where any of them is not to be had."""
    if not names:
        raise UsageError(f"say what to score: --task NAME (one of {', '.join(tasks.task_files())}), or --task list")
    parts = [names] if os.path.isfile(names) else names.split(",")  # noqa: PTH113  a path may be too long for a Path
    wanted = [name for part in parts for name in (tasks.CORE if part.strip() == "all" else [part.strip()]) if name]
    if not wanted:
        raise UsageError(f"--task {names!r} names no task (valid: {', '.join(tasks.task_files())})")
    if "list" in wanted:
        raise UsageError("--task list stands alone: it shows every task")
    chosen = [load_task(name) for name in dict.fromkeys(wanted)]
    for task in chosen:
        if task.name in tasks.local_tasks():
            say(f"task {task.name}: taken from {task.file}")
    return chosen


def each_task(chosen: list[Task], work: Callable[[Task], None]) -> int:
    """Do `work` for each task; one that cannot be done does not stop the others. Returns the exit code."""

    def told(task: Task) -> None:
        try:
            work(task)
        except Unfinished as news:
            say(f"{task.name}: {news}; the last one to end adds the row")

    return each(chosen, told)


def each(items: Sequence[Item], work: Callable[[Item], None]) -> int:
    """Do `work` for each item; an error of one is told and does not stop the others. Returns the exit code."""
    code = 0
    for item in items:
        try:
            work(item)
        except EvarError as error:
            say(f"error: {error}")
            code = 2
    return code


def task_list(data: Path) -> list[dict[str, str | int | None]]:
    """Every task: its size, metric, protocol, and whether its data are found."""
    listed = []
    for name in tasks.task_files():
        row: dict[str, str | int | None] = {"task": name, "title": "", "clips": None, "classes": None, "metric": ""}
        try:
            task = load_task(name)
        except UsageError as error:
            listed.append({**row, "protocol": "", "data": f"broken: {error}"})
            continue
        row |= {"title": task.title, "metric": task.metric, "protocol": task.protocol, "data": _found(task, data)}
        if task.expects is not None:
            row |= {"clips": task.expects.rows, "classes": task.expects.classes}
        listed.append(row)
    return listed


def task_table(data: Path) -> str:
    """The same for people."""
    rows = task_list(data)
    cells = [[f"{cell:,}" if isinstance(cell, int) else cell or "?" for cell in row.values()] for row in rows]
    return table(list(rows[0]), cells)


def _found(task: Task, data: Path) -> str:
    try:
        root = find_root(task, data)
    except EvarError as error:
        return f"broken: {error}"
    return f"found in {root}" if root else f"not in {data}"
