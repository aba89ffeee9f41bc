from collections.abc import Sequence

import numpy as np
import pytest

from evar.probes import m2d_paper, mlp, open_probe, selection
from evar.probes.contract import Examples, Floats, Problem, ScoreFunction
from evar.probes.networks import NetworkFit
from evar.scoring.metrics import metric
from evar.testing.clouds import clouds, examples
from tests.probes.test_holdout import fixed, folds

TRAIN, VALID, TEST = np.arange(200), np.arange(200, 250), np.arange(250, 400)
SMALL = "mlp(hidden=[16], lr=[0.001, 0.01], weight_decay=[0.0], epochs=3)"


def rings(clips: int) -> tuple[Floats, np.ndarray]:
    """Two classes that no line parts: near the origin and far from it."""
    draws = np.random.default_rng(0)
    x = draws.normal(size=(clips, 2))
    y = np.arange(clips) % 2
    return (x / np.linalg.norm(x, axis=1, keepdims=True) * (1 + 2 * y[:, None])).astype(np.float32), y


def accuracy(call: str, setting: str | float | None) -> float:
    x, y = rings(400)
    (fitted,) = open_probe(call).fit(examples(x, y), [Problem(TRAIN, VALID, setting, 0)], metric("accuracy"))
    return metric("accuracy")(fitted.logits(x[TEST]), y[TEST])


def test_it_reads_what_no_linear_probe_can() -> None:
    assert accuracy("mlp", "lr=0.003 wd=0") > 0.95
    assert accuracy("m2d_paper(lr=0.01)", None) < 0.75


def test_published_grid_and_recipe() -> None:
    probe = open_probe("mlp")
    assert probe.options == {
        "hidden": [512],
        "lr": list(mlp.LR),
        "weight_decay": list(mlp.WEIGHT_DECAY),
        "epochs": 200,
        "patience": 20,
        "batch_size": 128,
        "layers": None,
    }
    assert (mlp.LR, mlp.WEIGHT_DECAY) == ((3e-4, 1e-3, 3e-3, 1e-2), (0.0, 1.0))
    assert len(probe.grid) == 8
    assert probe.seeds == 5


def test_stronger_decay_comes_first_in_the_grid_then_lower_rates() -> None:
    probe = open_probe("mlp(lr=[0.001, 0.01], weight_decay=[0.0, 0.5])")
    assert probe.grid == ("lr=0.001 wd=0.5", "lr=0.01 wd=0.5", "lr=0.001 wd=0", "lr=0.01 wd=0")


def test_edge_means_an_edge_in_either_dimension() -> None:
    probe = open_probe("mlp(lr=[0.001, 0.01, 0.1], weight_decay=[0.1, 0.5, 1.0])")
    assert [each for each in probe.grid if not probe.at_edge(each)] == ["lr=0.01 wd=0.5"]


def test_no_decay_and_a_single_value_are_no_edge() -> None:
    probe = open_probe("mlp(lr=[0.001, 0.01, 0.1], weight_decay=[0.0, 0.5])")
    assert [each for each in probe.grid if not probe.at_edge(each)] == ["lr=0.01 wd=0"]
    assert not open_probe("mlp(lr=[0.001], weight_decay=[0.5])").at_edge("lr=0.001 wd=0.5")


@pytest.mark.parametrize("hidden", [[7], [7, 5]], ids=str)
def test_hidden_layers_have_the_sizes_asked_for(hidden: list[int]) -> None:
    x, y = clouds(80, 6, 3)
    probe = open_probe(f"mlp(hidden={hidden}, epochs=1)")
    problem = Problem(np.arange(60), np.arange(60, 80), probe.grid[0], 0)
    (fitted,) = probe.fit(examples(x, y), [problem], metric("accuracy"))
    assert isinstance(fitted, NetworkFit)
    assert [weights.shape[0] for weights, _ in fitted.layers] == [*hidden, 3]


def test_tenth_of_whole_groups_is_held_out_for_each_seed_and_stays_out_of_the_final_fit() -> None:
    clips = examples(*clouds(50, 4, 2))
    seen: list[Sequence[Problem[str]]] = []

    class Spy(mlp.MLP):
        def fit(self, examples: Examples, problems: Sequence[Problem[str]], score: ScoreFunction) -> list[NetworkFit]:
            seen.append(problems)
            return super().fit(examples, problems, score)

    probe = open_probe(SMALL)
    assert isinstance(probe, mlp.MLP)
    spy = Spy(probe.lr, probe.weight_decay, probe.recipe)
    rounds = fixed(False)
    selection.run(spy, clips, rounds, metric("accuracy"), 42)
    ((problems,),) = (seen,)
    assert len(problems) == 2 * 5
    for problem in problems:
        assert sorted([*problem.train, *problem.valid]) == rounds[0].train.tolist()
        assert 0 < len(problem.valid) <= 3
        assert not set(clips.groups[problem.train]) & set(clips.groups[problem.valid])
    assert len({tuple(problem.valid) for problem in problems}) > 1


def test_five_seeds_are_chosen_by_their_mean_and_all_kept() -> None:
    probe = open_probe(SMALL)
    rounds = folds(4)
    chosen = selection.run(probe, examples(*clouds(50, 4, 2, apart=0.3)), rounds, metric("accuracy"), 42)
    assert [len(each.fits) for each in chosen] == [5] * 4
    assert all(set(each.curve) == set(probe.grid) and each.setting in probe.grid for each in chosen)
    assert selection.count(probe, rounds) == 4 * 2 * 5


def test_training_is_that_of_m2d_paper_but_for_layers_and_decay() -> None:
    ours, theirs = open_probe("mlp"), open_probe("m2d_paper")
    assert isinstance(ours, mlp.MLP)
    assert isinstance(theirs, m2d_paper.M2DPaper)
    assert (ours.recipe.patience, ours.recipe.epochs) == (theirs.recipe.patience, theirs.recipe.epochs)
    assert (ours.recipe.decoupled, theirs.recipe.decoupled) == (True, False)
    x, y = clouds(80, 6, 3)
    scores = [0.5, 0.1, 0.1, 0.5, 0.1]

    def fit(listed: list[float], epochs: int) -> list[NetworkFit]:
        left = list(listed)
        probe = open_probe(f"mlp(hidden=[7], patience=3, epochs={epochs})")
        problem = Problem(np.arange(60), np.arange(60, 80), probe.grid[0], 0)
        score = lambda *_: left.pop(0) if len(left) > 1 else left[0]  # noqa: E731
        return probe.fit(examples(x, y), [problem], score)  # type: ignore[return-value]

    (stopped,), (cut,) = fit(scores, 200), fit([0.0], 4)
    assert stopped.converged
    assert not cut.converged
    assert np.array_equal(stopped.logits(x), cut.logits(x))
