"""`evar runs`: list, show, tag, annotate or remove the runs of a results folder."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evar.base.errors import UsageError
from evar.base.progress import say
from evar.cli.options import add_json, add_results, one_of
from evar.cli.terminal import echo
from evar.cli.terminal import table as in_columns

if TYPE_CHECKING:
    from evar.result import Result

HEADER = ("run", "task", "encoder", "output", "probe", "metric", "score", "tags", "note")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to do with which run."""
    parser.add_argument(
        "action",
        type=one_of("action", "list", "show", "tag", "note", "remove"),
        metavar="list|show|tag|note|remove",
        help="list all runs, show the record of one, replace its tags or its note, or remove it with its predictions",
    )
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="a run's id, or the beginning of an id where no other begins so; not for list",
    )
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="for tag the tags (none: remove them), for note the text"
    )
    add_results(parser, "folder of runs")
    add_json(parser, "the output of list and show")


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked with the named run, or list all."""
    action, results = arguments.action, arguments.results
    if action == "list" and arguments.run is not None:
        raise UsageError(f"evar runs list takes no run: evar runs show {arguments.run}")
    if action != "list" and arguments.run is None:
        raise UsageError(f"evar runs {action} RUN: say which (evar runs list shows them)")
    if arguments.words and action not in ("tag", "note"):
        raise UsageError(f"evar runs {action} takes one run, not {' '.join([arguments.run, *arguments.words])}")
    from evar.leaderboard import leaderboard_csv, runs

    leaderboard_csv.require_there(results)
    if action == "list":
        if not (rows := runs.read_rows(results)):
            say(f"no runs in {results} yet: an evaluation adds the first one")
        elif arguments.json:
            echo("\n".join(json.dumps(dataclasses.asdict(row)) for row in rows))
        else:
            echo(listed(rows))
        return 0
    name = runs.find_run(results, arguments.run)
    if action == "show":
        record = runs.read_record(runs.record_path(results, name))
        echo(json.dumps(record.sections()) if arguments.json else record.to_json().rstrip("\n"))
        return 0
    if action == "remove":
        say(f"removed: {', '.join(map(str, runs.remove(results, name)))}")
    elif action == "tag":
        say(f"{name}: tags {', '.join(runs.remark(results, name, tags=arguments.words).result.tags) or 'none'}")
    else:
        say(f"{name}: note {runs.remark(results, name, note=' '.join(arguments.words)).result.note or 'none'}")
    leaderboard_csv.update(results)
    return 0


def listed(rows: Sequence["Result"]) -> str:
    """A line each, for people."""
    from evar.leaderboard.text_tables import per_cent

    cells = [
        (row.run, row.task, row.encoder, row.output, row.probe, row.metric, per_cent(row.score, row.low, row.high),
         ", ".join(row.tags), row.note)
        for row in rows
    ]  # fmt: skip
    return in_columns(HEADER, cells)
