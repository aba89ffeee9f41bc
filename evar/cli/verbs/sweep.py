"""`evar sweep`: score many encoders on many tasks with many probes, here or on a Ray cluster."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from evar.base.errors import EvarError, UsageError
from evar.base.progress import say
from evar.cli import errors
from evar.cli.options import TASK_NAMES, add_json, add_results, add_settings, config_from
from evar.cli.terminal import echo, table

if TYPE_CHECKING:
    from evar.cluster.cells import EncoderCall, SweepCell
    from evar.cluster.sweep import Sweep


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to score on what and where, and every setting of a run."""
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="YAML file with lists of encoders, tasks and probes (docs/clusters.md); options give what it lacks",
    )
    parser.add_argument(
        "--task", action="add-up", metavar="NAME[,..]", help=f"{TASK_NAMES}, or a path to a task's YAML file"
    )
    parser.add_argument(
        "--encoder",
        action="add-up",
        metavar="NAME[,..]",
        help="encoders separated by commas, with options as in random(seed=3) (default: m2d)",
    )
    parser.add_argument(
        "--weights",
        action="extend",
        nargs="+",
        metavar="FILE",
        help="checkpoints: files, folders or names; each encoder is scored with each (default: the encoder's own)",
    )
    parser.add_argument(
        "--probe",
        action="add-up",
        metavar="NAME[,..]",
        help="probes separated by commas, with options as in knn(k=[5]) (default: logistic)",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run on Ray: the address of a cluster, or `auto` for the cluster of this machine, or where there is none "
        "for all devices of this machine (default: one device, without Ray)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be scored and what it will cost; score nothing"
    )
    add_results(parser)
    parser.add_argument(
        "--again", action="store_true", help="score again what already has a row (default: show that row)"
    )
    add_settings(parser)
    add_json(parser, "cells")


def run(arguments: argparse.Namespace) -> int:
    """Run the cells; the rows are shown as they come, the table of all cells at the end."""
    swept = _sweep(arguments)
    if arguments.dry_run:
        from evar.cluster.estimate import Estimate, estimates

        rows = [dataclasses.asdict(each) for each in estimates(swept)]
        lines = [list(map(_shown, row.values())) for row in rows]
        titles = [field.name.replace("_", " ") for field in dataclasses.fields(Estimate)]
        echo("\n".join(map(json.dumps, rows)) if arguments.json else table(titles, lines))
        return errors.DONE
    said, code = set[str](), errors.DONE
    try:
        for cell in swept.run(arguments.cluster):
            if arguments.json:
                echo(json.dumps(_record(cell)))
            for result in () if arguments.json else cell.results:
                echo(result.line)
            if cell.error is not None:
                code = max(code, errors.USERS_MISTAKE)
                if cell.why not in said:  # an encoder that cannot be opened fails all its cells
                    said.add(cell.why)
                    errors.show(EvarError(f"{cell.encoder}: {cell.why}"))
    finally:
        if not arguments.json and any(cell.state != "waits" for cell in swept.cells):
            say("what ran, and what did not:")
            echo(table(["encoder", "task", "probe", "state", "score", "seconds", "why"], list(map(_line, swept.cells))))
    return code


def _sweep(arguments: argparse.Namespace) -> "Sweep":
    from evar.cluster.cells import SweepFile, encoder_calls, read_sweep
    from evar.cluster.sweep import Sweep

    listed = read_sweep(arguments.file) if arguments.file else SweepFile()
    for name, option in (("encoders", "encoder"), ("encoders", "weights"), ("tasks", "task"), ("probes", "probe")):
        if getattr(listed, name) and getattr(arguments, option):
            raise UsageError(f"{arguments.file} lists {name}: leave --{option} out, or take them out of the file")
    encoders: list[str | EncoderCall] = [*listed.encoders] or [arguments.encoder or "m2d"]
    tasks = ",".join(listed.tasks) or arguments.task
    if not tasks:
        raise UsageError("say what to score: --task NAME, or a --file with tasks")
    probes = ", ".join(listed.probes) or arguments.probe or "logistic"
    calls = encoder_calls(encoders, arguments.weights or ())
    return Sweep.of(calls, tasks, probes, config_from(arguments), arguments.results, again=arguments.again)


def _line(cell: "SweepCell") -> list[str]:
    state = "had its row" if cell.state == "there" else cell.state
    score = f"{100 * cell.results[-1].score:.1f} %" if cell.results else ""
    seconds = f"{cell.seconds:.1f}" if cell.state == "done" else ""
    return [str(cell.encoder), cell.task.name, cell.probe, state, score, seconds, cell.why]


def _record(cell: "SweepCell") -> dict[str, object]:
    """A cell for programs."""
    return {
        **dataclasses.asdict(cell.encoder),
        "task": cell.task.name,
        "probe": cell.probe,
        "state": cell.state,
        "seconds": cell.seconds,
        "why": cell.why,
        "results": [dataclasses.asdict(result) for result in cell.results],
    }


def _shown(fact: object) -> str:
    if isinstance(fact, float):
        return f"{fact:,.1f}"
    return f"{fact:,}" if isinstance(fact, int) else str(fact or "?")
