"""`evar check-encoder`: check whether an encoder, such as your own, keeps the rules that all encoders keep."""

import argparse
import traceback
from typing import TYPE_CHECKING

from evar.base.progress import Stderr, say
from evar.cli import errors
from evar.cli.errors import DONE, USERS_MISTAKE
from evar.cli.options import add_settings, add_weights, config_from
from evar.cli.terminal import echo

if TYPE_CHECKING:
    from evar.encoder_checks import CheckedEncoder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which encoder."""
    parser.add_argument("encoder", metavar="NAME(..)", help="encoder, with its options: m2d, \"hear(module='my.py')\"")
    add_weights(parser)
    add_settings(parser, "cache", "device")


def run(arguments: argparse.Namespace) -> int:
    """Run every check of the contract on an encoder. 0 where it keeps all of them, else 2."""
    from evar.encoder_checks import run_checks
    from evar.preparation import SPANS

    checks = run_checks(arguments.encoder, arguments.weights, config_from(arguments))
    opening = next(checks)
    if opening.encoder is None:
        show(opening)
        say("it does not open; the other checks were not run")
        return USERS_MISTAKE
    unit = SPANS[opening.encoder.modality][2]
    identity, outputs = opening.encoder.identity, ", ".join(opening.encoder.outputs)
    echo(f"{identity.name}  {identity.weights}  {opening.encoder.rate} {unit}  outputs: {outputs}")
    kept = list(map(show, checks))
    say(f"{sum(kept)} of {len(kept)} checks passed")
    return DONE if all(kept) else USERS_MISTAKE


def show(check: "CheckedEncoder") -> bool:
    """Print a check's line, and what fails. Returns whether it is kept."""
    echo(f"{'fails' if check.error else 'ok   '} {check.name}")
    if check.error is not None:
        if errors.with_traceback:
            traceback.print_exception(check.error, file=Stderr())
        echo(f"      {check.problem}")
    return check.error is None
