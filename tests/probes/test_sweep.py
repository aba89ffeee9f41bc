"""Choosing among layers: by validation scores, round by round, and never by test rows."""

import numpy as np
import pytest

from evar import fitting
from evar.data.manifest import Round
from evar.probes import open_probe, selection
from evar.probes.contract import Chosen
from evar.probes.predictions import Predictions
from evar.scoring.metrics import metric
from evar.testing.clouds import examples
from tests.probes.test_holdout import folds


def judged(output, *scores):
    chosen = {name: Chosen((), None, False, {}, valid=score) for name, score in zip("ab", scores, strict=False)}
    return fitting.ProbeFit(None, output, chosen, None, None, 0.0)


def test_layer_of_the_best_validation_score_wins_in_each_round():
    fits = [judged("layer00", 0.5, 0.9), judged("layer01", 0.6, 0.8)]
    assert [fitting.best_output(fits, name) for name in "ab"] == ["layer01", "layer00"]


def test_first_of_equal_layers_wins():
    assert fitting.best_output([judged("layer00", 0.5), judged("layer01", 0.5)], "a") == "layer00"


def test_layer_without_a_validation_score_is_no_candidate():
    with pytest.raises(ValueError, match="judge"):
        fitting.best_output([judged("layer00", None)], "a")


def test_predictions_of_each_round_are_those_of_its_layer():
    def predictions(value):
        logits = np.full((1, 4, 2), value, dtype=np.float32)
        names = np.array(["a", "b", "a", "b"])
        return Predictions(logits, np.array([0, 1, 0, 1]), np.arange(4), names, names)

    both = fitting.assemble({"x": predictions(1), "y": predictions(2)}, {"a": "y", "b": "x"})
    assert both.logits[0, :, 0].tolist() == [2, 1, 2, 1]


@pytest.mark.parametrize("call", ["logistic(grid=[0.1])", "m2d_paper(epochs=2)"])
@pytest.mark.parametrize("valid", [True, False])
def test_every_probe_gives_a_validation_score_where_it_is_asked_for(call, valid, advances):
    draws = np.random.default_rng(0)
    x, y = draws.standard_normal((60, 4)).astype(np.float32), np.arange(60) % 3
    rounds = [Round("test", np.arange(40), np.arange(40, 50) if valid else None, np.arange(50, 60))]
    for each in (rounds, folds(4)):
        probe = open_probe(call)
        advances.clear()
        chosen = selection.run(probe, examples(x, y), each, metric("accuracy"), 42, judge=True)
        assert sum(advances) == selection.count(probe, each, judge=True)
        assert all(0 <= one.valid <= 1 for one in chosen)
