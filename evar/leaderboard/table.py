"""The leaderboard: one CSV, one row a (task, encoder, weights, output, probe), appended whole or not at all.

Values are text as a person would type it; lists and mappings are JSON; yes/no for truth. Predictions lie beside it in
`predictions/RUN.npz`. `read.py` reads both.

Columns go by name. A new one is a field of `Result` with a default, which is what rows written before it read as; and
FORMAT grows. Appending to an older file grows its header and leaves all else as it was. A file that holds rows of a
newer format is read for what is known, but not appended to: two versions would not mean the same by a row.
"""

import dataclasses
import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evar.base.errors import StorageError, few
from evar.base.files import atomic_path, locked, storage_errors, write_atomic
from evar.leaderboard import lines
from evar.probes.predictions import Predictions

FORMAT = 2  # version of a row; it grows when a column is added or changes
NAME = "leaderboard.csv"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One leaderboard row, with everything that is needed to judge and to repeat it. The fields are the columns.

    score, low, high are shares (0 to 1); low and high bound the 95 % interval; n counts test clips, groups what they
    were resampled by. parts: score of each fold (or of "test"), seeds: of each seed. classes_left_out: of means over
    classes, for want of positive test clips. metrics: the other metrics of this kind of task, each a mean over folds
    and seeds as the score is; None where it is not finite. setting: what was chosen on validation, a round.
    leaks: test clips by kind of leak (see scoring/leaks.py); None where nobody looked.
    seconds and clips/s of a stage are this run's; the embedding rate is from when it was computed. peak_device_memory
    is the GPU's, 0 on a CPU. store_digest: of the audio; table_digest: of the scored
    clips' paths, labels, parts and groups.
    chosen_output: round -> output, where the layer was chosen on validation; sweep: one of several layers' rows.
    shots: training clips a class, where few were drawn, `draws` times; draw_scores: of each draw; short_classes: how
    many classes have fewer training clips than that.
    step: of pre-training, where the encoder was scored by the run that trains it.
    ranked: no where the row must never stand in a ranking (a smoke run, too little coverage, one layer of a sweep, few
    shots).
    """

    run: str
    time: str
    task: str
    encoder: str
    weights: str
    output: str
    probe: str
    metric: str
    score: float
    low: float
    high: float
    n: int
    groups: int
    few_groups: bool
    classes_left_out: int
    parts: dict[str, float]
    seeds: list[float]
    metrics: dict[str, float | None] = field(default_factory=dict)
    setting: dict[str, float | str | None]
    at_edge: bool
    converged: bool
    coverage: float
    leaks: dict[str, int] | None = None
    limit: int | None
    chosen_output: dict[str, str]
    sweep: bool
    shots: int | None = None
    draws: int | None = None
    draw_scores: list[float] = field(default_factory=list)
    short_classes: int = 0
    step: int | None = None
    ranked: bool
    random_weights: bool
    protocol: str
    protocol_version: int
    task_digest: str
    encoder_options: dict[str, Any]
    probe_options: dict[str, Any]
    precision: str
    device: str
    batch_size: int
    prepare_seconds: float
    prepare_clips_per_second: float | None
    embed_seconds: float
    embed_clips_per_second: float
    embed_cached: bool
    probe_seconds: float
    probe_clips_per_second: float
    peak_memory_bytes: int
    peak_device_memory_bytes: int
    weights_digest: str
    store_digest: str
    table_digest: str
    embeddings_key: str
    seed: int
    evar: str
    torch: str
    scikit_learn: str
    nnaudio: str
    commit: str
    dirty: bool

    @property
    def deviation(self) -> float:
        """Standard deviation of the seeds' scores (n - 1 in the denominator); 0 for a single seed."""
        return statistics.stdev(self.seeds) if len(self.seeds) > 1 else 0.0

    def row(self) -> dict[str, str]:
        """The row as text, column by column."""
        fields = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {"format": str(FORMAT), **{name: _text(value) for name, value in fields}}


COLUMNS = ("format", *(field.name for field in dataclasses.fields(Result)))


REQUIRED = tuple(
    each.name
    for each in dataclasses.fields(Result)
    if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
)
"""Columns that every leaderboard has had."""


def check(results: Path) -> None:
    """Raise StorageError now, before hours of work, where a row could not be appended in the end."""
    with locked(results / NAME):
        _appendable(results / NAME)
        probe = results / f".{NAME}.check"
        write_atomic(probe, "")
        with storage_errors(probe):
            probe.unlink()


def append(
    results: Path,
    result: Result,
    predictions: Predictions,
    clips: list[str],
    classes: tuple[str, ...],
    curves: dict[str, dict[str, float]],
) -> Path:
    """Keep the predictions, then append the row. Returns the leaderboard's path.

    clips: names by row; curves: round -> setting -> mean validation score, empty where nothing was chosen.

    Raises StorageError; the leaderboard then is what it was.
    """
    _keep_predictions(results / "predictions" / f"{result.run}.npz", predictions, clips, classes, curves)
    path = results / NAME
    with locked(path):
        sheet = _appendable(path) or lines.parse(lines.line(COLUMNS).encode(), str(path))
        write_atomic(path.resolve(), lines.extended(sheet, COLUMNS, result.row()))
    return path


def read_sheet(path: Path) -> lines.Sheet | None:
    """The leaderboard's text, taken apart; None where there is none. Raises StorageError for a foreign file."""
    with storage_errors(path):
        content = path.read_bytes() if path.exists() else b""
    if not content:
        return None
    sheet = lines.parse(content, str(path))
    if missing := {"format", *REQUIRED} - set(sheet.header):
        raise StorageError(
            f"{path}: its header is not that of a leaderboard, it lacks {few(sorted(missing))}; it stays as it is: "
            f"{lines.AWAY}"
        )
    return sheet


def _appendable(path: Path) -> lines.Sheet | None:
    sheet = read_sheet(path)
    if sheet is not None and (newest := sheet.newest_format()) > FORMAT:
        raise StorageError(
            f"{path} has rows of format {newest}, this version of evar writes format {FORMAT}: update evar, or give "
            f"another folder by --results"
        )
    return sheet


def _keep_predictions(
    path: Path,
    predictions: Predictions,
    clips: list[str],
    classes: tuple[str, ...],
    curves: dict[str, dict[str, float]],
) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            logits=predictions.logits,
            targets=predictions.targets,
            rows=predictions.rows,
            groups=predictions.groups,
            folds=predictions.folds,
            clips=np.array([clips[row] for row in predictions.rows], dtype=np.str_),
            classes=np.array(classes, dtype=np.str_),
            curves=np.array(json.dumps(curves)),
        )


def _rounded(value: Any) -> Any:
    """Lists and mappings with their floats as exact as those of single cells."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict | list):
        return json.dumps(_rounded(value), ensure_ascii=False)
    return "" if value is None else str(value)
