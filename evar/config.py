"""Every setting of a run, once: its type, default, unit and one line of help.

    Config(device="cpu", limit=100)

The keywords of `evar.evaluate` and the options of the command line are made from the fields, so a new setting is one
line here. Values may be text, as they are typed.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evar.base.errors import UsageError, unknown
from evar.base.machine import cores

DATA = Path("data")  # where nothing else is said
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
DRAWS = 5  # of few training clips, where shots are given


def setting(default: Any, unit: str, help: str, read: Callable[[str], Any] = str, *, shown: str = "") -> Any:
    """A field of `Config`.

    default: a value, or a function that gives it; unit: what stands for the value in help; read: text to value, raises
    ValueError with what is right; shown: the default for people, where the value does not say it.
    """
    metadata = {"unit": unit, "help": help, "read": read, "shown": shown}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Reads a whole number from `least` on, to `most` where that is given."""
    span = f"of at least {least}" if most is None else f"from {least} to {most}"

    def read_whole(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < least or (most is not None and int(text) > most):
            raise ValueError(f"must be a whole number {span}, not {text!r}")
        return int(text)

    return read_whole


def device(text: str) -> str:
    """Reads the name of a device, which need not be there: "cuda:1"."""
    kind, _, number = text.partition(":")
    numbered = kind == "cuda" and number.isascii() and number.isdigit()
    if kind not in DEVICES or (text != kind and not numbered):
        raise unknown("device", text, [*DEVICES, "cuda:1"])
    return text


def precision(text: str) -> str:
    """Reads the name of a precision."""
    if text not in PRECISIONS:
        raise unknown("precision", text, PRECISIONS)
    return text


def share(text: str) -> float:
    """Reads a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(f"must be a number from 0 to 1, not {text!r}")
    return value


def batch_size(text: str) -> int | None:
    """Reads a whole number; None for auto."""
    if text == "auto":
        return None
    try:
        return whole(1)(text)
    except ValueError as error:
        raise ValueError(str(error).replace("must be", "must be auto or", 1)) from error


def shots(text: str) -> tuple[int, ...]:
    """Reads "1,2,4": numbers of training clips a class, each once; gives them rising."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise ValueError(f"must be whole numbers of at least 1, such as 1,2,4,8, not {text!r}")
    numbers = sorted(map(int, parts))
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"must hold each number once, not {text!r}")
    return tuple(numbers)


def _data() -> Path:
    return Path(os.environ.get("EVAR_DATA") or DATA)


def _cache() -> Path:
    if named := os.environ.get("EVAR_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evar"


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings; see the fields. Raises UsageError for a value that cannot be."""

    data: Path = setting(
        _data, "FOLDER", "folder that holds the datasets' folders", Path, shown=f"$EVAR_DATA, else {DATA}"
    )
    cache: Path = setting(
        _cache,
        "FOLDER",
        "folder of decoded clips and embeddings",
        Path,
        shown="$EVAR_CACHE, else the user's cache folder",
    )
    device: str = setting("auto", "NAME", "auto, cpu, cuda, cuda:N or mps", device)
    precision: str = setting(
        "auto",
        "NAME",
        f"numbers that the encoder computes with: {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}",
        precision,
        shown="auto, bfloat16 where the device has it",
    )
    batch_size: int | None = setting(
        None,
        "CLIPS",
        "clips in one batch of the encoder",
        batch_size,
        shown="auto, by the clip's length and the device",
    )
    workers: int = setting(cores, "N", "threads that decode clips", whole(1), shown="all cores")
    seed: int = setting(42, "N", "seed of everything random: splits, probes, intervals", whole(0))
    limit: int | None = setting(
        None,
        "CLIPS",
        "use only this many clips of each split, to try a command; such a row is never ranked",
        whole(1),
        shown="all clips",
    )
    min_coverage: float | None = setting(
        None,
        "SHARE",
        "share of the task's clips (0 to 1) that must be there, else the row is not ranked",
        share,
        shown="the task's own",
    )
    shots: tuple[int, ...] = setting(
        (),
        "N[,..]",
        "fit on only N training clips of each class: one row and one point of a curve for each N, never ranked",
        shots,
        shown="all clips",
    )
    draws: int | None = setting(
        None,
        "N",
        "how many times the clips of --shots are drawn; the scores are averaged",
        whole(1, most=1000),
        shown=str(DRAWS),
    )

    def __post_init__(self) -> None:
        """Read what is text, and check all."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None or value == field.default:
                continue
            text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
            try:
                object.__setattr__(self, field.name, field.metadata["read"](text))
            except ValueError as error:
                raise UsageError(f"{field.name} {error}") from error
        if self.draws is not None and not self.shots:
            raise UsageError("draws says how often the clips of shots are drawn: give shots too")


def config_of(settings: Mapping[str, Any], start: Config | None = None) -> Config:
    """`start`, or the defaults, with these settings. Raises UsageError, with near names, for one that there is not."""
    kind = type(start) if start else Config
    valid = [field.name for field in dataclasses.fields(kind)]
    for name in settings:
        if name not in valid:
            raise unknown("setting", name, valid)
    return dataclasses.replace(start, **settings) if start else Config(**settings)
