"""The M2D papers' linear evaluation: one linear layer trained by Adam with early stopping, three seeds.

Source: Niizumi et al., "Masked Modeling Duo", section on linear evaluation. Features standardised on the training rows;
Adam with learning rate 3e-5, betas (0.9, 0.999) and L2 penalty 1e-8; batches of 200; at most 200 epochs, ended 20
after the best one by validation score, whose weights are kept. Of equally good epochs the latest is the best, so that
an equal starts the 20 anew: ended 20 after the first of equals, a random ViT-Base loses 0.8 points on spoken digits and
1.4 on UrbanSound8K, and falls short of the scores that the authors' package gives it.

Loss of a batch of B clips and K classes, averaged over both: -(1 / BK) sum_bk y_bk log softmax(logits)_bk; for
multi-label tasks the mean binary cross-entropy.
"""

from collections.abc import Sequence

import torch

from evar.base.errors import UsageError
from evar.probes.contract import Examples, Probe, Problem, ScoreFunction
from evar.probes.linear import LinearFit
from evar.probes.training import Job, NetworkRecipe, train

LR = 3e-5
WEIGHT_DECAY = 1e-8  # added to the gradient: L2, not decoupled
EPOCHS = 200
PATIENCE = 20  # epochs
BATCH_SIZE = 200  # clips
SEEDS = 3
MOST_LR = 100.0
MOST = 1_000_000_000  # epochs, clips a batch


def open_probe(lr: float = LR, epochs: int = EPOCHS, patience: int = PATIENCE, batch_size: int = BATCH_SIZE) -> Probe:
    """The papers' linear evaluation. Raises UsageError where an option cannot be.

    lr:          Adam's learning rate
    epochs:      most epochs
    patience:    epochs after the best one at which training ends
    batch_size:  clips a step
    """
    return M2DPaper(lr, epochs, patience, batch_size)


class M2DPaper(Probe[None]):
    """See the module's docstring."""

    grid = (None,)
    seeds = SEEDS
    validation = "random"
    takes_unknown = True

    def __init__(self, lr: float, epochs: int, patience: int, batch_size: int) -> None:
        if not 0 < lr <= MOST_LR:
            raise UsageError(f"probe m2d_paper: lr must be above 0 and at most {MOST_LR:g}, not {lr!r}")
        for option, value in (("epochs", epochs), ("patience", patience), ("batch_size", batch_size)):
            if not 1 <= value <= MOST:
                raise UsageError(f"probe m2d_paper: {option} must be from 1 to {MOST:,}, not {value!r}")
        self.lr = float(lr)
        self.recipe = NetworkRecipe((), epochs, patience, batch_size, decoupled=False, rounds=False)

    def fit(self, examples: Examples, problems: Sequence[Problem[None]], score: ScoreFunction) -> list[LinearFit]:
        """Fit every problem, all together, each from its own generator."""
        jobs = [Job(problem, self.lr, WEIGHT_DECAY) for problem in problems]
        trained = train(examples, jobs, score, self.recipe, torch.device(self.device))
        return [
            LinearFit(each.standardise, weights.T, bias, converged=each.ended)
            for each in trained
            for weights, bias in each.layers
        ]
