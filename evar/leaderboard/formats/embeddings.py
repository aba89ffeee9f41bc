"""The cached embeddings behind the rows, a folder a task and encoder: OUTPUT.npy, and paths, parts and labels as CSV.

    TASK-ENCODER-KEY/last.npy      (clip, dim) float32; an encoder with several outputs has a file each
    TASK-ENCODER-KEY/clips.csv     row of the arrays, path, split or fold, group, label: a table that a task may name
    TASK-ENCODER-KEY/about.json    what the numbers are: encoder, weights, precision, task, runs

Nothing is computed: what the cache has lost is noted, and comes back by scoring it again.
"""

import csv
import io
import json
import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from evar.base.errors import DataError, EvarError, UsageError
from evar.config import Config
from evar.data import store as stores
from evar.data.manifest import Manifest, read_manifest
from evar.data.named_tasks import load_tasks
from evar.data.task import OF_THE_HUB, task_files
from evar.embeddings.cache import Entry, finished_entry
from evar.leaderboard.formats import Format
from evar.leaderboard.formats.other_harnesses import slug
from evar.leaderboard.read import Leaderboard
from evar.result import FINE_TUNING, Result

log = logging.getLogger(__name__)

ARRAY, TABLE, MARK = b"\x93NUMPY", b"row,path,", b'"evar_embeddings"'
SEPARATORS = ";|/\t"  # between labels of one cell: the first that no class has in its name


def write(leaderboard: Leaderboard, width: int) -> dict[PurePosixPath, str | bytes | Path]:
    """A folder for each of the embeddings. Raises UsageError where the cache has none of them."""
    by_key: dict[str, list[Result]] = {}
    for row in leaderboard.rows:
        if row.probe != FINE_TUNING:  # whose encoder embeds nothing: it is trained with its head
            by_key.setdefault(row.embeddings_key, []).append(row)
    files: dict[PurePosixPath, str | bytes | Path] = {}
    for rows in by_key.values():
        try:
            files |= _folder(rows, leaderboard.config)
        except EvarError as error:
            log.warning(f"not exported: {rows[-1].task} by {rows[-1].encoder}: {error}")
    if not files:
        raise UsageError(f"no embeddings of the rows of {leaderboard.results} to export")
    return files


def _folder(rows: Sequence[Result], config: Config) -> dict[PurePosixPath, str | bytes | Path]:
    """The files of rows on the same embeddings. Raises DataError where these or their clips are not there any more."""
    row = rows[-1]
    entry = finished_entry(config.cache, row.embeddings_key)
    if entry is None or not (config.cache / "stores" / entry.store).is_dir():
        raise DataError(f"not in the cache {config.cache}: score it again (--again), or name its --cache")
    clips = _clips(row, entry, config)
    separator = next((each for each in SEPARATORS if not any(each in name for name in clips.classes)), "\n")
    about = {
        "evar_embeddings": row.embeddings_key, "task": row.task, "task_digest": row.task_digest,
        "encoder": row.encoder, "encoder_options": row.encoder_options, "weights": row.weights,
        "weights_digest": row.weights_digest, "precision": row.precision, "rate": entry.key["sample_rate"],
        "outputs": {output: array.shape for output, array in entry.outputs().items()}, "classes": clips.classes,
        "separator": separator, "runs": [each.run for each in rows], "evar": row.evar, "torch": row.torch,
    }  # fmt: skip
    place = PurePosixPath(slug(f"{row.task}-{row.encoder}-{row.embeddings_key[:8]}"))
    return {
        **{place / file.name: file for file in entry.files()},
        place / "clips.csv": _table(clips, separator),
        place / "about.json": json.dumps(about, ensure_ascii=False, indent=1) + "\n",
    }


def _clips(row: Result, entry: Entry, config: Config) -> Manifest:
    """The clips of a row, in the order of its embeddings. Raises DataError where they are others now."""
    if not row.task.startswith(OF_THE_HUB) and row.task not in task_files():
        raise DataError(f"no bundled task is called {row.task}: put its YAML file into tasks/ of the working folder")
    (task,) = load_tasks(row.task, config.data)
    manifest = read_manifest(task, config.data)
    manifest = manifest if row.limit is None else manifest.limit(row.limit)
    rate = int(entry.key["sample_rate"])
    paths = manifest.table["path"].tolist()
    store = stores.prepare(manifest.root, paths, rate, config.cache, task.modality, workers=config.workers)
    clips = manifest.keep(store.usable)
    if (task.digest, store.digest, clips.digest) != (row.task_digest, row.store_digest, row.table_digest):
        raise DataError(f"the clips in {manifest.root} or their labels are not those of run {row.run}: score it again")
    return clips


def _table(clips: Manifest, separator: str) -> bytes:
    """A line a clip, with columns that the reader `table` takes."""
    single = clips.task.kind == "single-label"
    labels = ["label"] if single else ["labels", *(["absent"] if "absent" in clips.table else [])]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["row", "path", "fold" if clips.task.folds else "split", "group", *labels])
    columns = ["path", "part", "group", "labels", *labels[1:]]
    for number, (path, part, group, *named) in enumerate(zip(*(clips.table[name] for name in columns), strict=True)):
        lines.writerow([number, path, part, group, *(separator.join(names) for names in named)])
    return text.getvalue().encode("utf-8", "surrogateescape")


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: content.startswith((ARRAY, TABLE)) or MARK in content, place=None, folder=True)
