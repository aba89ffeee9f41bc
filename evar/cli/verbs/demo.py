"""`evar demo`: write the demo dataset, do the main job on it, and make the leaderboard's page, all in one folder."""

import argparse
from pathlib import Path

from evar.cli import main
from evar.cli.verbs.leaderboard import place
from evar.data.demo import write_demo

ENCODERS = ("m2d", "random(model='m2d_vit_tiny-80x208p16x16')", "logmel")  # the bundled one, its like untrained, none


def run(arguments: argparse.Namespace) -> int:
    """Write the demo dataset, do the main job on it, and make the leaderboard's page."""
    folder: Path = arguments.folder
    place(None, folder / "results", "html")  # a page of another making is found now, not after the evaluations
    write_demo(folder / "data" / "demo", seed=0)
    places = ["--data", str(folder / "data"), "--results", str(folder / "results"), "--cache", str(folder / "cache")]
    codes = [main(["eval", "--task", "demo", "--encoder", encoder, *places]) for encoder in ENCODERS]
    return max(*codes, main(["leaderboard", "--format", "html", "--results", str(folder / "results")]))
