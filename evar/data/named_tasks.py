"""Which tasks a person names: by their names, by paths of task files, and by groups."""

import logging
import os
from pathlib import Path

from evar.base.errors import DataError, EvarError, UsageError, few
from evar.base.spec import split_calls
from evar.data.groups import ALL, group_names, groups
from evar.data.manifest import find_root
from evar.data.task import OF_THE_HUB, Task, load_task, local_tasks, official_digest, package_of, task_files

log = logging.getLogger(__name__)

DEMO = "demo"  # says nothing of an encoder, so `all` is without it


def load_tasks(task: str | Path | Task, data: Path, *, fetch: bool = False) -> list[Task]:
    """The tasks of a comma list of tasks and groups, or of one path, each once. A `Task` is itself.

    data: where `all` looks for datasets; what it leaves out is noted. fetch: first have those of the Hugging Face Hub
    in its cache, see `load_task`. Where a group is named, tasks whose data is not found come last, so that all others
    are done before.

    Raises UsageError as `load_task` does; DataError where `all` finds nothing.
    """
    if isinstance(task, Task):
        return [task]
    names = str(task)
    if os.path.isfile(names):  # noqa: PTH113  a path may be too long for a Path
        parts = [names]
    else:
        parts = split_calls(names) if any(sign in names for sign in OF_THE_HUB) else names.split(",")
    wanted = [part.strip() for part in parts if part.strip()]
    if not wanted:
        raise UsageError(f"{names!r} names no task (valid: {', '.join([*group_names(), *task_files()])})")
    if "list" in wanted:
        raise UsageError("--task list stands alone: it shows every task")
    tasks = list({each.file: each for name in wanted for each in _members(name, data, fetch)}.values())
    for each in tasks:
        _note_origin(each)
    if set(wanted) & set(group_names()):
        tasks.sort(key=lambda each: not is_found(each, data))
    return tasks


def is_found(task: Task, data: Path) -> bool:
    """Whether the task's dataset is below `data`, as far as one may look; what is wrong with it is said in its turn."""
    try:
        return find_root(task, data) is not None
    except EvarError:
        return False


def _members(name: str, data: Path, fetch: bool) -> list[Task]:
    """The tasks of one name. Raises UsageError where a task of the working folder has the name of a group."""
    if name not in group_names():
        return [load_task(name, fetch=fetch)]
    if own := task_files().get(name):
        raise UsageError(f"{name} is a group of tasks, and {own} a task of that name: rename it, or give its path")
    return _all(data) if name == ALL else [load_task(each) for each in groups()[name].tasks]


def _all(data: Path) -> list[Task]:
    """Every task whose data is found; notes in one line which are not. Raises DataError where none is."""
    found, missing = list[Task](), list[Task]()
    for name in task_files():
        try:
            task = load_task(name)
        except UsageError as error:
            log.warning(f"left out: {error}")
            continue
        if name != DEMO:
            (found if is_found(task, data) else missing).append(task)
    if not found:
        raise DataError(f"--task all: no task's data is found in {data}: give --data (or EVAR_DATA) the folder that "
                        "holds the datasets' folders; --task list shows what each task looks for")  # fmt: skip
    if missing:
        log.info(f"left out, their data is not in {data}: {few((each.name for each in missing), len(missing))}")
    return found


def _note_origin(task: Task) -> None:
    """Note where a task is not one that comes with evar, or has the name of one and is another."""
    if official_digest(task.name) not in (None, task.digest):
        log.warning(
            f"task {task.name}: {task.file} is not the {task.name} that comes with evar, so its rows stand in no "
            "ranking: name the file otherwise to have a column of its own"
        )
    elif task.name in local_tasks():
        log.info(f"task {task.name}: taken from {task.file}")
    elif (package := package_of(task.file)) not in ("evar", str(task.file)):
        log.info(f"task {task.name}: of the package {package}")
