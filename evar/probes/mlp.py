"""A small multi-layer perceptron: what is in the embeddings though no linear probe reads it.

Layers of ReLU units on standardised features; AdamW, betas (0.9, 0.999), batches of 128 clips, at most 200 epochs,
ended 20 after the best one by validation score, the latest of equals, whose weights are kept. Learning rate and weight
decay are chosen on validation rows from a grid of pairs. Loss as for `m2d_paper`: cross-entropy, multi-label binary
cross-entropy, averaged over batch and classes.

On a CPU with matrix instructions for bfloat16 the products of training, and of its judging for early stopping, round
what they multiply to it; sums, weights, gradients and the steps of AdamW are float32, and a fitted network answers in
float32. For 512 units on 3,840 dimensions the products take a third of the time so.

Without a valid split a tenth of the training clips, in whole groups, is held out anew for each seed: it stops the
training and judges the settings, and takes no part in the final fit. A fit on all training clips would have to be given
when to stop by fits on others.
"""

from collections.abc import Sequence

import torch

from evar.base.errors import UsageError
from evar.probes.contract import Examples, Fitted, Probe, Problem, ScoreFunction, rises
from evar.probes.layer_sum import LayerChoice, LayerSumFit
from evar.probes.linear import Standardiser
from evar.probes.networks import NetworkFit
from evar.probes.training import Job, NetworkRecipe, train

HIDDEN = (512,)  # units
LR = (3e-4, 1e-3, 3e-3, 1e-2)
WEIGHT_DECAY = (0.0, 1.0)
EPOCHS = 200
PATIENCE = 20  # epochs
BATCH_SIZE = 128  # clips
SEEDS = 5
MOST_LR = 1.0
MOST_WEIGHT_DECAY = 100.0
MOST_UNITS = 65_536
MOST = 1_000_000_000  # epochs, clips a batch


def open_probe(
    hidden: Sequence[int] = HIDDEN,
    lr: Sequence[float] = LR,
    weight_decay: Sequence[float] = WEIGHT_DECAY,
    epochs: int = EPOCHS,
    patience: int = PATIENCE,
    batch_size: int = BATCH_SIZE,
    layers: LayerChoice = None,
) -> Probe:
    """A multi-layer perceptron. Raises UsageError where an option cannot be.

    hidden:        units of each hidden layer
    lr:            learning rates to choose from, rising
    weight_decay:  decoupled weight decays to choose from, rising
    epochs:        most epochs
    patience:      epochs after the best one at which training ends
    batch_size:    clips a step
    layers:        "weighted": on a weighted sum over the encoder's layers, its weights trained with the network
    """
    for option, value in (("epochs", epochs), ("patience", patience), ("batch_size", batch_size)):
        if not 1 <= value <= MOST:
            raise UsageError(f"probe mlp: {option} must be from 1 to {MOST:,}, not {value!r}")
    if not hidden or not all(1 <= units <= MOST_UNITS for units in hidden):
        raise UsageError(f"probe mlp: hidden must be a list of whole numbers from 1 to {MOST_UNITS:,}, not {hidden!r}")
    if not rises(lr) or not 0 < lr[0] <= lr[-1] <= MOST_LR:
        raise UsageError(f"probe mlp: lr must be a rising list of numbers above 0, at most {MOST_LR:g}, not {lr!r}")
    if not rises(weight_decay) or not 0 <= weight_decay[0] <= weight_decay[-1] <= MOST_WEIGHT_DECAY:
        raise UsageError(
            f"probe mlp: weight_decay must be a rising list of numbers from 0 to {MOST_WEIGHT_DECAY:g}, "
            f"not {weight_decay!r}"
        )
    recipe = NetworkRecipe(tuple(hidden), epochs, patience, batch_size, decoupled=True, rounds=True)
    probe = MLP(lr, weight_decay, recipe)
    probe.weighs_layers = layers == "weighted"
    return probe


class MLP(Probe[str]):
    """See the module's docstring. Its grid starts with the strongest decay and, for each decay, the lowest rate."""

    seeds = SEEDS
    validation = "grouped"
    takes_unknown = True

    def __init__(self, lr: Sequence[float], weight_decay: Sequence[float], recipe: NetworkRecipe) -> None:
        self.lr, self.weight_decay, self.recipe = tuple(lr), tuple(weight_decay), recipe
        self.pairs = {f"lr={rate:g} wd={decay:g}": (rate, decay) for decay in reversed(weight_decay) for rate in lr}
        self.grid = tuple(self.pairs)

    def at_edge(self, setting: str) -> bool:
        """Whether the pair's rate or decay is the first or last of several; below no decay at all lies nothing."""
        rate, decay = self.pairs[setting]
        ends = {decays for decays in (self.weight_decay[0], self.weight_decay[-1]) if decays > 0}
        return (len(self.lr) > 1 and rate in (self.lr[0], self.lr[-1])) or (
            len(self.weight_decay) > 1 and decay in ends
        )

    def fit(self, examples: Examples, problems: Sequence[Problem[str]], score: ScoreFunction) -> Sequence[Fitted]:
        """Fit every problem, all together, each from its own generator."""
        jobs = [Job(problem, *self.pairs[problem.setting]) for problem in problems]
        trained = train(examples, jobs, score, self.recipe, torch.device(self.device))
        if self.weighs_layers:
            same = Standardiser.identity(examples.x.shape[1] // examples.layers)  # the sum's layers are standardised
            return [LayerSumFit(each.layer_sum, NetworkFit(same, each.layers, each.ended)) for each in trained]
        return [NetworkFit(each.standardise, each.layers, each.ended) for each in trained]
