"""`evar demo`: write the demo dataset, then do the main job on it, with a leaderboard and a cache of its own."""

import argparse
from pathlib import Path

from evar.cli.arguments import parse
from evar.cli.verbs import eval as eval_verb
from evar.data.demo import write_demo


def run(arguments: argparse.Namespace) -> int:
    """Write the demo dataset, then do the main job on it, with a leaderboard and a cache of its own."""
    folder: Path = arguments.folder
    write_demo(folder / "data" / "demo", seed=0)
    places = ["--data", str(folder / "data"), "--results", str(folder / "results"), "--cache", str(folder / "cache")]
    codes = []
    for encoder in ("logmel", "m2d"):
        chosen = parse(["eval", "--task", "demo", "--encoder", encoder, *places])
        assert chosen is not None
        codes.append(eval_verb.run(chosen))
    return max(codes)
