"""k nearest neighbours by cosine similarity, k chosen on validation rows: an opinion that nothing was trained for.

The k training clips most similar to a clip vote for their classes with weights exp(s / T), s the cosine similarity of
standardised embeddings and T = 0.07 (Wu et al. 2018, "Unsupervised feature learning via non-parametric instance
discrimination", section 3.4; the convention since). A class's logit is its share of the votes; for multi-label tasks
that is the neighbours' mean label vector, by the same weights. Where there are fewer than k training clips, all vote.
Without standardising it is the vote of DINO (Caron et al., arXiv:2104.14294, section 4.1): of embeddings as they are,
scaled to length 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import torch

from evar.base.errors import UsageError
from evar.base.progress import advance
from evar.base.threads import fit_each, pieces
from evar.nn.exact_float32 import exact_float32
from evar.probes.contract import Examples, Fitted, Floats, Probe, Problem, Rows, ScoreFunction, Targets, rises
from evar.probes.linear import Standardiser, standardisers

K = (1, 3, 5, 10, 20, 50)
TEMPERATURE = 0.07
TRAIN_ROWS = 4096  # training clips that are compared at a time
CLIPS = 256  # clips that are compared with them at a time; a last block is filled up, so that none sees its mates
MOST_K = 10_000

Neighbours = tuple[Floats, Rows]
"""Similarities (clip, neighbour), falling, and places (clip, neighbour) among the training rows."""


def open_probe(k: Sequence[int] = K, temperature: float = TEMPERATURE, standardise: bool = True) -> Probe:
    """Nearest neighbours. Raises UsageError where an option cannot be.

    k:            numbers of neighbours to choose from, rising
    temperature:  T in the votes exp(similarity / T)
    standardise:  whether embeddings are standardised before they are compared
    """
    return KNN(k, temperature, standardise)


class KNN(Probe[float]):
    """See the module's docstring. Its grid starts with the most neighbours, the smoothest."""

    can_be_saved = False  # a fit is its training clips

    def __init__(self, k: Sequence[int], temperature: float, standardise: bool) -> None:
        if not rises(k) or not 1 <= k[0] <= k[-1] <= MOST_K:
            raise UsageError(f"probe knn: k must be a rising list of whole numbers from 1 to {MOST_K:,}, not {k!r}")
        if not 1e-3 <= temperature <= 1e3:
            raise UsageError(f"probe knn: temperature must be from 0.001 to 1000, not {temperature!r}")
        self.k, self.grid = tuple(k), tuple(float(each) for each in reversed(k))
        self.temperature, self.standardise = float(temperature), standardise

    def at_edge(self, setting: float) -> bool:
        """Whether k is the largest or smallest of several; below one neighbour lies nothing."""
        return len(self.k) > 1 and setting in (self.grid[0], self.grid[-1]) and setting != 1.0

    def fit(self, examples: Examples, problems: Sequence[Problem[float]], score: ScoreFunction) -> Sequence[Fitted]:
        """Fit every problem; those with the same training rows share their neighbours."""
        del score  # there is nothing to stop early
        sets = {each.train.tobytes(): each.train for each in problems}
        most, device = max(self.k), torch.device(self.device)
        if self.standardise:
            prepared = standardisers(examples.x, sets.values())
        else:
            prepared = dict.fromkeys(sets, Standardiser.identity(examples.x.shape[1]))
        indexes = {key: Index(examples.x, sets[key], each, most, device) for key, each in prepared.items()}
        fits = []
        for problem in problems:
            index, targets = indexes[problem.train.tobytes()], examples.y[problem.train]
            fits.append(Vote(index, targets, examples.classes, int(problem.setting), self.temperature))
            advance()
        return fits


@dataclass(frozen=True)
class Vote:
    """The vote of the k nearest of `index`, whose targets are (row,) or (row, class)."""

    index: "Index"
    targets: Targets
    classes: int
    k: int
    temperature: float
    converged: bool = True

    def logits(self, x: Floats) -> Floats:
        """(clip, dim) -> (clip, class) shares of the votes, 0 to 1."""
        similarities, places = (each[:, : self.k] for each in self.index.nearest(x))
        weights = np.exp((similarities - similarities[:, :1]) / np.float32(self.temperature))
        weights /= weights.sum(axis=1, keepdims=True)
        logits, clips = np.zeros((len(x), self.classes), dtype=np.float32), np.arange(len(x))
        for weight, place in zip(weights.T, places.T, strict=True):
            if self.targets.ndim == 1:
                logits[clips, self.targets[place]] += weight
            else:
                logits += weight[:, None] * self.targets[place]
        return logits


@dataclass(frozen=True)
class Index:
    """The `most` nearest of the training rows `train` of x (clip, dim); what was asked once is remembered."""

    x: Floats
    train: Rows
    standardise: Standardiser
    most: int
    device: torch.device
    known: dict[bytes, Neighbours] = field(default_factory=dict)

    def nearest(self, x: Floats) -> Neighbours:
        """The neighbours of clips (clip, dim), the nearest first: fewer than `most` where there are fewer rows."""
        key = blake2b(np.ascontiguousarray(x).data, digest_size=16).digest()
        if key not in self.known:
            self.known[key] = self._search(x)
        return self.known[key]

    def _search(self, x: Floats) -> Neighbours:
        filled = np.zeros((-(-len(x) // CLIPS) * CLIPS, x.shape[1]), dtype=np.float32)
        filled[: len(x)] = self.standardise.units(x)
        clips = torch.from_numpy(filled).to(self.device).view(-1, CLIPS, x.shape[1])
        nothing = torch.empty((CLIPS, 0), device=self.device)
        found = [(nothing, nothing.long())] * len(clips)
        before = torch.get_num_threads()
        try:
            with exact_float32():
                for span in pieces(len(self.train), TRAIN_ROWS):
                    rows = torch.from_numpy(self.standardise.units(self.x[self.train[span]])).to(self.device)
                    found = self._nearer(clips, rows, span.start, found)
        finally:
            torch.set_num_threads(before)
        similarities, places = (torch.cat(each)[: len(x)].cpu().numpy() for each in zip(*found, strict=True))
        return similarities, places

    def _nearer(
        self,
        clips: torch.Tensor,
        rows: torch.Tensor,
        start: int,
        found: Sequence[tuple[torch.Tensor, torch.Tensor]],
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """`found` (similarities and places of each block of clips) with those of more rows, from place `start` on.

        clips: (block, clip, dim); rows: (row, dim)
        """

        def merge(number: int) -> tuple[torch.Tensor, torch.Tensor]:
            similarities, places = found[number]
            both = torch.cat([similarities, clips[number] @ rows.T], dim=1)
            new = torch.arange(start, start + len(rows), device=self.device).expand(CLIPS, -1)
            best, column = both.topk(min(self.most, both.shape[1]), dim=1)
            return best, torch.cat([places, new], dim=1).gather(1, column)

        return fit_each(
            merge,
            range(len(clips)),
            prepare_thread=lambda: torch.set_num_threads(1),
            at_once=None if self.device.type == "cpu" else 1,
        )
