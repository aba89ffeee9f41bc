"""UrbanSound8K: 8,732 rows of 1,297 recordings, 5 of which lie in two folds."""

import csv
from pathlib import Path

from evar.data.task import Task, load_task
from evar.testing.trees import touch

LISTED = True
STRADDLING = 5
GONE = "UrbanSound8K/audio/fold7"
RECORDINGS = 1297
COLUMNS = ["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]


def plant(data: Path) -> Task:
    """Write it as the archive unpacks it."""
    task = load_task("us8k")
    table = rows(task)
    root = data / "UrbanSound8K"
    touch(root / "audio", [f"fold{row[5]}/{row[0]}" for row in table])
    write_csv(root / "metadata" / "UrbanSound8K.csv", table)
    return task


def rows(task: Task) -> list[tuple[object, ...]]:
    """Rows of the CSV: recording r is of class r mod 10 and in fold r mod 10 + 1, the last five in the next as well."""
    assert task.expects
    assert task.classes
    table = []
    for fold, clips in task.expects.parts.items():
        own = [r for r in range(RECORDINGS) if r % 10 + 1 == int(fold)]
        own += [r for r in range(RECORDINGS - STRADDLING, RECORDINGS) if r % 10 + 2 == int(fold)]
        for clip in range(clips):
            recording, start = own[clip % len(own)], clip // len(own)
            number = recording % 10
            name = f"{100000 + recording}-{number}-0-{fold}{start:02}.wav"
            table.append((name, 100000 + recording, start, start + 4, 1, fold, number, task.classes[number]))
    return table


def write_csv(file: Path, table: list[tuple[object, ...]]) -> None:
    """Write the rows under the official header."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *table])
