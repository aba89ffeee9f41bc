"""`evar eval`: score a frozen encoder on tasks and add rows to the leaderboard (used where no verb is given)."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evar.base import plugins
from evar.base.errors import UsageError
from evar.base.progress import say
from evar.cli.errors import for_each
from evar.cli.options import TASK_NAMES, add_json, add_results, add_settings, add_weights, config_from
from evar.cli.terminal import echo, plugin_list, table
from evar.data.groups import group_names
from evar.data.named_tasks import load_tasks
from evar.data.task import Task, task_files

if TYPE_CHECKING:
    from evar.result import Result


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to score on what, and every setting of a run."""
    from evar import __version__

    parser.add_argument("--version", action="version", version=f"evar {__version__}")
    parser.add_argument(
        "--task",
        action="add-up",
        metavar="NAME[,..]",
        help=f"{TASK_NAMES}, a path to a task's YAML file, or `list`",
    )
    parser.add_argument(
        "--encoder",
        default="m2d",
        metavar="NAME(..)",
        help="encoder, with options as in random(seed=3): "
        f"{', '.join(plugins.names('encoder'))}; or `list` (default: m2d)",
    )
    add_weights(parser, "the encoder's own, for m2d the bundled `tiny`")
    parser.add_argument(
        "--probe",
        action="add-up",
        default="logistic",
        metavar="NAME[,..]",
        help="probes separated by commas, with options as in knn(k=[5]): "
        f"{', '.join(plugins.names('probe'))}; or `list` (default: logistic)",
    )
    add_results(parser)
    parser.add_argument(
        "--again",
        action="store_true",
        help="score again what already has a row of the same weights, code, probe, settings, clips and kind of device "
        "(default: show that row)",
    )
    parser.add_argument(
        "--save-probe",
        action="store_true",
        help="keep the fitted probe beside each row, for evar.load_probe; score again what has its row but no probe "
        "(default: do not)",
    )
    add_settings(parser)
    add_json(parser, "results")


def require_encoder(spec: str) -> None:
    """Raise UsageError where a call names no encoder: near names, or what was meant."""
    try:
        plugins.require_calls("encoder", spec)
    except UsageError:
        from evar import encoders

        encoders.opener_of(spec)
        raise


def run(arguments: argparse.Namespace) -> int:
    """Score one encoder on each task by each probe, and append the rows."""
    config = config_from(arguments)
    for kind in ("encoder", "probe"):
        if getattr(arguments, kind) == "list":
            echo(plugin_list(kind, as_json=arguments.json))
            return 0
    if arguments.task == "list":
        echo(task_list(config.data, as_json=arguments.json))
        return 0
    if not arguments.task:
        raise UsageError(
            f"say what to score: --task NAME (one of {', '.join([*group_names(), *task_files()])}), or --task list"
        )
    tasks = load_tasks(arguments.task, config.data)
    require_encoder(arguments.encoder)
    plugins.require_calls("probe", arguments.probe)
    from evar.leaderboard import leaderboard_csv
    from evar.pipeline import Evaluator, of_modality

    results = arguments.results
    evaluator = Evaluator.open(
        arguments.encoder,
        arguments.probe,
        config,
        results,
        weights=arguments.weights,
        again=arguments.again,
        save_probe=arguments.save_probe,
    )

    def score(task: Task) -> None:
        swept: list[Result] = []
        for evaluation in evaluator.evaluations(task):
            result = evaluation.result
            echo(json.dumps(dataclasses.asdict(result)) if arguments.json else result.line)
            if evaluation.kept is not None:
                say(f"row added to {results / leaderboard_csv.NAME}")
            if result.layer_weights and not config.shots:
                continue  # no layer of a sweep
            swept.append(result)
            if result.chosen_output:
                say(f"score over depth drawn in {draw_sweep(results, swept)}")
                swept = []
            elif config.shots and result.shots == config.shots[-1]:
                say(f"score over shots drawn in {draw_shots(results, swept)}")
                swept = []

    return for_each(of_modality(tasks, evaluator.encoder, arguments.task), score)


def task_list(data: Path, *, as_json: bool) -> str:
    """Every task, for people or as a JSON object a line."""
    from evar.preparation import list_tasks

    rows = [dataclasses.asdict(task) for task in list_tasks(data=data)]
    if as_json:
        return "\n".join(map(json.dumps, rows))
    if all(row["package"] == plugins.BUNDLED for row in rows):
        rows = [{name: fact for name, fact in row.items() if name != "package"} for row in rows]
    return table(list(rows[0]), [list(map(_shown, row.values())) for row in rows])


def _shown(fact: Any) -> str:
    """A fact of a task on the screen."""
    if isinstance(fact, tuple):
        return ", ".join(fact)
    return f"{fact:,}" if isinstance(fact, int) else fact or "?"


def draw_sweep(results: Path, swept: "list[Result]") -> Path:
    """Draw a layer sweep, whose last row is the chosen layer's. Gives the picture's path."""
    from evar import plots

    *layers, chosen = [plots.CurvePoint(each.output, each.score, each.low, each.high) for each in swept]
    last = swept[-1]
    path = results / "plots" / f"{last.run}-layers.svg"
    plots.layer_curve(path, f"{last.encoder} on {last.task}, {last.probe}", last.metric, layers, chosen)
    return path


def draw_shots(results: Path, rows: "list[Result]") -> Path:
    """Draw the score over the number of shots. Gives the picture's path."""
    from evar import plots

    last = rows[-1]
    output = "" if last.output == "last" else f" {last.output}"
    path = results / "plots" / f"{last.run}-shots.svg"
    points = [
        plots.CurvePoint(str(each.shots), each.score, each.low, each.high, tuple(each.draw_scores)) for each in rows
    ]
    plots.shots_curve(path, f"{last.encoder}{output} on {last.task}, {last.probe}", last.metric, points)
    return path
