"""`evar finetune`: train an encoder and a new head on the labels of tasks, and add a row for each task."""

import argparse
import dataclasses
import json
from pathlib import Path

from evar.base.progress import say
from evar.cli.errors import for_each
from evar.cli.options import (
    add_checkpoint_minutes,
    add_json,
    add_recipe,
    add_results,
    add_settings,
    add_task,
    add_weights,
    changes,
    config_from,
    one_of,
)
from evar.cli.terminal import echo
from evar.data.named_tasks import load_tasks
from evar.data.task import Task

SETTINGS = ("data", "cache", "device", "precision", "workers", "limit", "min_coverage")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to train on what, where to write, and one option for each field of the recipe."""
    from evar.finetuning import PROTOCOLS
    from evar.tuning.recipe import FineTuningRecipe, table

    add_task(parser)
    parser.add_argument(
        "--encoder", default="m2d", metavar="NAME(..)", help="m2d, or random(..) for random weights (default: m2d)"
    )
    add_weights(parser, "the bundled `tiny`")
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help=f"values for the settings below: {', '.join(table().recipes)}, or a YAML file (default: the task's own "
        "recipe, else `default`)",
    )
    parser.add_argument(
        "--protocol",
        type=one_of("protocol", *PROTOCOLS),
        default="honest",
        metavar="NAME",
        help=f"{'; '.join(f'{name}: {what}' for name, what in PROTOCOLS.items())} (default: honest)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="folder of the runs' files (default: runs/finetune- and the names of task and encoder)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoints in the folder (default: begin new runs)"
    )
    add_checkpoint_minutes(parser, " within an epoch")
    add_results(parser)
    add_settings(parser, *SETTINGS, precision="auto, float32 or bfloat16")
    add_json(parser, "results")
    said = {f"The recipe {name} changes": values for name, values in table().recipes.items()}
    add_recipe(parser, FineTuningRecipe, f"Defaults are what M2D's recipes have in common.\n{changes(said)}")


def run(arguments: argparse.Namespace) -> int:
    """Fine-tune the encoder on each task, and print and keep a row for each."""
    from evar.finetuning import finetune
    from evar.leaderboard import leaderboard_csv
    from evar.training.team import is_first
    from evar.tuning.recipe import FineTuningRecipe

    given = {name: getattr(arguments, name) for name in FineTuningRecipe.model_fields}
    options = {name: text for name, text in given.items() if text is not None}
    config = config_from(argparse.Namespace(**{name: getattr(arguments, name) for name in SETTINGS}))

    def tune(task: Task) -> None:
        (result,) = finetune(
            task,
            arguments.encoder,
            weights=arguments.weights,
            recipe=arguments.recipe,
            options=options,
            protocol=arguments.protocol,
            out=arguments.out,
            resume=arguments.resume,
            checkpoint_minutes=arguments.checkpoint_minutes,
            results=arguments.results,
            config=config,
        )
        if is_first():
            echo(json.dumps(dataclasses.asdict(result)) if arguments.json else result.line)
            say(f"row added to {arguments.results / leaderboard_csv.NAME}")

    return for_each(load_tasks(arguments.task, config.data), tune)
