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
from torch import Tensor

from evar.errors import UsageError
from evar.probes.contract import Fitted, Floats, Probe, Problem, ScoreFunction, Targets
from evar.probes.linear import LinearFit, Standardiser
from evar.probes.threads import fit_each
from evar.progress import Advance

LR = 3e-5
BETAS = (0.9, 0.999)
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


class M2DPaper(Probe):
    """See the module's docstring."""

    name = "m2d_paper"
    seeds = SEEDS
    validation = "random"

    def __init__(self, lr: float, epochs: int, patience: int, batch_size: int) -> None:
        if not 0 < lr <= MOST_LR:
            raise UsageError(f"probe m2d_paper: lr must be above 0 and at most {MOST_LR:g}, not {lr!r}")
        for option, value in (("epochs", epochs), ("patience", patience), ("batch_size", batch_size)):
            if not 1 <= value <= MOST:
                raise UsageError(f"probe m2d_paper: {option} must be from 1 to {MOST:,}, not {value!r}")
        self.lr, self.epochs, self.patience, self.batch_size = float(lr), epochs, patience, batch_size
        self.options = {"lr": self.lr, "epochs": epochs, "patience": patience, "batch_size": batch_size}

    def fit(
        self, x: Floats, y: Targets, problems: Sequence[Problem], classes: int, score: ScoreFunction, advance: Advance
    ) -> list[Fitted]:
        """Fit every problem, each from its own generator."""
        before = torch.get_num_threads()
        try:
            return fit_each(
                lambda problem: self._fit(x, y, problem, classes, score),
                problems,
                advance,
                prepare_thread=lambda: torch.set_num_threads(1),
            )
        finally:
            torch.set_num_threads(before)

    def _fit(self, x: Floats, y: Targets, problem: Problem, classes: int, score: ScoreFunction) -> Fitted:
        generator = torch.Generator().manual_seed(problem.seed)
        train = x[problem.train]
        standardise = Standardiser.of(train)
        features, targets = torch.from_numpy(standardise(train)), torch.from_numpy(y[problem.train])
        layer = initial_layer(x.shape[1], classes, generator)
        optimiser = torch.optim.Adam(layer.parameters(), lr=self.lr, betas=BETAS, weight_decay=WEIGHT_DECAY)
        valid = torch.from_numpy(standardise(x[problem.valid]))
        best, ended = Best(layer), False
        for _ in range(self.epochs):
            for batch in torch.randperm(len(features), generator=generator).split(self.batch_size):  # type: ignore[no-untyped-call]
                optimiser.zero_grad()
                loss(layer(features[batch]), targets[batch]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            with torch.no_grad():
                best.see(layer, score(layer(valid).numpy(), y[problem.valid]) if len(valid) else 0.0)
            if ended := best.age >= self.patience:
                break
        return LinearFit(standardise, best.weight.T.numpy(), best.bias.numpy(), converged=ended)


def initial_layer(dim: int, classes: int, generator: torch.Generator) -> torch.nn.Linear:
    """A linear layer with torch's usual initial weights and bias, uniform within 1 / sqrt(dim), from `generator`."""
    layer = torch.nn.Linear(dim, classes, device="meta").to_empty(device="cpu")
    bound = dim**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over batch and classes: logits (clip, class); targets (clip,) int64 or (clip, class) bool -> scalar."""
    if targets.ndim == 1:
        return torch.nn.functional.cross_entropy(logits, targets) / logits.shape[1]
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))


class Best:
    """The best epoch's weights so far, the latest of equals; `age`: epochs since."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        self.score = float("-inf")
        self._keep(layer)

    def see(self, layer: torch.nn.Linear, score: float) -> None:
        """Take note of an epoch's validation score (higher is better)."""
        if score >= self.score:
            self.score = score
            self._keep(layer)
        else:
            self.age += 1

    def _keep(self, layer: torch.nn.Linear) -> None:
        self.age = 0
        self.weight, self.bias = layer.weight.detach().clone(), layer.bias.detach().clone()
