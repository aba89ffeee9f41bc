"""Choosing among an encoder's outputs (layers) on validation rows: never by what the test rows say.

For each round the output whose chosen setting has the best mean validation score, the first of equals; the predictions
of the rounds' choices together are what the choice is scored by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evar.probes.contract import Chosen
from evar.probes.predictions import Predictions


def best_outputs(by_output: Mapping[str, Sequence[Chosen]]) -> list[str]:
    """The output chosen for each round, from each output's choices (one a round, with their validation scores)."""
    rounds = len(next(iter(by_output.values())))
    return [max(by_output, key=lambda output: _valid(by_output[output][number])) for number in range(rounds)]


def assemble(by_output: Mapping[str, Predictions], outputs: Mapping[str, str]) -> Predictions:
    """Each round's predictions by the output chosen for it.

    by_output: output -> predictions of the same rows; outputs: round -> output
    """
    first = next(iter(by_output.values()))
    logits = first.logits.copy()
    for name, output in outputs.items():
        clips = np.flatnonzero(first.folds == name)
        logits[:, clips] = by_output[output].logits[:, clips]
    return replace(first, logits=logits)


def _valid(chosen: Chosen) -> float:
    if chosen.valid is None:
        raise ValueError("an output can be chosen only where its validation score was asked for (`judge`)")
    return chosen.valid
