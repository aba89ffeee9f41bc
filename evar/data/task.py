"""A task: everything that must be known to score a dataset, read from `NAME.yaml` and validated strictly.

A task is data. Unknown keys are refused, so that a typo never changes a protocol silently. Seconds are seconds of
audio; coverage is a share of the rows (0 to 1).
"""

import hashlib
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints, ValidationError, model_validator

from evar.base.errors import UsageError, few, unknown
from evar.base.yaml_file import MOST_FAULTS, read_yaml

log = logging.getLogger(__name__)

CORE = ("us8k", "vc1", "as20k", "gtzan", "spcv2")  # the five tasks that `--task all` means
BUNDLED = Path(__file__).parents[1] / "tasks"

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Strict(BaseModel):
    """Values as they are written, no coercion, no unknown keys, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Expects(Strict):
    """What a complete copy of the dataset has; a reader's result is checked against it.

    parts: rows of each split or fold, by its name. of_class: rows of each class, where no list of the dataset tells.
    """

    rows: PositiveInt
    classes: PositiveInt
    parts: dict[str, PositiveInt]
    of_class: dict[str, PositiveInt] | None = None

    @model_validator(mode="after")
    def _counts_add_up(self) -> Self:
        for name, counts in (("parts", self.parts), ("of_class", self.of_class)):
            if counts is not None and sum(counts.values()) != self.rows:
                raise ValueError(f"{name} add up to {sum(counts.values())}, rows says {self.rows}")
        if self.of_class is not None and len(self.of_class) != self.classes:
            raise ValueError(f"of_class names {len(self.of_class)} classes, classes says {self.classes}")
        return self


class Task(Strict):
    """One task. `splits` (train, optional valid, test) or `folds` (names of the official folds), never both.

    folder:      the dataset's folder below the data folder, or relative to a task file outside the tree
    reader:      the plug-in of `evar/data/readers` that knows the layout; `options` are its settings
    split_file:  a CSV beside the task's file that lists the split, where the dataset has none of its own
    seconds:     clips are cut or zero-padded to this length
    """

    name: Text
    title: Text
    kind: Literal["single-label", "multi-label"]
    reader: Text
    folder: Text
    options: dict[str, Any] = Field(default_factory=dict)
    split_file: Text | None = None
    seconds: Annotated[float, Field(ge=0.01, le=600)]
    splits: list[Literal["train", "valid", "test"]] | None = None
    folds: list[Text] | None = None
    classes: list[Text] | None = None
    metric: Literal["accuracy", "mAP"]
    min_coverage: Annotated[float, Field(gt=0, le=1)] = 0.99
    expects: Expects | None = None
    source: Text
    licence: Text
    pitfalls: list[Text] = Field(default_factory=list)
    file: Path

    @model_validator(mode="after")
    def _protocol_is_one_of_two(self) -> Self:
        if (self.splits is None) == (self.folds is None):
            raise ValueError("give either splits or folds")
        if self.splits is not None and (not {"train", "test"} <= set(self.splits) or _repeats(self.splits)):
            raise ValueError("splits must hold train and test, each once")
        if self.folds is not None and (len(self.folds) < 3 or _repeats(self.folds)):
            raise ValueError("folds must be at least three different names: one to test, two to train and choose on")
        if (self.metric == "mAP") != (self.kind == "multi-label"):
            raise ValueError("metric mAP goes with kind multi-label, accuracy with single-label")
        return self

    @model_validator(mode="after")
    def _expects_the_same_parts(self) -> Self:
        if self.expects is not None and set(self.expects.parts) != set(self.parts):
            raise ValueError(f"expects.parts must name {', '.join(self.parts)}, not {', '.join(self.expects.parts)}")
        return self

    @model_validator(mode="after")
    def _split_file_is_there(self) -> Self:
        if self.split_file is not None and not (self.file.parent / self.split_file).is_file():
            raise ValueError(f"split_file: no {self.split_file} in {self.file.parent}")
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
    def digest(self) -> str:
        """sha256 of all that decides a score (not of titles, sources and pitfalls)."""
        content = self.model_dump_json(exclude={"title", "source", "licence", "pitfalls", "file"}).encode()
        split = (self.file.parent / self.split_file).read_bytes() if self.split_file else b""
        return hashlib.sha256(content + split).hexdigest()


def load_task(name: str) -> Task:
    """The task called `name`: of the working folder's `tasks/`, else a bundled one, or the YAML file at that path.

    Raises UsageError where there is none (with near names) or where the file breaks the schema.
    """
    file = Path(name)
    if file.suffix not in (".yaml", ".yml"):
        known = task_files()
        if name not in known:
            raise unknown("task", name, known)
        file = known[name]
    content = read_yaml(file)
    if "file" in content or "name" in content:
        raise UsageError(
            f"{file}: a task is named by its file; remove the key {'file' if 'file' in content else 'name'}"
        )
    try:
        return Task.model_validate({"name": file.stem, **content, "file": file.resolve()})
    except ValidationError as error:
        raise UsageError(f"{file}: {_first_faults(error)}") from error


def load_tasks(names: str) -> list[Task]:
    """The tasks of a comma list, or of one path; `all` is the five core tasks. Raises as `load_task` does."""
    parts = [names] if os.path.isfile(names) else names.split(",")  # noqa: PTH113  a path may be too long for a Path
    wanted = [name for part in parts for name in (CORE if part.strip() == "all" else [part.strip()]) if name]
    if not wanted:
        raise UsageError(f"{names!r} names no task (valid: {', '.join(task_files())})")
    if "list" in wanted:
        raise UsageError("--task list stands alone: it shows every task")
    chosen = [load_task(name) for name in dict.fromkeys(wanted)]
    for task in chosen:
        if task.name in local_tasks():
            log.info(f"task {task.name}: taken from {task.file}")
    return chosen


def task_files() -> dict[str, Path]:
    """Name -> file of every task: the bundled ones, and before them those of the working folder's `tasks/`."""
    folders = (BUNDLED, Path("tasks"))
    files = {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}
    return dict(sorted(files.items(), key=lambda item: _core_first(item[0])))


def local_tasks() -> list[str]:
    """Names of the tasks that the working folder's `tasks/` defines itself."""
    return [name for name, file in task_files().items() if file.resolve().parent != BUNDLED.resolve()]


def _repeats(names: Sequence[str]) -> bool:
    return len(set(names)) < len(names)


def _core_first(name: str) -> tuple[int, str]:
    return (CORE.index(name) if name in CORE else len(CORE), name)


def _first_faults(error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"]) or "task"
        message = re.sub(r"^Value error, ", "", fault["msg"])
        if fault["type"] == "extra_forbidden":
            message = f"unknown key; {_near_key(str(fault['loc'][-1]))}"
        faults.append(f"{place}: {message}")
    return few(faults, MOST_FAULTS)


def _near_key(key: str) -> str:
    valid = sorted({*Task.model_fields, *Expects.model_fields} - {"name", "file"})
    return str(unknown("key", key, valid)).partition(": ")[2]
