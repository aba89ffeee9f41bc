"""`evar demo`: write the demo dataset, do the main job on it, and make the leaderboard's page, all in one folder."""

import argparse
from pathlib import Path

from evar.cli import main
from evar.data.demo import write_demo


def run(arguments: argparse.Namespace) -> int:
    """Write the demo dataset, do the main job on it, and make the leaderboard's page."""
    folder: Path = arguments.folder
    write_demo(folder / "data" / "demo", seed=0)
    places = ["--data", str(folder / "data"), "--results", str(folder / "results"), "--cache", str(folder / "cache")]
    codes = [main(["eval", "--task", "demo", "--encoder", encoder, *places]) for encoder in ("logmel", "m2d")]
    return max(*codes, main(["leaderboard", "--format", "html", "--results", str(folder / "results")]))
