"""Options that several verbs share, and the types of their values: each error is one line that says what is right."""

import argparse
import dataclasses
import datetime
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evar import config
from evar.base.errors import unknown
from evar.base.spec import split_calls
from evar.data.groups import ALL, groups

if TYPE_CHECKING:
    from pydantic import BaseModel

Value = TypeVar("Value")

WIDTH = 100  # characters of a line of the help's texts
METAVARS = {str: "NAME", bool: "true|false"}  # by the type of a setting's default

TASK_NAMES = (
    f"tasks and groups of tasks, separated by commas (groups: {', '.join(groups())}; {ALL}: every task whose data is "
    "found); hub:OWNER/NAME@REVISION or mteb:NAME for a dataset of the Hugging Face Hub"
)


def add_task(parser: argparse.ArgumentParser) -> None:
    """--task, which must be given."""
    parser.add_argument(
        "--task",
        required=True,
        action="add-up",
        metavar="NAME[,..]",
        help=f"{TASK_NAMES}, or a path to a task's YAML file",
    )


def add_weights(parser: argparse.ArgumentParser, default: str = "the encoder's own") -> None:
    """--weights of an encoder."""
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="checkpoint file, a folder that holds one, or the name of a checkpoint (`evar weights list`) "
        f"(default: {default})",
    )


def add_rate(parser: argparse.ArgumentParser) -> None:
    """--rate of the decoded clips."""
    parser.add_argument(
        "--rate",
        type=whole(1),
        metavar="NUMBER",
        help="sample rate of the encoder, in Hz (default: 16000); of images its size, in pixels (default: 224)",
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


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """--json, for programs: `what` is printed one object a line."""
    parser.add_argument(
        "--json", action="store_true", help=f"print {what} as JSON, one object per line (default: text for people)"
    )


def add_settings(parser: argparse.ArgumentParser, *names: str, **helps: str) -> None:
    """An option for each setting of a run, or for those of these names. helps: other words for some of them."""
    for field in dataclasses.fields(config.Config):
        if names and field.name not in names:
            continue
        made = field.default_factory
        default = field.default if made is dataclasses.MISSING else made()
        text = helps.get(field.name, field.metadata["help"])
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=argument(field.metadata["read"]),
            default=default,
            metavar=field.metadata["unit"],
            help=f"{text} (default: {field.metadata['shown'] or default})",
        )


def add_checkpoint_minutes(parser: argparse.ArgumentParser, which: str) -> None:
    """--checkpoint-minutes; which: the minutes between which checkpoints, for the help."""
    parser.add_argument(
        "--checkpoint-minutes",
        type=number(1e-9, 1e9, "a positive number of minutes"),
        default=10.0,
        metavar="N",
        help=f"minutes between checkpoints{which} (default: 10)",
    )


def add_recipe(parser: argparse.ArgumentParser, recipe: "type[BaseModel]", about: str) -> None:
    """An option for each field of a training's recipe, whose text the recipe reads and checks; about: above them."""
    group = parser.add_argument_group("recipe", about)
    for name, field in recipe.model_fields.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            metavar=METAVARS.get(type(field.default), "N"),
            help=f"{field.description} (default: {'auto' if field.default is None else field.default})",
        )


def changes(said: Mapping[str, Mapping[str, object]]) -> str:
    """What presets change, a line each: "The preset small changes: size small, ..."; said: who changes -> values."""
    texts = {who: ", ".join(map(_setting, values, values.values())) for who, values in said.items() if values}
    return "\n".join(textwrap.fill(f"{who}: {text}.", WIDTH) for who, text in texts.items())


def _setting(name: str, value: object) -> str:
    return f"{name.replace('_', '-')} {'auto' if value is None else str(value).lower() if value is True else value}"


def config_from(arguments: argparse.Namespace, **settings: Any) -> "config.Config":
    """The settings that a verb has options for, and `settings`; the others have their defaults."""
    given = {field.name: getattr(arguments, field.name, None) for field in dataclasses.fields(config.Config)}
    return config.config_of({name: value for name, value in given.items() if value is not None} | settings)


def argument(read: Callable[[str], Value]) -> Callable[[str], Value]:
    """`read` as a type of argparse, whose errors keep their words."""

    def parse_value(text: str) -> Value:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_value


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of a whole number from `least` on, to `most` where that is given."""
    return argument(config.whole(least, most))


def one_of(kind: str, *words: str) -> Callable[[str], str]:
    """The type of one of these words."""

    def parse_word(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(str(unknown(kind, text, words)))
        return text

    return parse_word


def names(text: str) -> tuple[str, ...]:
    """A type: names separated by commas."""
    found = tuple(split_calls(text))
    if not found:
        raise argparse.ArgumentTypeError("names nothing")
    return found


def day(text: str) -> datetime.date:
    """A type: a day."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a day such as 2026-11-22, not {text!r}") from error


def number(least: float, most: float, what: str) -> Callable[[str], float]:
    """The type of a number from `least` to `most`; what: its kind, for the error."""

    def parse_number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be {what}, not {text!r}")
        return value

    return parse_number
