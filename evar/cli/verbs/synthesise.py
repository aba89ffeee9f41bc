"""`evar synthesise`: make sounds by chance, for pre-training beside real ones."""

import argparse

from evar.cli.terminal import bar
from evar.pretrain import synthesis


def run(arguments: argparse.Namespace) -> int:
    """Write the clips, and say where."""
    synthesis.write(arguments.folder, arguments.clips, arguments.seed, arguments.workers, bar)
    print(f"wrote {arguments.clips:,} clips to {arguments.folder}")
    return 0
