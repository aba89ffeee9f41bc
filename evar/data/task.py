"""A task: everything that must be known to score a dataset, read from `NAME.yaml` and validated strictly.

A task is data. Unknown keys are refused, so that a typo never changes a protocol silently. A clip is a recording or an
image. Seconds are seconds of audio; coverage is a share of the rows (0 to 1).
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints, ValidationError, model_validator

from evar.base.entry_points import task_folders
from evar.base.errors import UsageError, did_you_mean, few, in_words
from evar.base.yaml_file import in_short, read_yaml
from evar.data.groups import FILE as GROUPS
from evar.data.groups import group_names, groups
from evar.data.sample_file import samples_of

log = logging.getLogger(__name__)

CORE = groups()["core"].tasks  # which come first wherever tasks are listed
BUNDLED = GROUPS.parent

OF_THE_HUB = ("hub:", "mteb:")  # names of tasks that begin so are datasets of the Hugging Face Hub
ENDINGS = (".yaml", ".yml")
METRICS = {"single-label": ("accuracy", "mAP"), "multi-label": ("mAP", "macro_auc", "lwlrap")}
OWN_NAME = "a task is named by its file; remove this key"

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Strict(BaseModel):
    """Values as they are written, no coercion, no unknown keys, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Expects(Strict):
    """What a complete copy of the dataset has; a reader's result is checked against it.

    rows:      number of clips
    classes:   number of classes
    parts:     clips of each split or fold, by its name; none where nobody is known to have counted
    of_class:  clips of each class, where no list of the dataset says
    """

    rows: PositiveInt
    classes: PositiveInt
    parts: dict[str, PositiveInt] | None = None
    of_class: dict[str, PositiveInt] | None = None


class Task(Strict):
    """One task. It has `splits` or `folds`, never both.

    title:         name for people
    kind:          one label a clip, or several
    reader:        the plug-in of `evar/data/readers` that knows the layout
    folder:        the dataset's folder below the data folder, or relative to a task file outside the tree
    options:       settings of the reader
    split_file:    a CSV beside the task's file that lists the split, where the dataset has none of its own
    modality:      what its clips are: audio or image
    seconds:       clips of audio are cut or zero-padded to this length; 0 for images
    splits:        names of the splits: train, valid (may be left out), test
    folds:         names of the official folds, at least three
    classes:       names of the classes, where the reader does not know them or some may have no clip
    metric:        the score
    pitches:       whether the classes' names are MIDI numbers, so that chroma accuracy is reported beside accuracy
    min_coverage:  share of the clips below which a row is never ranked
    expects:       what a complete copy has, see below
    source:        where the dataset is from
    licence:       of the dataset
    pitfalls:      what to know before believing a score, a line each
    """

    name: Text
    title: Text
    kind: Literal["single-label", "multi-label"]
    reader: Text
    folder: Text
    options: dict[str, Any] = Field(default_factory=dict)
    split_file: Text | None = None
    modality: Literal["audio", "image"] = "audio"
    seconds: Annotated[float, Field(ge=0.01, le=600)] = 0.0
    splits: list[Literal["train", "valid", "test"]] | None = None
    folds: list[Text] | None = None
    classes: list[Text] | None = None
    metric: Literal["accuracy", "mAP", "macro_auc", "lwlrap"]
    pitches: bool = False
    min_coverage: Annotated[float, Field(gt=0, le=1)] = 0.99
    expects: Expects | None = None
    source: Text | None = None
    licence: Text | None = None
    pitfalls: list[Text] = Field(default_factory=list)
    file: Path

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if faults := list(_contradictions(self.model_dump(), set())):
            raise ValueError("; ".join(faults))
        return self

    @property
    def parts(self) -> list[str]:
        """Names of the splits or folds."""
        return list(self.folds or self.splits or [])

    @property
    def protocol(self) -> str:
        """The protocol in words."""
        return f"{len(self.folds)}-fold cross-validation" if self.folds else "/".join(self.parts)

    @property
    def noun(self) -> str:
        """What people call its clips."""
        return "images" if self.modality == "image" else "clips"

    @property
    def revision(self) -> str:
        """The dataset of the Hub and its commit, OWNER/NAME@COMMIT; empty where the task is not of the Hub."""
        repo = self.options.get("repo") if self.reader == "hub" else None
        return f"{repo}@{self.options['revision']}" if repo else ""

    def samples(self, rate: int) -> int:
        """How many samples of 16 bits a clip takes in a store at `rate`."""
        return samples_of(self.modality, self.seconds, rate)

    @property
    def digest(self) -> str:
        """sha256 of all that decides a score (not of titles, sources, pitfalls, and what is reported beside it)."""
        aside = {"title", "source", "licence", "pitfalls", "pitches", "file"}
        aside |= {"modality"} if self.modality == "audio" else {"seconds"}
        content = self.model_dump_json(exclude=aside).encode()
        split = (self.file.parent / self.split_file).read_bytes() if self.split_file else b""
        return hashlib.sha256(content + split).hexdigest()


def load_task(name: str, *, fetch: bool = False) -> Task:
    """The task called `name`: of the working folder's `tasks/`, else bundled or a package's, or the file at that path.

    Or a dataset of the Hugging Face Hub, `hub:OWNER/NAME@REVISION` or `mteb:NAME`, which is read in the
    Hub's cache; fetch: first have it there. Raises UsageError where there is none (with near names) or where the file
    breaks the schema; DataError where a dataset of the Hub is not to be had.
    """
    if name.startswith(OF_THE_HUB):
        from evar.data.hub_tasks import hub_task

        return hub_task(name, fetch=fetch)
    file = Path(name)
    if file.suffix.lower() not in ENDINGS:
        known = task_files()
        if name not in known:
            raise _no_task(name, known)
        file = known[name]
    elif not os.path.lexists(file):
        raise _no_file(file)
    content = read_yaml(file)
    given = {"title": file.stem, **content, "name": file.stem, "file": file.resolve()}
    return make_task(given, file, [f"{key}: {OWN_NAME}" for key in ("name", "file") if key in content])


def make_task(content: Mapping[str, Any], place: str | Path, faults: Sequence[str] = ()) -> Task:
    """The task of this content. place: what holds it; faults: found in it already. Raises UsageError."""
    try:
        task = Task.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{place}: {in_short([*faults, *_faults(error, content)])}") from error
    if faults:
        raise UsageError(f"{place}: {'; '.join(faults)}")
    return task


@cache
def official_digest(name: str) -> str | None:
    """The digest of the task of this name that comes with evar; None where none does."""
    file = next((file for file in BUNDLED.glob("*.yaml") if file.stem == name), None)
    return None if file is None else load_task(str(file)).digest


def task_files() -> dict[str, Path]:
    """Name -> file of every task, the core ones first: of the working folder's `tasks/`, bundled, of other packages.

    Of equal names the first of these is taken; what is hidden in another package is noted, once a process.
    """
    files: dict[str, Path] = {}
    packages = task_folders()
    for folder in (Path("tasks"), BUNDLED, *packages):
        for file in sorted(folder.glob("*.yaml")):
            if file.name == GROUPS.name:
                continue
            if files.setdefault(file.stem, file) is not file and folder in packages:
                _note_hidden(file.stem, packages[folder], str(files[file.stem]))
    core = [name for name in CORE if name in files]
    return {name: files[name] for name in [*core, *sorted(files.keys() - core)]}


def package_of(file: Path) -> str:
    """Where a task's file is from: "evar", another package with its version, or the path itself."""
    place = file.resolve().parent
    places = {BUNDLED.resolve(): "evar"} | {folder.resolve(): package for folder, package in task_folders().items()}
    return places.get(place, str(file))


def local_tasks() -> list[str]:
    """Names of the tasks that the working folder's `tasks/` defines itself."""
    return [name for name, file in task_files().items() if package_of(file) == str(file)]


@cache
def _note_hidden(name: str, package: str, taken: str) -> None:
    log.warning(f"task {name}: {taken} is used; {package} has one of the same name, which is not reached")


def _repeats(names: Sequence[str]) -> bool:
    return len(set(names)) < len(names)


def _no_task(name: str, known: Mapping[str, Path]) -> UsageError:
    """There is no task of this name: near ones, or what lies at the path that is given in place of a task's file."""
    path = Path(name)
    if not os.path.lexists(name):
        near = {each: each for each in [*group_names(), *known]}
        near |= {file.stem: str(file) for file in _files_in(path.parent) if file.name != GROUPS.name}
        hint = f": {hint}" if (hint := did_you_mean(path.name, near)) else ""
        return UsageError(f"unknown task {name!r}{hint} (valid: {', '.join(known)}, a path to a YAML file, or a group "
                          f"of tasks: {', '.join(group_names())})")  # fmt: skip
    what, folder = ("a folder", path) if path.is_dir() else ("no YAML file", path.parent)
    places = {place.resolve(): place for place in (folder, folder.parent, Path())}
    if there := [str(file) for place in places.values() for file in _files_in(place)]:
        return UsageError(f"task {name} is {what}, a task is a YAML file: did you mean {few(there)}?")
    return UsageError(f"task {name} is {what}, a task is a YAML file that names the table, as in docs/datasets.md; "
                      "`evar new-task FOLDER` writes both for a folder of audio for each class")  # fmt: skip


def _no_file(file: Path) -> UsageError:
    """There is no task file at this path: the near ones of its folder."""
    if not file.parent.is_dir():
        return UsageError(f"no task file {file}: there is no folder {file.parent}")
    hint = did_you_mean(file.name, [each.name for each in _files_in(file.parent)])
    return UsageError(f"no task file {file}: {hint or f'no YAML file near that name is in {file.parent.resolve()}'}")


def _files_in(folder: Path) -> list[Path]:
    """What may be task files."""
    try:
        return sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
    except (OSError, ValueError):  # no folder, or no name that a folder can have
        return []


def _faults(error: ValidationError, content: Mapping[str, Any]) -> list[str]:
    """All that is wrong with a task's file, at once: keys, values, and what contradicts each other."""
    missing, faults, seen = [], [], Counter[tuple[str, str]]()
    for fault in error.errors():
        steps = [str(step) for step in fault["loc"] if not isinstance(step, int) and step != "[key]"]
        key, kind = ".".join(steps), fault["type"]
        seen[key, kind] += 1
        if kind == "missing":
            missing.append(key)
        elif kind == "extra_forbidden":
            faults.append(f"{key}: {_near_key(steps[-1])}")
        elif seen[key, kind] == 1:  # one for all items of a list
            faults.append(f"{key}: {_each(fault['loc'])}{in_words(fault)}" if key else in_words(fault))
    wrong = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
    if wrong and "seconds" not in content and content.get("modality", "audio") == "audio":
        missing.append("seconds")
        wrong.add("seconds")
    if missing:
        faults.insert(0, f"{', '.join(missing)}: missing")
    return [*faults, *(_contradictions(content, wrong) if wrong else ())]


def _each(place: tuple[str | int, ...]) -> str:
    """Which of several are at fault there: names of a mapping, items of a list, or nothing of the kind."""
    if place[-1] == "[key]":
        return "each name "
    return "each " if isinstance(place[-1], int) else ""


def _contradictions(task: Mapping[str, Any], wrong: set[str]) -> Iterator[str]:
    """What does not go together in a task's content, where the values of the keys `wrong` are not known."""
    sound = {key: value for key, value in task.items() if key not in wrong}
    splits, folds, classes, expects = (sound.get(key) for key in ("splits", "folds", "classes", "expects"))
    if not wrong & {"splits", "folds"} and (splits is None) == (folds is None):
        yield "give either splits or folds"
    if splits is not None and (not {"train", "test"} <= set(splits) or _repeats(splits)):
        yield "splits must hold train and test, each once"
    if folds is not None and (len(folds) < 3 or _repeats(folds)):
        yield "folds must be at least three different names: one to test, two to train and choose on"
    if classes is not None and (len(classes) < 2 or _repeats(classes)):
        yield "classes must be at least two different names"
    if not wrong & {"seconds", "modality"} and (sound.get("modality") == "image") == bool(sound.get("seconds")):
        yield "seconds: missing" if not sound.get("seconds") else "seconds: an image has none; remove this key"
    own, metric = METRICS.get(sound.get("kind", "")), sound.get("metric")
    if own and metric and metric not in own:
        yield f"metric {metric} goes with another kind, {sound['kind']} with {' or '.join(own)}"
    if sound.get("pitches") and sound.get("kind") == "multi-label":
        yield "pitches goes with kind single-label"
    if expects is not None:
        yield from _wrong_counts(expects, folds or splits)
    split_file, folder = sound.get("split_file"), task["file"].parent
    if split_file is not None and not (folder / split_file).is_file():
        yield f"split_file: no {split_file} in {folder}"


def _wrong_counts(expects: Mapping[str, Any], parts: Sequence[str] | None) -> Iterator[str]:
    """What does not go together in `expects`; parts: the task's, None where they are not known."""
    counted = expects.get("parts")
    if parts is not None and counted is not None and set(counted) != set(parts):
        yield f"expects.parts must name {', '.join(parts)}, not {', '.join(counted)}"
    for name in ("parts", "of_class"):
        counts = expects.get(name)
        if counts is not None and (total := sum(counts.values())) != expects["rows"]:
            yield f"expects: {name} add up to {total}, rows says {expects['rows']}"
    if (of_class := expects.get("of_class")) is not None and len(of_class) != expects["classes"]:
        yield f"expects: of_class names {len(of_class)} classes, classes says {expects['classes']}"


def _near_key(key: str) -> str:
    valid = sorted({*Task.model_fields, *Expects.model_fields} - {"name", "file"})
    hint = f"; {hint}" if (hint := did_you_mean(key, valid)) else ""
    return f"unknown key{hint} (valid: {', '.join(valid)})"
