"""`evar check-encoder`: check whether an encoder, your own too, keeps the contract that all encoders keep."""

import argparse
from typing import TYPE_CHECKING

from evar.base import plugins
from evar.base.errors import EvarError
from evar.base.progress import say
from evar.base.spec import parse_call
from evar.cli.options import add_settings, add_weights
from evar.cli.terminal import echo

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
    plugins.load(encoders.PACKAGE, encoders.OPENER, parse_call(arguments.encoder, "encoder")[0], "encoder")
    try:
        with enough_memory(arguments.encoder, f"the memory of {device}"):
            encoder = encoders.open_encoder(arguments.encoder, weights).to(device)
    except Exception as error:  # whatever someone's own encoder raises is what they want to know
        said = error if isinstance(error, EvarError) else f"raises {type(error).__name__}: {error}"
        echo(f"fails opens\n      {' '.join(str(said).split())}")
        say(f"it does not open; the {len(CHECKS)} checks were not run")
        return BROKEN
    outputs = ", ".join(encoder.outputs)
    echo(f"{encoder.identity.name}  {encoder.identity.weights}  {encoder.sample_rate} Hz  outputs: {outputs}")
    failed = 0
    for check in CHECKS:
        problem = problem_with(encoder, check)
        failed += bool(problem)
        echo(f"{'fails' if problem else 'ok   '} {check.__name__.replace('_', ' ')}")
        if problem:
            echo(f"      {problem}")
    say(f"{len(CHECKS) - failed} of {len(CHECKS)} checks passed")
    return BROKEN if failed else KEPT


def problem_with(encoder: "Encoder", check: "Check") -> str:
    """What an encoder does wrong, in one line; "" where it does nothing wrong."""
    from evar.encoders.checks import ContractBroken

    try:
        check(encoder)
    except ContractBroken as broken:
        return " ".join(str(broken).split())
    except Exception as error:  # whatever someone's own encoder raises is what they want to know
        return f"raises {type(error).__name__}: {' '.join(str(error).split())}"
    return ""
