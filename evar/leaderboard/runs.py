"""The runs of a results folder: `runs/RUN.json`, a run's record, `runs/RUN.npz`, its predictions, and where that was
asked for `runs/RUN.probe.safetensors`, its fitted probe.

The record is written last: where it lies, the run is there. Two leaderboards are merged by copying files. Whatever lies
in the folder is read strictly and within bounds, and nothing of it is executed; what cannot be read is reported in one
line that names the file.
"""

import contextlib
import dataclasses
import datetime
import json
import logging
import math
import re
import shutil
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from evar.base.errors import DataError, UsageError, counted, did_you_mean, few, shown
from evar.base.files import (
    atomic_path,
    locked,
    open_regular,
    read_regular,
    remove_unfinished,
    storage_errors,
    write_atomic,
)
from evar.probes.predictions import Predictions
from evar.result import PARTS, Result, ResultPart
from evar.scoring.compare import RunOutput
from evar.scoring.metrics import METRICS
from evar.scoring.summary import mean_score

if TYPE_CHECKING:
    from evar.probes.estimator import SavedProbe
    from evar.probes.saved import PackedProbe

log = logging.getLogger(__name__)

FOLDER = "runs"
NAME = re.compile(r"[^/\\\0.][^/\\\0]{0,199}")  # of a run: a file's, and no hidden one's
ID = re.compile(r"\d{8}T\d{6}-([0-9a-f]{8})")  # as `provenance.new_run_id` makes it
SHORTEST = 4  # characters of a short id
MOST_RECORD_BYTES = 16 << 20
MOST_LETTERS = 4096  # of a text in a record: a path, at most
MOST_ENTRIES = 20_000  # of a list in a record
MOST_ARRAY_BYTES = 4 << 30  # of a run's predictions together
ARRAYS = {"logits": "f", "targets": "ib", "rows": "i", "groups": "U", "folds": "U", "clips": "U", "run": "U"}
"""Array -> the kinds of dtype that it may have."""
PROBE = "evar_probe"  # in the metadata of a file that holds one
TOLERANCE = 1e-6  # of a score, against rounding
BROKEN = (
    OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, SyntaxError, MemoryError, OverflowError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy and zipfile raise for an archive that was damaged anywhere."""


@dataclass(frozen=True, kw_only=True)
class ChosenBy(ResultPart):
    """What the setting was chosen by, and among which classes. curves: round -> setting -> mean validation score."""

    classes: list[str]
    curves: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Record:
    """A run: its result, and what it was chosen by."""

    result: Result
    selection: ChosenBy

    def sections(self) -> dict[str, dict[str, Any]]:
        """Section -> field -> value."""
        return {**self.result.sections(), "selection": dataclasses.asdict(self.selection)}

    def to_json(self) -> str:
        """The record's file. Letters that no file can hold are U+FFFD. Raises DataError for what none would read."""
        sections = self.sections()
        try:
            _require_bounded(sections)
        except ValueError as error:
            raise DataError(f"run {self.result.run} cannot be kept: {error}") from error
        return re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(sections, ensure_ascii=False, indent=1)) + "\n"


@dataclass(frozen=True)
class Kept(RunOutput):
    """What a run keeps beside its result. curves: round -> setting -> validation score, of which finite ones stay.

    probe: the fitted probe, where it is wanted
    """

    curves: dict[str, dict[str, float]]
    probe: "PackedProbe | None" = None


_SECTIONS: TypeAdapter[Any] = TypeAdapter(
    dataclasses.make_dataclass(
        "Sections", [*PARTS.items(), ("selection", ChosenBy)], bases=(ResultPart,), frozen=True, kw_only=True
    )
)


def only_writer(results: Path) -> AbstractContextManager[None]:
    """Keep other processes from changing the records, or the table made from them, for the block."""
    return locked(results / FOLDER)


def keep(results: Path, result: Result, kept: Kept) -> Path:
    """Write what a run keeps, then its record, whose path is given. Raises StorageError; the run is then not there."""
    path = record_path(results, result.run)
    finite = {name: {k: v for k, v in curve.items() if math.isfinite(v)} for name, curve in kept.curves.items()}
    record = Record(result, ChosenBy(classes=list(kept.classes), curves=finite))
    try:
        with atomic_path(path) as unfinished:  # there from the start: see `remove_unfinished_runs`
            _write_predictions(predictions_path(path), result.run, kept)
            if kept.probe is not None:
                metadata = {PROBE: json.dumps(kept.probe.about)}
                write_atomic(probe_path(path), safetensors.numpy.save(kept.probe.arrays, metadata))
            unfinished.write_text(record.to_json(), encoding="utf-8")
    except BaseException:
        _unlink_beside(path)
        raise
    return path


def remove_unfinished_runs(results: Path) -> None:
    """Delete what killed processes left of runs whose record they did not write."""
    for name in remove_unfinished(results / FOLDER):
        record = results / FOLDER / name
        if name.endswith(".json") and not record.exists():
            _unlink_beside(record)


def _unlink_beside(record: Path) -> None:
    """Delete what lies beside a record that is not there."""
    for file in (predictions_path(record), probe_path(record)):
        with contextlib.suppress(OSError):
            file.unlink()


def record_path(results: Path, run: str) -> Path:
    """Where the record of a run lies. Raises DataError for what is no name of a run."""
    if not NAME.fullmatch(run):
        raise DataError(f"run {run!r} is no name of a run")
    return results / FOLDER / f"{run}.json"


def predictions_path(record: Path) -> Path:
    """Where the predictions of a record lie: beside it."""
    return record.with_name(f"{record.name.removesuffix('.json')}.npz")


def probe_path(record: Path) -> Path:
    """Where the fitted probe of a record lies, where it was kept: beside it."""
    return record.with_name(f"{record.name.removesuffix('.json')}.probe.safetensors")


def record_files(results: Path) -> list[Path]:
    """The record files in this folder, by name, which is by time; none where there is no such folder."""
    with storage_errors(results / FOLDER):
        return sorted(path for path in (results / FOLDER).glob("*.json") if is_record(path.name))


def is_record(name: str) -> bool:
    """Whether a file of this name is a record."""
    return name.endswith(".json") and not name.startswith(".")


def read_rows(results: str | Path) -> list[Result]:
    """The result of every run in this folder, oldest first. Notes each file that cannot be read."""
    return sorted((record.result for record in readable(record_files(Path(results)))), key=moment)


def readable(files: Sequence[Path]) -> Iterator[Record]:
    """The records that can be read; notes the others."""
    for path in files:
        try:
            yield read_record(path)
        except DataError as error:
            log.warning(f"{error}; the run is left out")


def read_record(path: Path) -> Record:
    """A run's record. Raises DataError, in one line that names the file, where it is none."""
    try:
        sections = vars(_SECTIONS.validate_json(read_regular(path, MOST_RECORD_BYTES)))
        _require_bounded({name: vars(part) for name, part in sections.items()})
        selection = sections.pop("selection")
        result = Result.of(*sections.values())
        _require_possible(result)
        if f"{result.run}.json" != path.name or not NAME.fullmatch(result.run):
            raise ValueError(f"it is of run {shown(repr(result.run))}")
        return Record(result, selection)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        where = ".".join(map(str, wrong["loc"]))
        raise DataError(f"{path} is no record of a run: {where and f'{shown(where)}: '}{wrong['msg']}") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path} is no record of a run: {why}") from error


def read_predictions(results: Path, run: str) -> Kept:
    """What a run kept. Raises DataError where it is missing, broken, or does not give the record's score."""
    record = record_path(results, run)
    path = predictions_path(record)
    if not path.is_file():
        raise DataError(f"no predictions of run {run}: {path} is not there; score it again to have them")
    kept = read_record(record)
    result, selection = kept.result, kept.selection
    try:
        arrays = _arrays(path)
        if arrays.pop("run").tolist() != run:
            raise ValueError("it is of another run")
        clips, predictions = arrays.pop("clips").tolist(), Predictions(**arrays, draws=result.draws or 1)
        _require_fitting(predictions, clips, len(selection.classes))
        if result.metric in METRICS:
            score = mean_score(predictions, result.metric)
            if score is None or abs(score - result.score) > TOLERANCE:
                raise ValueError(f"it scores {score}, the record says {result.score}")
    except BROKEN as error:
        raise DataError(f"{path} is broken ({shown(error)}): score it again") from error
    return Kept(predictions, clips, tuple(selection.classes), selection.curves)


def load_probe(run: str | Path, results: str | Path = "results") -> "SavedProbe":
    """The fitted probe of a run that was made with `--save-probe`, as a scikit-learn classifier.

    run: its id, the beginning of it, or the path of its file, RUN.probe.safetensors; results: the folder of the run

    Raises UsageError, with near names, for an unknown run, DataError where no probe was saved or its file is broken.
    """
    if str(run).endswith(".safetensors"):
        path = Path(run)
    else:
        if not Path(results).is_dir():
            raise UsageError(f"no results folder {results}: name the one that holds the run")
        name = find_run(Path(results), str(run))
        path = probe_path(record_path(Path(results), name))
        if not path.exists():
            raise DataError(f"run {name} has no saved probe: score it again with --save-probe")
    from evar.probes.estimator import SavedProbe  # with scikit-learn and torch, which take seconds
    from evar.probes.saved import PackedProbe, unpack

    try:
        open_regular(path).close()
        with safetensors.safe_open(path, framework="numpy") as file:
            if PROBE not in (metadata := file.metadata() or {}):
                raise ValueError("--save-probe did not write it")
            about = json.loads(metadata[PROBE])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
        return SavedProbe(about, unpack(PackedProbe(arrays, about)))
    except (*BROKEN, AttributeError, safetensors.SafetensorError) as error:
        why = error.strerror if isinstance(error, OSError) else shown(error)
        raise DataError(f"{path} is no saved probe: {why}") from error


def moment(row: Result) -> datetime.datetime:
    """When the run was made. Raises ValueError where its time is none."""
    when = datetime.datetime.fromisoformat(row.time)
    return when if when.tzinfo else when.replace(tzinfo=datetime.UTC)


def short_ids(runs: Iterable[str]) -> dict[str, str]:
    """Run -> its short id, which tables show: as many of its last eight characters as no other run has.

    Names that the harness did not give stay whole.
    """
    runs = set(runs)
    ends = {run: given[1] for run in runs if (given := ID.fullmatch(run))}
    length = next((n for n in range(SHORTEST, 8) if len({end[:n] for end in ends.values()}) == len(ends)), 8)
    return {run: ends[run][:length] if run in ends else run for run in runs}


def means_run(name: str, run: str) -> bool:
    """Whether a name is a run's id, the beginning of it, or its short id."""
    return run.startswith(name) or (len(name) >= SHORTEST and run.rpartition("-")[2].startswith(name))


def find_run(results: Path, beginning: str) -> str:
    """The run of this name, with this beginning or of this short id.

    Raises UsageError, with near names, where there is none or several.
    """
    runs = [path.stem for path in record_files(results)]
    found = [beginning] if beginning in runs else [run for run in runs if means_run(beginning, run)]
    if not found or not beginning:
        hint = did_you_mean(beginning, runs) or f"{counted(len(runs), 'run')} there, `evar runs list` shows them"
        raise UsageError(f"unknown run {beginning!r}: {hint}")
    if len(found) > 1:
        raise UsageError(f"{len(found)} runs begin with {beginning!r}: {few(found)}; give more of the name")
    return found[0]


def remark(results: Path, run: str, **said: Any) -> Record:
    """Write tags or a note into a run's record. Raises DataError where it cannot be read, StorageError."""
    path = record_path(results, run)
    with only_writer(results):
        record = read_record(path)
        record = dataclasses.replace(record, result=dataclasses.replace(record.result, **said))
        write_atomic(path, record.to_json())
    return record


def remove(results: Path, run: str) -> list[Path]:
    """Delete a run, its record first. Gives the files that went."""
    record = record_path(results, run)
    with only_writer(results), storage_errors(record):
        files = (record, predictions_path(record), probe_path(record))
        gone = [path for path in files if path.exists() or path.is_symlink()]
        for path in gone:
            path.unlink()
    return gone


def copy_runs(source: Path, results: Path) -> tuple[int, int]:
    """Copy the runs of another results folder that are not here; notes those that cannot be read.

    Gives how many were copied, and how many there are. Raises DataError where `source` holds none.
    """
    files = record_files(source)
    if not files:
        raise DataError(f"{source} holds no runs: {source / FOLDER} has no RUN.json")
    missing = [path for path in files if not (results / FOLDER / path.name).exists()]
    count = 0
    for record in readable(missing):
        path = record_path(source, record.result.run)
        for file in (predictions_path(path), probe_path(path), path):
            if file.is_file():
                with atomic_path(results / FOLDER / file.name) as temporary:
                    shutil.copyfile(file, temporary)
        count += 1
    return count, len(files)


def _write_predictions(path: Path, run: str, kept: Kept) -> None:
    predictions = kept.predictions
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            run=np.array(run),
            logits=predictions.logits,
            targets=predictions.targets,
            rows=predictions.rows,
            groups=predictions.groups,
            folds=predictions.folds,
            clips=np.array(kept.clips, dtype=np.str_),
        )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file of predictions. Raises one of BROKEN; takes no more memory than MOST_ARRAY_BYTES."""
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if set(members) != set(ARRAYS):
            raise ValueError(f"it holds {few(sorted(members)) or 'nothing'}, not {', '.join(ARRAYS)}")
        if (size := sum(info.file_size for info in members.values())) > MOST_ARRAY_BYTES:
            raise ValueError(f"{size:,} bytes, predictions have at most {MOST_ARRAY_BYTES:,}")
        file.seek(0)
        with np.load(file, allow_pickle=False) as loaded:
            arrays = {name: np.asarray(loaded[name]) for name in ARRAYS}
    for name, kinds in ARRAYS.items():
        if arrays[name].dtype.kind not in kinds:
            raise ValueError(f"{name} cannot be of type {arrays[name].dtype}")
    return arrays


def _require_fitting(predictions: Predictions, clips: Sequence[str], classes: int) -> None:
    """Raise ValueError where predictions, clips and the record's classes are not of each other."""
    targets = predictions.targets
    if len(clips) != len(predictions.rows) or predictions.logits.shape[2] != classes:
        raise ValueError("clips or classes do not fit the logits")
    partly = targets.ndim == 2 and targets.dtype == np.int8 and -1 <= targets.min() <= targets.max() <= 1
    if (targets.dtype.kind, targets.ndim) not in {("i", 1), ("b", 2)} and not partly:
        raise ValueError("targets are neither numbers of classes nor a table of labels")
    if targets.ndim == 1 and not 0 <= targets.min() <= targets.max() < classes:
        raise ValueError("targets are no classes")


def _require_bounded(content: object, *where: object) -> None:
    """Raise ValueError for a text or a list that is too long for any table; where: names that lead to it."""
    if isinstance(content, str) and len(content) > MOST_LETTERS:
        raise ValueError(
            f"{'.'.join(map(shown, where))} has {len(content):,} letters, a text has at most {MOST_LETTERS:,}"
        )
    if isinstance(content, list | dict):
        if len(content) > MOST_ENTRIES:
            raise ValueError(
                f"{'.'.join(map(shown, where))} has {len(content):,} entries, there are at most {MOST_ENTRIES:,}"
            )
        for name, value in content.items() if isinstance(content, dict) else enumerate(content):
            if isinstance(name, str):
                _require_bounded(name, *where)
            if isinstance(value, str | list | dict):
                _require_bounded(value, *where, name)


def _require_possible(row: Result) -> None:
    """Raise ValueError for a score outside its interval or its metric's bounds, and for a time that is none."""
    if not row.low - TOLERANCE <= row.score <= row.high + TOLERANCE:
        raise ValueError(f"score cannot be {row.score:g} in an interval from {row.low:g} to {row.high:g}")
    if (known := METRICS.get(row.metric)) is not None and not known.low <= row.low <= row.high <= known.high:
        raise ValueError(f"{row.metric} cannot be {row.score:g} [{row.low:g}, {row.high:g}]")
    try:
        moment(row)
    except ValueError as error:
        raise ValueError(f"time cannot be {shown(repr(row.time))}") from error
