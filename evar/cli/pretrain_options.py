"""The options of `evar pretrain`: what to read, where to write, and one option for each field of the recipe."""

import argparse
import textwrap
from pathlib import Path

from evar.cli.options import add_results, add_settings, whole
from evar.pretrain.recipe import OF_OBJECTIVE, PRESETS, Recipe

WIDTH = 100  # characters of a line of the help's texts


def add_pretrain_options(parser: argparse.ArgumentParser) -> None:
    """All of them. Values of the recipe stay text, which the recipe itself reads and checks."""
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folders of audio, at any depth")
    parser.add_argument(
        "--task", metavar="NAME[,..]", help="train on these tasks' training clips, without their labels"
    )
    parser.add_argument(
        "--preset",
        default="base",
        metavar="NAME",
        help=f"the recipe to begin with: {', '.join(PRESETS)} (default: base, the paper's)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder of the run's files (default: runs/ and the model's name)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the folder's checkpoint (default: begin a new run)"
    )
    parser.add_argument(
        "--checkpoint-minutes",
        type=minutes,
        default=10.0,
        metavar="N",
        help="minutes between checkpoints, the most that a kill can lose (default: 10)",
    )
    parser.add_argument(
        "--eval-task",
        metavar="NAME[,..]",
        help="tasks that the encoder is scored on while it trains, by the logistic probe (default: none)",
    )
    parser.add_argument(
        "--eval-every", type=whole(1), default=10, metavar="N", help="epochs between these scores (default: 10)"
    )
    parser.add_argument(
        "--eval-limit", type=whole(1), metavar="CLIPS", help="clips per split for these scores (default: all clips)"
    )
    parser.add_argument(
        "--save-as",
        default="float32",
        choices=("float32", "float16"),
        metavar="NAME",
        help="precision of the weights in the encoder's own file: float32 or float16 (default: float32)",
    )
    add_results(parser, "folder of leaderboard.csv, for --eval-task")
    add_settings(
        parser,
        *("min_coverage", "data", "cache", "device", "precision", "workers"),
        precision="auto, float32 or bfloat16",
    )
    _add_recipe(parser)


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recipe", f"Defaults are the paper's.\n{_changes()}")
    for name, field in Recipe.model_fields.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="NAME" if isinstance(field.default, str) else "N",
            help=f"{field.description} (default: {field.default})",
        )


def _changes() -> str:
    said = {f"The preset {preset} changes": values for preset, values in PRESETS.items()}
    said |= {f"The objective {name} changes, whatever the preset": values for name, values in OF_OBJECTIVE.items()}
    lines = (f"{who}: {', '.join(map(_setting, values, values.values()))}." for who, values in said.items() if values)
    return "\n".join(textwrap.fill(line, WIDTH) for line in lines)


def _setting(name: str, value: object) -> str:
    return f"{name.replace('_', '-')} {'auto' if value is None else value}"


def minutes(text: str) -> float:
    """A type: positive numbers of minutes."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number of minutes, not {text!r}")
    return value
