"""`evar synthesise`: synthesise random sounds, to pre-train on beside real ones; files that are there are kept."""

import argparse
from pathlib import Path

from evar.cli.options import add_settings, whole
from evar.cli.terminal import echo


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where to, and how many."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder for the WAV files")
    parser.add_argument("--clips", type=whole(1), default=6000, metavar="N", help="number of clips (default: 6000)")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="seed of everything random (default: 0)")
    add_settings(parser, "workers", workers="processes that make clips")


def run(arguments: argparse.Namespace) -> int:
    """Write the clips, and say where."""
    from evar.pretrain import synthesis

    made = synthesis.write(arguments.folder, arguments.clips, arguments.seed, arguments.workers)
    echo(f"{arguments.clips:,} clips of seed {arguments.seed} in {arguments.folder}, {made:,} of them new")
    return 0
