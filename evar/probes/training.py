"""Training of small networks on frozen embeddings with early stopping, many at once in one batched loop.

A job is one network: its problem (rows, seed), learning rate and weight decay. What all jobs share is the recipe. A
block trains the jobs of its slots together: one gather, one batched product a layer, one step of Adam for all. Every
job draws its initial weights and its order of clips from a generator of its own.

How many slots a block has follows from the work of one step and from the device, never from the number of jobs, and a
last block is filled up: a fit is the same whatever is trained beside it. On a CPU it is one slot, and the blocks go
side by side in threads: there a stack saves a linear probe of 3,840 dimensions a tenth and costs a hidden layer half as
much again (`python -m benchmarks.stacks`), since weights and moments push each other out of the caches; and the bits of
some products would hang on where in memory a slot lies. There a step's clips are gathered from the embeddings where
they lie, a memory map perhaps; to another device the clips that are needed are copied once.

Where the examples have several layers a network reads their weighted sum (`layer_sum.py`): the logits of the weights
are parameters like all others, with the same learning rate and weight decay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evar.base.threads import fit_each, pieces
from evar.nn.exact_float32 import exact_float32
from evar.probes.adam import Adam
from evar.probes.contract import Examples, Floats, Problem, Rows, ScoreFunction, union
from evar.probes.layer_sum import LayerSum, layer_sum, layer_sum_gradient
from evar.probes.linear import Standardiser, standardisers
from evar.probes.networks import Parameters, forward, gradients, initial, slot, stack
from evar.probes.solver.precision import fast_products

MOST_SLOTS = 64
STEP_FLOPS = 2e10  # of one step for all slots; about half a millisecond of a large GPU in float32
READ_ROWS = 4096  # clips that are judged at a time, or copied to a device


@dataclass(frozen=True)
class NetworkRecipe:
    """What all jobs share.

    hidden:      units of each hidden layer; none for a linear probe
    epochs:      most epochs
    patience:    epochs after the best one at which training ends
    batch_size:  clips a step
    decoupled:   whether weight decay is decoupled or L2 (`adam.py`)
    rounds:      whether products may round what is multiplied to bfloat16, where a CPU is faster so (`mlp.py`)
    """

    hidden: tuple[int, ...]
    epochs: int
    patience: int
    batch_size: int
    decoupled: bool
    rounds: bool


@dataclass(frozen=True)
class Job:
    """One network to train."""

    problem: Problem
    lr: float
    weight_decay: float


@dataclass(frozen=True)
class Trained:
    """A trained network: layers of weights (after, before) and biases (after,); `ended`: by early stopping.

    layer_weights: of the encoder's layers, (layer,), their sum 1
    """

    standardise: Standardiser
    layers: tuple[tuple[Floats, Floats], ...]
    ended: bool
    layer_weights: Floats

    @property
    def layer_sum(self) -> LayerSum:
        """What the network reads, where the examples have several layers."""
        return LayerSum(self.standardise, self.layer_weights)


def train(
    examples: Examples, jobs: Sequence[Job], score: ScoreFunction, recipe: NetworkRecipe, device: torch.device
) -> list[Trained]:
    """Train every job; the open bar advances as each ends. One without validation rows trains all epochs."""
    before = torch.get_num_threads()
    try:
        data = Data.of(examples, [job.problem for job in jobs], recipe, device)
        numbers = blocks(jobs, data.sizes, recipe, device)
        with fast_products(device) if recipe.rounds and device.type == "cpu" else exact_float32():
            found = fit_each(
                lambda members: SlotBlock.of(data, [jobs[number] for number in members], score, recipe).train(),
                numbers,
                prepare_thread=lambda: _prepare_thread(recipe),
                at_once=None if device.type == "cpu" else 1,
                steps=len,
            )
    finally:
        torch.set_num_threads(before)
    trained = {
        number: each
        for members, block in zip(numbers, found, strict=True)
        for number, each in zip(members, block, strict=True)
    }
    return [trained[number] for number in range(len(jobs))]


def _prepare_thread(recipe: NetworkRecipe) -> None:
    torch.set_num_threads(1)
    if recipe.rounds:
        torch.set_flush_denormal(True)  # gradients of clips that are fitted: numbers below 1e-38 take ten times as long


def slots(width: int, sizes: Sequence[int], device: torch.device) -> int:
    """How many networks of these sizes a block trains, `width` clips a step each."""
    if device.type == "cpu":
        return 1
    flops = 6 * width * sum(before * after for before, after in pairwise(sizes))  # forward and twice as many back
    return int(np.clip(STEP_FLOPS // flops, 1, MOST_SLOTS))


def blocks(jobs: Sequence[Job], sizes: Sequence[int], recipe: NetworkRecipe, device: torch.device) -> list[list[int]]:
    """Numbers of the jobs of each block: jobs of one batch width, in order."""
    by_width: dict[int, list[int]] = {}
    for number, job in enumerate(jobs):
        by_width.setdefault(width(job, recipe), []).append(number)
    found = []
    for clips, members in by_width.items():
        most = slots(clips, sizes, device)
        found += [members[start : start + most] for start in range(0, len(members), most)]
    return found


def width(job: Job, recipe: NetworkRecipe) -> int:
    """Clips of a job's full batch."""
    return min(recipe.batch_size, len(job.problem.train))


class OnHost:
    """The task's clips where they lie, a memory map perhaps: a step's clips are gathered as it takes them."""

    device = torch.device("cpu")

    def __init__(self, examples: Examples) -> None:
        self._x, self._y = examples.x, examples.y

    def places(self, rows: Rows) -> Tensor:
        """Where these row numbers lie: (clip,) int64 on the host."""
        return torch.from_numpy(rows)

    def read(self, places: Tensor, out: Tensor) -> Tensor:
        """The embeddings of these places, into `out` (clip, dim), and their targets (clip, ...)."""
        np.take(self._x, places.numpy(), axis=0, out=out.numpy(), mode="clip")  # another mode would copy twice
        return torch.from_numpy(self._y[places.numpy()])


class OnDevice:
    """The clips that any of the problems may read, and no others, copied to the device block by block."""

    def __init__(self, examples: Examples, problems: Sequence[Problem], device: torch.device) -> None:
        self.device = device
        self._rows = union(part for each in problems for part in (each.train, each.valid))
        self._features = torch.empty((len(self._rows), examples.x.shape[1]), device=device)
        for part in pieces(len(self._rows), READ_ROWS):
            self._features[part] = torch.from_numpy(examples.x[self._rows[part]])
        self._targets = torch.from_numpy(examples.y[self._rows]).to(device)

    def places(self, rows: Rows) -> Tensor:
        """Where these row numbers lie: (clip,) int64 on the host."""
        return torch.from_numpy(np.searchsorted(self._rows, rows))

    def read(self, places: Tensor, out: Tensor) -> Tensor:
        """The embeddings of these places, into `out` (clip, dim), and their targets (clip, ...)."""
        places = places.to(self.device)
        torch.index_select(self._features, 0, places, out=out)
        return self._targets[places]


@dataclass(frozen=True)
class Data:
    """What the jobs read.

    sizes:          units of what a network reads, of each hidden layer, and of the output
    standardisers:  of each set of training rows, by `tobytes`
    """

    examples: Examples
    clips: OnHost | OnDevice
    sizes: tuple[int, ...]
    standardisers: dict[bytes, Standardiser]

    @classmethod
    def of(cls, examples: Examples, problems: Sequence[Problem], recipe: NetworkRecipe, device: torch.device) -> "Data":
        """What these problems read."""
        clips = OnHost(examples) if device.type == "cpu" else OnDevice(examples, problems, device)
        sizes = (examples.x.shape[1] // examples.layers, *recipe.hidden, examples.classes)
        return cls(examples, clips, sizes, standardisers(examples.x, [each.train for each in problems]))


class Order:
    """Which clips each step of an epoch reads, for all slots.

    Every network goes through its own clips in its own random order, in batches of one width. The last batch of an
    epoch is filled up with clips of weight 0; a network with fewer clips takes no part in the others' last steps.

    weights: (step, slot, clip) float32: 1 / the batch's clips, 0 for what fills it up
    live:    (step, slot) whether a slot takes part
    """

    weights: Tensor
    live: NDArray[np.bool_]

    def __init__(self, places: Sequence[Tensor], generators: Sequence[torch.Generator], width: int) -> None:
        """places: each slot's training clips; generators: what each draws its order from; width: clips of a batch."""
        self.places, self.generators, self.width = places, generators, width
        self.steps = max(-(-len(each) // width) for each in places)
        position = np.arange(self.steps * width).reshape(self.steps, 1, width)
        there = position < np.array([len(each) for each in places])[:, None]  # (step, slot, clip)
        clips = there.sum(axis=2, keepdims=True)
        self.live = clips[..., 0] > 0
        self.weights = torch.from_numpy((there / clips.clip(min=1)).astype(np.float32))

    def epoch(self) -> Tensor:
        """The places of the next epoch: (step, slot, clip) int64."""
        order = torch.zeros(len(self.places), self.steps * self.width, dtype=torch.int64)
        for number, (places, generator) in enumerate(zip(self.places, self.generators, strict=True)):
            shuffled = torch.randperm(len(places), generator=generator)
            order[number, : len(places)] = places[shuffled]
        return order.view(len(self.places), self.steps, self.width).transpose(0, 1)


class SlotBlock:
    """Jobs of one batch width that are trained together, one a slot."""

    def __init__(self, data: Data, jobs: Sequence[Job], score: ScoreFunction, recipe: NetworkRecipe, size: int) -> None:
        self.data, self.score, self.recipe, self.jobs = data, score, recipe, jobs
        filled = [*jobs, *[jobs[-1]] * (size - len(jobs))]
        generators = [torch.Generator().manual_seed(job.problem.seed) for job in filled]
        self.standardisers = [data.standardisers[job.problem.train.tobytes()] for job in filled]
        moments = np.array([[[each.mean], [each.scale]] for each in self.standardisers], dtype=np.float32)
        self.mean, self.scale = torch.from_numpy(moments).to(data.clips.device).unbind(dim=1)  # (slot, 1, dim)
        self.network = stack([initial(data.sizes, generator) for generator in generators], data.clips.device)
        layers = data.examples.layers  # logits of their weights, 0: equal ones
        summed = [torch.zeros((size, layers, 1), device=data.clips.device)] if layers > 1 else []
        self.parameters = [*self.network, *summed]
        self.adam = Adam(
            self.parameters,
            [job.lr for job in filled],
            [job.weight_decay for job in filled],
            decoupled=recipe.decoupled,
        )
        places = [data.clips.places(job.problem.train) for job in filled]
        self.order = Order(places, generators, width(jobs[0], recipe))

    @classmethod
    def of(cls, data: Data, jobs: Sequence[Job], score: ScoreFunction, recipe: NetworkRecipe) -> "SlotBlock":
        """A block with as many slots as the device and the work ask for; those without a job repeat the last one."""
        return cls(data, jobs, score, recipe, slots(width(jobs[0], recipe), data.sizes, data.clips.device))

    def train(self) -> list[Trained]:
        """One a job."""
        best = Best(self.parameters, len(self.jobs), self.recipe.patience)
        for _ in range(self.recipe.epochs):
            self._epoch()
            best.see(self.parameters, [self._judge(number) for number in best.going])
            if not best.going:
                break
        return [self._trained(best, number) for number in range(len(self.jobs))]

    def _epoch(self) -> None:
        factors, weights = self.adam.plan(self.order.live), self.order.weights.to(self.mean.device)
        clips = self._room(weights[0].numel())  # one place for every step
        for step, places in enumerate(self.order.epoch()):
            targets = self.data.clips.read(places.flatten(), clips)
            targets = targets.view(*places.shape, *targets.shape[1:])
            batch = clips.view(*places.shape, -1).sub_(self.mean).mul_(self.scale)
            self._gradients(batch, targets, weights[step])
            self.adam.step(factors[step])

    def _gradients(self, batch: Tensor, targets: Tensor, weights: Tensor) -> None:
        """The gradients of a step, into where Adam looks for them; batch (slot, clip, layer * dim)."""
        if self.data.examples.layers == 1:
            gradients(self.network, batch, targets, weights, self.adam.gradients)
            return
        layers, logits = self._by_layer(batch), self.parameters[-1]
        slope = gradients(self.network, layer_sum(layers, logits), targets, weights, self.adam.gradients[:-1])
        along = (self.network[0].mT @ slope).transpose(1, 2)
        self.adam.gradients[-1].copy_(layer_sum_gradient(layers, logits, along))

    def _by_layer(self, batch: Tensor) -> Tensor:
        """(slot, clip, layer * dim) -> (slot, clip, layer, dim)."""
        return batch.view(*batch.shape[:2], self.data.examples.layers, -1)

    def _judge(self, number: int) -> float:
        """The validation score of the network of a slot, 0 where there are no validation rows."""
        rows = self.jobs[number].problem.valid
        if not len(rows):
            return 0.0
        places, network, logits = self.data.clips.places(rows), slot(self.network, number), []
        for part in pieces(len(rows), READ_ROWS):
            clips = self._room(len(rows[part]))
            self.data.clips.read(places[part], clips)
            features = clips.sub_(self.mean[number]).mul_(self.scale[number])[None]
            if self.data.examples.layers > 1:
                features = layer_sum(self._by_layer(features), self.parameters[-1][number : number + 1])
            logits.append(forward(network, features)[0])
        return self.score(torch.cat(logits).cpu().numpy(), self.data.examples.y[rows])

    def _room(self, clips: int) -> Tensor:
        """Where clips are read to: (clip, dim), float32."""
        return torch.empty((clips, self.mean.shape[2]), device=self.mean.device)

    def _trained(self, best: "Best", number: int) -> Trained:
        kept = [each[number].cpu() for each in best.kept]
        network, summed = kept[: len(self.network)], kept[len(self.network) :]
        weights, biases = [each.numpy() for each in network[::2]], [each[:, 0].numpy() for each in network[1::2]]
        layers = summed[0][:, 0].softmax(0).numpy() if summed else np.ones(1, dtype=np.float32)
        ended = number not in best.going
        return Trained(self.standardisers[number], tuple(zip(weights, biases, strict=True)), ended, layers)


class Best:
    """Each slot's best epoch so far, by validation score and the latest of equals, with its weights.

    kept:   a stack of the best weights
    going:  slots whose best epoch is less than `patience` epochs old, of the first `count`
    """

    def __init__(self, parameters: Parameters, count: int, patience: int) -> None:
        self.patience = patience
        self.scores, self.ages = [float("-inf")] * count, [0] * count
        self.kept = [each.clone() for each in parameters]
        self.going = list(range(count))

    def see(self, parameters: Parameters, scores: Sequence[float]) -> None:
        """Take note of an epoch: of each slot still going its validation score (higher is better)."""
        better = [number for number, score in zip(self.going, scores, strict=True) if score >= self.scores[number]]
        for number, score in zip(self.going, scores, strict=True):
            self.ages[number] = 0 if number in better else self.ages[number] + 1
            self.scores[number] = score if number in better else self.scores[number]
        for kept, now in zip(self.kept, parameters, strict=True):
            for number in better:
                kept[number].copy_(now[number])
        self.going = [number for number in self.going if self.ages[number] < self.patience]
