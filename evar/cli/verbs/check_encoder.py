"""`evar check-encoder`: does an encoder keep the contract? One line a check; what fails, and why."""

import argparse

from evar import encoders
from evar.cli.terminal import say
from evar.embeddings.device import choose_device
from evar.encoders.checks import CHECKS, Check, ContractBroken
from evar.encoders.contract import Encoder

KEPT, BROKEN = 0, 2


def run(arguments: argparse.Namespace) -> int:
    """Run every check of the contract on an encoder. 0 where it keeps all of them, else 2."""
    encoder = encoders.open_encoder(arguments.encoder, arguments.weights).to(choose_device(arguments.device))
    outputs = ", ".join(encoder.outputs)
    print(f"{encoder.identity.name}  {encoder.identity.weights}  {encoder.sample_rate} Hz  outputs: {outputs}")
    failed = 0
    for check in CHECKS:
        problem = problem_with(encoder, check)
        failed += bool(problem)
        print(f"{'fails' if problem else 'ok   '} {check.__name__.replace('_', ' ')}", flush=True)
        if problem:
            print(f"      {problem}", flush=True)
    say(f"{len(CHECKS) - failed} of {len(CHECKS)} checks passed")
    return BROKEN if failed else KEPT


def problem_with(encoder: Encoder, check: Check) -> str:
    """What an encoder does wrong, in one line; "" where it does nothing wrong."""
    try:
        check(encoder)
    except ContractBroken as broken:
        return " ".join(str(broken).split())
    except Exception as error:  # whatever someone's own encoder raises is what they want to know
        return f"raises {type(error).__name__}: {' '.join(str(error).split())}"
    return ""
