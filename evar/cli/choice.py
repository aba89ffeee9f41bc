"""Which tasks a command is about: a comma list of names, `all`, or a table of what there is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from evar.base.errors import EvarError, UsageError
from evar.base.progress import say
from evar.cli.terminal import table
from evar.data import task as tasks
from evar.data.manifest import find_root
from evar.data.task import Task, load_task

Item = TypeVar("Item")


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
