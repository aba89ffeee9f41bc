"""Options that several verbs share, and the types of their values: each error is one line that says what is right."""

import argparse
import datetime
import os
from collections.abc import Callable
from pathlib import Path

from evar.base.errors import UsageError
from evar.base.machine import cores
from evar.probes.shots import DRAWS, checked

LEAST_SECONDS, MOST_SECONDS = 0.01, 600  # of a task's clips


def add_task(parser: argparse.ArgumentParser) -> None:
    """--task, which must be given."""
    parser.add_argument("--task", required=True, metavar="NAME[,..]", help="task names separated by commas, or `all`")


def add_rate(parser: argparse.ArgumentParser) -> None:
    """--rate of the decoded audio, in Hz."""
    parser.add_argument(
        "--rate",
        type=whole(1000, most=192_000),
        default=16000,
        metavar="HZ",
        help="sample rate of the encoder, in Hz (default: 16000)",
    )


def add_places(parser: argparse.ArgumentParser) -> None:
    """--data and --cache."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("EVAR_DATA") or "data"),
        metavar="FOLDER",
        help="folder that holds the datasets' folders (default: $EVAR_DATA, else data)",
    )
    add_cache(parser)


def add_cache(parser: argparse.ArgumentParser) -> None:
    """--cache."""
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_cache(),
        metavar="FOLDER",
        help="folder of prepared stores and embeddings (default: $EVAR_CACHE, else the user's cache folder)",
    )


def add_results(parser: argparse.ArgumentParser, what: str = "folder of runs and leaderboard.csv") -> None:
    """--results, `what` it is."""
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help=f"{what} (default: results)",
    )


def add_seed(parser: argparse.ArgumentParser, what: str) -> None:
    """--seed, of `what`."""
    parser.add_argument("--seed", type=whole(0), default=42, metavar="N", help=f"of {what} (default: 42)")


def add_device(parser: argparse.ArgumentParser, default: str = "auto") -> None:
    """--device."""
    parser.add_argument(
        "--device", default=default, metavar="NAME", help=f"auto, cpu, cuda or cuda:N (default: {default})"
    )


def add_workers(parser: argparse.ArgumentParser, what: str = "threads that decode audio") -> None:
    """--workers, `what` they are."""
    parser.add_argument(
        "--workers",
        type=whole(1),
        default=cores(),
        metavar="N",
        help=f"{what} (default: all cores)",
    )


def add_min_coverage(parser: argparse.ArgumentParser) -> None:
    """--min-coverage."""
    parser.add_argument(
        "--min-coverage",
        type=share,
        metavar="SHARE",
        help="share of the task's clips, 0 to 1, that must be there (default: the task's own; below that never ranked)",
    )


def add_shots(parser: argparse.ArgumentParser) -> None:
    """--shots and --draws."""
    parser.add_argument(
        "--shots",
        type=shots,
        metavar="N[,..]",
        default=(),
        help="fit on N training clips a class, a row and a point of a curve for each N, never ranked (default: on all)",
    )
    parser.add_argument(
        "--draws",
        type=whole(1, most=1000),
        metavar="N",
        help=f"how often the clips of --shots are drawn anew; their scores are averaged (default: {DRAWS})",
    )


def default_cache() -> Path:
    """$EVAR_CACHE, else `evar` in the user's cache folder."""
    if named := os.environ.get("EVAR_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evar"


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of a whole number from `least` on, to `most` where that is given."""
    span = f"of at least {least}" if most is None else f"from {least} to {most}"

    def parse_whole(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < least or (most is not None and int(text) > most):
            raise argparse.ArgumentTypeError(f"must be a whole number {span}, not {text!r}")
        return int(text)

    return parse_whole


def names(text: str) -> tuple[str, ...]:
    """A type: names separated by commas."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError("names nothing")
    return found


def day(text: str) -> datetime.date:
    """A type: a day."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a day such as 2026-11-22, not {text!r}") from error


def batch_size(text: str) -> int | None:
    """A type: a whole number, or None for auto."""
    if text == "auto":
        return None
    try:
        return whole(1)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(str(error).replace("must be", "must be auto or", 1)) from error


def share(text: str) -> float:
    """A type: numbers from 0 to 1."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, not {text!r}")
    return share


def seconds(text: str) -> float:
    """A type: lengths that a task's clips may have."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"must be a number from {LEAST_SECONDS} to {MOST_SECONDS}, not {text!r}")
    return seconds


def shots(text: str) -> tuple[int, ...]:
    """A type: "1,2,4", rising or not, each once."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"must be whole numbers with commas between, such as 1,2,4,8, not {text!r}")
    try:
        return checked(map(int, parts))
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
