"""A run's result, in parts: what was run, its score, how it was fitted, on what data, how it stands, what it cost,
where it comes from, and what a person says of it.

Each part is a dataclass, and a section of the run's record (`leaderboard/runs.py`). A `Result` is all of them: its
fields go by the same names in Python, in the record and as columns of the leaderboard, so a new one is one line here
and one where it is made (`row.py`).
"""

import dataclasses
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict

from evar.base.errors import few, printable
from evar.base.percent import rounded_percent
from evar.data.task import official_digest

FINE_TUNING = "finetune"  # the probe of a row whose encoder was trained on the task too
PAPER = "paper"  # the protocol of a fine-tuning whose epoch was the best on test


class ResultPart:
    """What all parts share: a record is read strictly, each field there, of its type, and no other."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True)
class What(ResultPart):
    """What was run, and when (UTC): the run's name sorts by time."""

    run: str
    time: str
    task: str
    encoder: str
    weights: str
    output: str
    probe: str


@dataclass(frozen=True, kw_only=True)
class Scored(ResultPart):
    """The score and its 95 % interval, shares (0 to 1); n counts test clips, groups their recordings, speakers or such.

    parts: score of each fold (or of "test"); seeds: of each seed; draw_scores: of each draw of few shots.
    classes_left_out: of means over classes, without positive test clips. metrics: the other metrics of this kind of
    task, each a mean over folds and seeds as the score is; None where it is not finite.
    """

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
    draw_scores: list[float]
    metrics: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Fitting(ResultPart):
    """What was chosen on validation rows: setting and, where the layer was chosen too, chosen_output, a round.

    layer_weights: round -> layer -> its weight in the sum, the mean over seeds, where a probe learned one.
    """

    setting: dict[str, float | str | None]
    at_edge: bool
    converged: bool
    chosen_output: dict[str, str]
    layer_weights: dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class DataUsed(ResultPart):
    """Which clips. limit: of a smoke run, a part; shots: training clips a class, where few were drawn, `draws` times;
    short_classes: how many classes have fewer.

    leaks: test clips by kind of leak (see data/leaks.py); near-duplicates are None where nobody looked for them.
    store_digest: of the decoded clips; table_digest: of the scored clips' paths, labels, parts and groups; modality:
    what they are, audio or image.
    """

    coverage: float
    leaks: dict[str, int | None] | None
    limit: int | None
    shots: int | None
    draws: int | None
    short_classes: int
    store_digest: str
    table_digest: str
    modality: str = "audio"


@dataclass(frozen=True, kw_only=True)
class Standing(ResultPart):
    """Whether the run may be ranked: not a smoke run, too little coverage, one layer of a sweep, few shots, test clips
    of a single group, folds without a clip, an unstable encoder, or a task that only has an official one's name.

    sweep: one of several layers' runs; step: of pre-training, where the encoder was scored by the run that trains it;
    empty_folds: of the task, that had no clip to test; unstable: how the encoder gives other embeddings of the
    same clip, empty where it was not checked.
    """

    ranked: bool
    sweep: bool
    step: int | None
    random_weights: bool
    empty_folds: list[str]
    unstable: str
    protocol: str
    protocol_version: int
    task_digest: str


@dataclass(frozen=True, kw_only=True)
class Cost(ResultPart):
    """Seconds and clips/s of a stage are this run's; the embedding rate is from when it was computed.

    peak_device_memory_bytes: the GPU's, 0 on a CPU.
    """

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


@dataclass(frozen=True, kw_only=True)
class Provenance(ResultPart):
    """What is needed to repeat the run, beside its name.

    dataset_revision: of a dataset of the Hugging Face Hub, OWNER/NAME@COMMIT; of any other empty.
    plugins: packages whose encoder, probe or reader it used, each with version and digest of its sources.
    """

    encoder_options: dict[str, Any]
    probe_options: dict[str, Any]
    weights_digest: str
    embeddings_key: str
    dataset_revision: str
    seed: int
    evar: str
    torch: str
    scikit_learn: str
    nnaudio: str
    commit: str
    dirty: bool
    plugins: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Remarks(ResultPart):
    """What a person says of the run, by `evar runs tag` and `evar runs note`."""

    tags: list[str] = dataclasses.field(default_factory=list)
    note: str = ""


PARTS: dict[str, type[ResultPart]] = {
    "what": What,
    "score": Scored,
    "fitting": Fitting,
    "data": DataUsed,
    "standing": Standing,
    "cost": Cost,
    "provenance": Provenance,
    "remarks": Remarks,
}
"""Section of a record -> its part."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Result(Remarks, Provenance, Cost, Standing, DataUsed, Fitting, Scored, What):
    """A run's result: all parts' fields, in their order (a dataclass takes the fields of its last base first)."""

    @classmethod
    def of(cls, *parts: ResultPart) -> "Result":
        """The result of all parts."""
        return cls(**{name: value for part in parts for name, value in vars(part).items()})

    @property
    def deviation(self) -> float:
        """Standard deviation of the seeds' scores (n - 1 in the denominator); 0 for a single seed."""
        return statistics.stdev(self.seeds) if len(self.seeds) > 1 else 0.0

    def __repr__(self) -> str:
        """The result on one line."""
        named = f"{self.task} {self.encoder} {self.output} {self.probe}"
        return f"Result({self.run}: {named}, {self.metric} {self._score}, n={self.n})"

    @property
    def line(self) -> str:
        """The result for people: `us8k  m2d_vit_base-80x608p16x16  logistic  accuracy 87.6 % [86.9, 88.3]  n=8732`."""
        parts = [
            self.task,
            self.encoder,
            self.probe if self.output == "last" else f"{self.output} {self.probe}",
            f"{self.metric} {self._score}",
            f"n={self.n}",
        ]
        remarks = {
            "random weights": self.random_weights and "random weights" not in self.encoder,
            f"coverage {rounded_percent(self.coverage)} %": self.coverage < 1,
            f"limit {self.limit}": self.limit is not None,
            f"{len(self.seeds)} seeds, deviation {rounded_percent(self.deviation)}": len(self.seeds) > 1,
            "one of a sweep": self.sweep,
            f"{self.shots}-shot, {self.draws} draw{'s' * (self.draws != 1)}": self.shots is not None,
            f"{self.short_classes} classes have fewer clips": self.short_classes > 0,
            f"layers {few(dict.fromkeys(self.chosen_output.values()))} by validation": bool(self.chosen_output),
            f"not ranked: {self.why_unranked}": not self.ranked,
            "not converged": not self.converged,
            "setting at the grid's edge": self.at_edge,
            f"{self.groups} groups, too few to claim a difference": self.few_groups,
        }
        said = [remark for remark, holds in remarks.items() if holds]
        return "  ".join(map(printable, [*parts, f"({', '.join(said)})"] if said else parts))

    @property
    def probe_call(self) -> str:
        """The probe with all its options, as on the command line: "logistic(max_iter=50)"."""
        return probe_call(self.probe, self.probe_options)

    @property
    def why_unranked(self) -> str:
        """Why the run must never stand in a ranking; empty where it may."""
        other_task = official_digest(self.task) not in (None, self.task_digest)
        if self.probe == FINE_TUNING and self.probe_options.get("protocol") == PAPER:
            return "epoch chosen on test clips, as its authors did"
        if self.ranked and not other_task:
            return ""
        if self.limit is not None:
            return f"smoke run of {self.limit} clips a part"
        if self.shots is not None:
            return f"{self.shots} training clips a class"
        if self.groups == 1:
            return "all test clips are of one group"
        if self.empty_folds:
            return f"no clips in fold {', '.join(self.empty_folds)}"
        if self.unstable:
            return f"unstable: {self.unstable}"
        if self.step is not None:
            return f"in training, step {self.step:,}, coverage {rounded_percent(self.coverage)} %"
        if self.sweep:
            return "one layer of a sweep"
        if other_task:
            return f"not the {self.task} of this version of evar: its task file is another"
        return f"coverage {rounded_percent(self.coverage)} %"

    @property
    def _score(self) -> str:
        return f"{rounded_percent(self.score)} % [{rounded_percent(self.low)}, {rounded_percent(self.high)}]"

    def sections(self) -> dict[str, dict[str, Any]]:
        """Section -> field -> value."""
        return {
            name: {field.name: getattr(self, field.name) for field in _fields(part)} for name, part in PARTS.items()
        }

    def row(self) -> dict[str, str]:
        """The leaderboard's columns as text that a person would type: lists and mappings are JSON, truth yes/no."""
        return {name: _text(getattr(self, name)) for name in COLUMNS}


def probe_call(name: str, options: Mapping[str, Any]) -> str:
    """A probe with all its options, as on the command line: "logistic(max_iter=50)"."""
    return f"{name}({', '.join(f'{option}={value!r}' for option, value in sorted(options.items()))})"


def _fields(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(kind)


COLUMNS = tuple(field.name for field in dataclasses.fields(Result))


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
