"""The leaderboard: one CSV, one row a (task, encoder, weights, output, probe), appended whole or not at all.

Values are text as a person would type it; lists and mappings are JSON; yes/no for truth. Predictions lie beside it in
`predictions/RUN.npz`.
"""

import csv
import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evar.errors import StorageError
from evar.files import atomic_path, locked, storage_errors, write_atomic
from evar.probes.predictions import Predictions

FORMAT = 1  # version of the header; it grows when a column changes
NAME = "leaderboard.csv"


@dataclass(frozen=True)
class Result:
    """One leaderboard row, with everything that is needed to judge and to repeat it. The fields are the columns.

    score, low, high are shares (0 to 1); low and high bound the 95 % interval; n counts test clips, groups what they
    were resampled by. parts: score of each fold (or of "test"), seeds: of each seed. classes_left_out: of mAP, for want
    of positive test clips. setting: what was chosen on validation, a round.
    seconds and clips/s of a stage are this run's; the embedding rate is from when it was computed. peak_device_memory
    is the GPU's, 0 on a CPU. store_digest: of the audio; table_digest: of the scored
    clips' paths, labels, parts and groups.
    chosen_output: round -> output, where the layer was chosen on validation; sweep: one of several layers' rows.
    shots: training clips a class, where few were drawn, `draws` times; draw_scores: of each draw; short_classes: how
    many classes have fewer training clips than that.
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
    setting: dict[str, float | None]
    at_edge: bool
    converged: bool
    coverage: float
    limit: int | None
    chosen_output: dict[str, str]
    sweep: bool
    shots: int | None
    draws: int | None
    draw_scores: list[float]
    short_classes: int
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

    def row(self) -> dict[str, str]:
        """The row as text, column by column."""
        fields = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {"format": str(FORMAT), **{name: _text(value) for name, value in fields}}


COLUMNS = ("format", *(field.name for field in dataclasses.fields(Result)))


def check(results: Path) -> None:
    """Raise StorageError now, before hours of work, where a row could not be appended in the end."""
    with locked(results / NAME):
        _read(results / NAME)
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
        before = _read(path)
        if before and not before.endswith(b"\n"):
            before += b"\n"
        lines = io.StringIO()
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        if not before:
            writer.writeheader()
        writer.writerow(result.row())
        write_atomic(path.resolve(), before + lines.getvalue().encode("utf-8", "surrogateescape"))
    return path


def _read(path: Path) -> bytes:
    """The leaderboard as it is, empty where there is none. Raises StorageError where its header is another."""
    with storage_errors(path):
        if not path.exists():
            return b""
        content = path.read_bytes()
    header = content.decode("utf-8", "replace").splitlines()[:1]
    if header and next(csv.reader(header)) != list(COLUMNS):
        raise StorageError(
            f"{path}: its header is not that of leaderboard format {FORMAT}; it stays as it is: "
            f"move it away or give another folder by --results"
        )
    return content


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
