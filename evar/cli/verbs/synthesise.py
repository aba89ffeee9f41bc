"""`evar synthesise`: synthesise random sounds, for pre-training beside real ones."""

import argparse

from evar.pretrain import synthesis


def run(arguments: argparse.Namespace) -> int:
    """Write the clips, and say where."""
    made = synthesis.write(arguments.folder, arguments.clips, arguments.seed, arguments.workers)
    print(f"{arguments.clips:,} clips of seed {arguments.seed} in {arguments.folder}, {made:,} of them new")
    return 0
