"""`evar check-encoder`: check whether an encoder, your own too, keeps the contract that all encoders keep."""

import argparse
import traceback
from typing import TYPE_CHECKING

from evar.base.errors import EvarError, printable
from evar.base.progress import Stderr, say
from evar.cli import errors
from evar.cli.options import add_settings, add_weights

if TYPE_CHECKING:
    from evar.encoders.checks import Check
    from evar.encoders.contract import Encoder

KEPT, BROKEN = 0, 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which encoder."""
    parser.add_argument(
        "encoder", metavar="NAME(..)", help="encoder, with options as literals: m2d, \"hear(module='my.py')\""
    )
    add_weights(parser)
    add_settings(parser, "cache", "device")


def run(arguments: argparse.Namespace) -> int:
    """Run every check of the contract on an encoder. 0 where it keeps all of them, else 2."""
    from evar import encoders
    from evar.embeddings.device import choose_device
    from evar.encoders.checks import CHECKS
    from evar.nn.memory import enough_memory
    from evar.nn.releases import named_or_file

    device = choose_device(arguments.device)
    weights = named_or_file(arguments.weights, arguments.cache)
    encoders.opener_of(arguments.encoder)  # a typo is no check that fails
    try:
        with enough_memory(arguments.encoder, f"the memory of {device}"):
            encoder = encoders.open_encoder(arguments.encoder, weights).to(device)
    except Exception as error:  # whatever someone's own encoder raises is what they want to know
        print(f"fails opens\n      {_said(error)}")
        say(f"it does not open; the {len(CHECKS)} checks were not run")
        return BROKEN
    outputs, identity = ", ".join(encoder.outputs), encoder.identity
    named = f"{printable(identity.name)}  {printable(identity.weights)}"
    print(f"{named}  {encoder.sample_rate} Hz  outputs: {printable(outputs)}")
    checks, failed = (*CHECKS, *encoder.own_checks), 0
    for check in checks:
        problem = problem_with(encoder, check)
        failed += bool(problem)
        print(f"{'fails' if problem else 'ok   '} {check.__name__.replace('_', ' ')}", flush=True)
        if problem:
            print(f"      {problem}", flush=True)
    say(f"{len(checks) - failed} of {len(checks)} checks passed")
    return BROKEN if failed else KEPT


def problem_with(encoder: "Encoder", check: "Check") -> str:
    """What an encoder does wrong, in one line; "" where it does nothing wrong."""
    try:
        check(encoder)
    except Exception as error:  # whatever someone's own encoder raises is what they want to know
        return _said(error)
    return ""


def _said(error: Exception) -> str:
    from evar.encoders.checks import ContractBroken
    from evar.encoders.outside import told

    if errors.with_traceback:
        traceback.print_exception(error, file=Stderr())
    known = isinstance(error, EvarError | ContractBroken)
    return printable(str(error)) if known else f"raises {told(error)}"
