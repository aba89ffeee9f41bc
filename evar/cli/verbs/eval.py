"""`evar eval`: score one encoder on each task by each probe, and append the rows."""

import argparse
import dataclasses
import json
from pathlib import Path

from evar import plots
from evar.base.errors import UsageError, few
from evar.base.progress import say
from evar.cli.choice import each, task_list, task_table
from evar.cli.options import config_from
from evar.data.task import Task, load_tasks, task_files
from evar.embeddings.device import choose_runtime
from evar.leaderboard import table as leaderboard
from evar.pipeline import Evaluation, evaluations, open_encoder
from evar.probes import open_probes
from evar.result import Result


def run(arguments: argparse.Namespace) -> int:
    """Score one encoder on each task by each probe, and append the rows."""
    if arguments.task == "list":
        listed = task_list(arguments.data)
        print("\n".join(map(json.dumps, listed)) if arguments.json else task_table(arguments.data))
        return 0
    if not arguments.task:
        raise UsageError(f"say what to score: --task NAME (one of {', '.join(task_files())}), or --task list")
    tasks, probes, config = load_tasks(arguments.task), open_probes(arguments.probe), config_from(arguments)
    choose_runtime(config.device, config.precision)
    leaderboard.check(arguments.results)
    encoder = open_encoder(arguments.encoder, arguments.weights, None, config)

    def score(task: Task) -> None:
        swept: list[Result] = []
        for evaluation in evaluations(task, encoder, probes, config, arguments.results):
            print(
                json.dumps(dataclasses.asdict(evaluation.result)) if arguments.json else result_line(evaluation),
                flush=True,
            )
            say(f"row added to {arguments.results / leaderboard.NAME}")
            swept.append(evaluation.result)
            if evaluation.result.chosen_output:
                say(f"score over depth drawn in {draw_sweep(arguments.results, swept)}")
                swept = []
            elif config.shots and evaluation.result.shots == config.shots[-1]:
                say(f"score over shots drawn in {draw_shots(arguments.results, swept)}")
                swept = []

    return each(tasks, score)


def draw_sweep(results: Path, swept: list[Result]) -> Path:
    """Draw a layer sweep, whose last row is the chosen layer's. Gives the picture's path."""
    *layers, chosen = [plots.CurvePoint(each.output, each.score, each.low, each.high) for each in swept]
    last = swept[-1]
    path = results / "plots" / f"{last.run}-layers.svg"
    plots.layer_curve(path, f"{last.encoder} on {last.task}, {last.probe}", last.metric, layers, chosen)
    return path


def draw_shots(results: Path, rows: list[Result]) -> Path:
    """Draw the score over the number of shots. Gives the picture's path."""
    last = rows[-1]
    output = "" if last.output == "last" else f" {last.output}"
    path = results / "plots" / f"{last.run}-shots.svg"
    points = [
        plots.CurvePoint(str(each.shots), each.score, each.low, each.high, tuple(each.draw_scores)) for each in rows
    ]
    plots.shots_curve(path, f"{last.encoder}{output} on {last.task}, {last.probe}", last.metric, points)
    return path


def result_line(evaluation: Evaluation) -> str:
    """The result for people: `us8k  m2d_vit_base-80x608p16x16  logistic  accuracy 87.6 % [86.9, 88.3]  n=8732`."""
    result = evaluation.result
    parts = [
        result.task,
        result.encoder,
        result.probe if result.output == "last" else f"{result.output} {result.probe}",
        f"{result.metric} {100 * result.score:.1f} % [{100 * result.low:.1f}, {100 * result.high:.1f}]",
        f"n={result.n}",
    ]
    remarks = {
        "random weights": result.random_weights and "random weights" not in result.encoder,
        f"coverage {100 * result.coverage:.1f} %": result.coverage < 1,
        f"limit {result.limit}": result.limit is not None,
        f"{len(result.seeds)} seeds, deviation {100 * result.deviation:.1f}": len(result.seeds) > 1,
        "one of a sweep": result.sweep,
        f"{result.shots}-shot, {result.draws} draw{'s' * (result.draws != 1)}": result.shots is not None,
        f"{result.short_classes} classes have fewer clips": result.short_classes > 0,
        f"layers {few(dict.fromkeys(result.chosen_output.values()))} by validation": bool(result.chosen_output),
        "not ranked": not result.ranked,
        "not converged": not result.converged,
        "setting at the grid's edge": result.at_edge,
        f"only {result.groups} groups": result.few_groups,
    }
    if said := [remark for remark, holds in remarks.items() if holds]:
        parts.append(f"({', '.join(said)})")
    return "  ".join(parts)
