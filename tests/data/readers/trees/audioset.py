"""AudioSet-20K: the official lists where the reference files are there, else made ones, and a file for each segment."""

import csv
import hashlib
import os
import shutil
from base64 import urlsafe_b64encode
from pathlib import Path

from evar.data.task import Task, load_task
from evar.testing.trees import touch

LISTED = True
STRADDLING = 0
GONE = "AudioSet/audio/3"
LISTS = {"train": "balanced_train_segments.csv", "test": "eval_segments.csv"}
CLASSES = "class_labels_indices.csv"


def plant(data: Path) -> Task:
    """Write the three tables, and the audio in folders, under every form of name in turn."""
    task = load_task("as20k")
    assert task.expects
    root = data / "AudioSet"
    root.mkdir(parents=True)
    if (official := _official()) is not None:
        for name in (*LISTS.values(), CLASSES):
            shutil.copyfile(official / name, root / name)
    else:
        write_classes(root / CLASSES, task.expects.classes)
        for part, clips in task.expects.parts.items():
            write_list(root / LISTS[part], [_segment(part, number) for number in range(clips)])
    segments = [row for name in LISTS.values() for row in read_list(root / name)]
    names = (file_name(number, *row[:3]) for number, row in enumerate(segments))
    touch(root / "audio", [f"{number % 7}/{name}" for number, name in enumerate(names)])
    return task


def file_name(form: int, name: str, start: str, end: str) -> str:
    """One of the names under which downloaders leave a segment."""
    first, last = float(start), float(end)
    forms = (
        f"Y{name}_{first:.3f}_{last:.3f}.wav",
        f"{name}_{first * 1000:.0f}_{last * 1000:.0f}.flac",
        f"{name}_{int(first)}.wav",
        f"{name}.wav",
        f"Y{name}.mp3",
        f"{name}_{int(first):06}.ogg",
        f"{name}_{int(first)}-{int(last)}.wav",
    )
    return forms[form % len(forms)]


def write_classes(file: Path, classes: int) -> None:
    """A class list; the names hold commas, as many official ones do."""
    with file.open("w", newline="") as stream:
        rows = [(number, mid(number), f"Sound {number}, of some kind") for number in range(classes)]
        csv.writer(stream).writerows([("index", "mid", "display_name"), *rows])


def mid(number: int) -> str:
    """The machine id of a class."""
    return f"/m/{number:03}"


def write_list(file: Path, rows: list[tuple[str, str, str, str]]) -> None:
    """A list of (id, start, end, mids) in the official form."""
    head = f"# Segments csv\n# num_ytids={len(rows)}\n# YTID, start_seconds, end_seconds, positive_labels\n"
    file.write_text(head + "".join(f'{name}, {start}, {end}, "{mids}"\n' for name, start, end, mids in rows))


def read_list(file: Path) -> list[list[str]]:
    """Id, start, end, mids of each line."""
    with file.open(newline="") as stream:
        return [row for row in csv.reader(stream, skipinitialspace=True) if not row[0].startswith("#")]


def _segment(part: str, number: int) -> tuple[str, str, str, str]:
    digest = hashlib.sha256(f"{part} {number}".encode()).digest()
    start, mids = digest[0], dict.fromkeys([mid(number % 527), mid(digest[1]), mid(digest[2])])
    return urlsafe_b64encode(digest).decode()[:11], f"{start}.000", f"{start + 10}.000", ",".join(mids)


def _official() -> Path | None:
    """The folder with the official tables: below $EVAR_SHARED, or below `shared` beside the repository."""
    shared = Path(os.environ.get("EVAR_SHARED", Path(__file__).parents[5] / "shared"))
    folder = shared / "metadata" / "audioset"
    return folder if folder.is_dir() else None
