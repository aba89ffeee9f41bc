"""`evar demo`: synthesise a small dataset, and score the bundled M2D, the same untrained, and log-mel on it."""

import argparse
from pathlib import Path

ENCODERS = ("m2d", "random(model='m2d_vit_tiny-80x208p16x16')", "logmel")  # the bundled one, its like untrained, none


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("demo"),
        metavar="FOLDER",
        help="folder for its data, cache and results (default: demo)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the demo dataset, do the main job on it, and make the leaderboard's page, all in one folder."""
    from evar.cli import main
    from evar.data.demo import write_demo
    from evar.leaderboard.outputs import destination

    folder: Path = arguments.folder
    destination("html", None, folder / "results")  # a page of another making is found now, not after the evaluations
    write_demo(folder / "data" / "demo", seed=0)
    places = ["--data", str(folder / "data"), "--results", str(folder / "results"), "--cache", str(folder / "cache")]
    codes = [main(["eval", "--task", "demo", "--encoder", encoder, *places]) for encoder in ENCODERS]
    return max(*codes, main(["leaderboard", "--format", "html", "--results", str(folder / "results")]))
