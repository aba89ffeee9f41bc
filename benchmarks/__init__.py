"""Benchmarks: what a stage takes, beside the limit or the baseline measured in the same run. Never a test."""

import argparse
from typing import Any


def one_option(module: str, doc: str | None, name: str = "", **how: Any) -> Any:
    """Read the command line of a benchmark with at most one argument, of which it gives the value."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if name:
        parser.add_argument(name, nargs="?", **how)
    return getattr(parser.parse_args(), name, None)
