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

from evar.base.errors import counted, few, printable
from evar.base.percent import rounded_percent
from evar.data.task import official_digest

FINE_TUNING = "finetune"  # the probe of a row whose encoder was trained on the task too
PAPER = "paper"  # the protocol of a fine-tuning whose epoch was the best on test


class ResultPart:
    """What all parts share: a record is read strictly, each field there, of its type, and no other."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True)
class What(ResultPart):
    """What was run, and when.

    run:      the run's id, which sorts by time
    time:     when it ended, UTC
    task:     name of the task
    encoder:  name of the encoder, for people
    weights:  the checkpoint's file, or what stands for it
    output:   which output of the encoder: "last", a layer, or "chosen" on validation clips
    probe:    name of the probe
    """

    run: str
    time: str
    task: str
    encoder: str
    weights: str
    output: str
    probe: str


@dataclass(frozen=True, kw_only=True)
class Scored(ResultPart):
    """The score and its 95 % interval, as shares (0 to 1).

    metric:            name of the metric
    score:             the mean over folds, and over seeds and draws
    low:               lower end of the interval
    high:              upper end of the interval
    n:                 number of test clips
    groups:            number of their groups: recordings, speakers or the like
    few_groups:        whether these are too few to claim a difference
    classes_left_out:  classes without a positive test clip, which no mean over classes counts
    parts:             score of each fold, or of "test"
    seeds:             score of each seed of the probe
    draw_scores:       score of each draw of few training clips
    metrics:           the other metrics of this kind of task, means as the score is; None where one is not finite
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
    """What was chosen on validation clips; a round is a test fold, or "test".

    setting:        round -> the probe's setting
    at_edge:        whether one of them lies at the end of its range, so that a better one may lie beyond
    converged:      whether every fit reached its own stopping rule
    chosen_output:  round -> the layer, where it was chosen too
    layer_weights:  round -> layer -> its weight in the sum, the mean over seeds, where a probe learned one
    """

    setting: dict[str, float | str | None]
    at_edge: bool
    converged: bool
    chosen_output: dict[str, str]
    layer_weights: dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class DataUsed(ResultPart):
    """Which clips were used.

    coverage:       share of the task's clips that were there and whole
    leaks:          kind of leak (data/leaks.py) -> test clips; None for near-duplicates that nobody looked for
    limit:          clips a part of a smoke run; None for all
    shots:          training clips a class, where only few were drawn
    draws:          how often they were drawn
    short_classes:  how many classes have fewer clips than that
    store_digest:   sha256 of the decoded clips
    table_digest:   sha256 of the scored clips' paths, labels, parts and groups
    modality:       what the clips are: audio or image
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
    """Whether the run may be ranked.

    ranked:            no for a smoke run, too little coverage, one layer of a sweep, few shots, test clips of one
                       group, a fold without a clip, an encoder that is unstable or in training
    sweep:             whether it is one of several layers' runs
    step:              of pre-training, where the run that trains the encoder scored it
    random_weights:    whether the encoder's weights were drawn and never trained
    empty_folds:       folds of the task that had no clip to test
    unstable:          how the encoder gives other embeddings of the same clip; empty where it does not
    protocol:          the split, in words
    protocol_version:  version of the rules; rows of two versions are never compared
    task_digest:       sha256 of all in the task's file that decides a score
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
    """What the run took. Seconds and rates are of this run, except that the embedding's are of when it was computed.

    precision:                 numbers in which the encoder computed
    device:                    where it ran
    batch_size:                clips a batch of the encoder
    prepare_seconds:           time to decode, or to open what was decoded before
    prepare_clips_per_second:  its rate; None where nothing was decoded
    embed_seconds:             time to embed
    embed_clips_per_second:    its rate
    embed_cached:              whether the embeddings came from the cache
    probe_seconds:             time to choose settings and fit
    probe_clips_per_second:    its rate
    peak_memory_bytes:         most memory that the process took
    peak_device_memory_bytes:  the GPU's; 0 on a CPU
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

    encoder_options:   all options of the encoder in force
    probe_options:     all options of the probe in force
    weights_digest:    sha256 of the weights
    embeddings_key:    sha256 of all that decides the embeddings
    dataset_revision:  of a dataset of the Hugging Face Hub, OWNER/NAME@COMMIT; of any other empty
    seed:              `--seed`
    evar:              version of evar
    torch:             version of PyTorch
    scikit_learn:      version of scikit-learn
    nnaudio:           version of nnAudio
    commit:            of evar's checkout, where it is one
    dirty:             whether that checkout had changes
    plugins:           packages whose encoder, probe or reader it used, each with version and digest of its sources
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
    """What a person says of the run.

    tags:  words by `evar runs tag`
    note:  a text by `evar runs note`
    """

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
            f"{self.shots}-shot, {counted(self.draws or 0, 'draw')}": self.shots is not None,
            f"{counted(self.short_classes, 'class', 'classes')} with fewer clips": self.short_classes > 0,
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
        if self.sweep:
            return "one layer of a sweep"
        if self.step is not None and self.coverage == 1:
            return f"in training, step {self.step:,}"
        if self.step is not None:  # whether the task asks for more clips is not known here
            return f"in training, step {self.step:,}, coverage {rounded_percent(self.coverage)} %"
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
