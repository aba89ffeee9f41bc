"""`evar pretrain`: train an M2D encoder on a folder of audio or images, or on tasks' training clips, without labels."""

import argparse
from pathlib import Path

from evar.cli.options import add_checkpoint_minutes, add_recipe, add_results, add_settings, changes, config_from, whole


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to read, where to write, and one option for each field of the recipe, which reads and checks its text."""
    from evar.pretrain.recipe import PRESETS, Recipe

    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="folders of audio, or of images; folders in them are read too",
    )
    parser.add_argument(
        "--task",
        action="add-up",
        metavar="NAME[,..]",
        help="train on these tasks' training clips, without their labels",
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
        "--from",
        dest="start",
        metavar="FILE",
        help="checkpoint to start from: a file, a folder that holds one, or a name of `evar weights list`; the recipe "
        "takes the shape of its encoder (default: random weights)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint in the folder; with more --epochs "
        "than were planned, a new plan is made for the rest (default: begin a new run)",
    )
    add_checkpoint_minutes(parser, ": no more is lost when the run is killed")
    parser.add_argument(
        "--eval-task",
        action="add-up",
        metavar="NAME[,..]",
        help="score the encoder on these tasks while it trains, with the logistic probe (default: none)",
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
    add_recipe(parser, Recipe, f"Defaults are the paper's.\n{_changes()}")


def run(arguments: argparse.Namespace) -> int:
    """Prepare the audio, train, and say where the encoder lies."""
    from evar.pretrain.recipe import Recipe, make_recipe
    from evar.pretraining import Scoring, pretrain_encoder, starting_point

    fields = ((name, getattr(arguments, name)) for name in Recipe.model_fields)
    given, config = {name: text for name, text in fields if text is not None}, config_from(arguments)
    if arguments.start is not None:
        given = starting_point(arguments.start, config.cache).settings(given)
    scoring = Scoring(arguments.eval_task, arguments.eval_every, arguments.eval_limit, arguments.results)
    pretrain_encoder(
        arguments.folders,
        task=arguments.task,
        recipe=make_recipe(arguments.preset, given),
        out=arguments.out,
        start=arguments.start,
        resume=arguments.resume,
        checkpoint_minutes=arguments.checkpoint_minutes,
        save_as=arguments.save_as,
        scoring=scoring if arguments.eval_task else None,
        config=config,
    )
    return 0


def _changes() -> str:
    from evar.pretrain.recipe import OF_IMAGES, OF_OBJECTIVE, PRESETS

    said = {f"The preset {preset} changes": values for preset, values in PRESETS.items()}
    said["Images (--image-size) change, whatever the preset"] = OF_IMAGES
    return changes(said | {f"The objective {name} changes, whatever the preset": v for name, v in OF_OBJECTIVE.items()})
