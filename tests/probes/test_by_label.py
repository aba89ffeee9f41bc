import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from evar import probes
from evar.data.manifest import Round
from evar.probes import by_label, selection
from evar.probes.contract import Floats, Problem, Targets
from evar.scoring.metrics import metric
from evar.testing.clouds import examples, labels

FASTER = {
    "m2d_paper": "m2d_paper(lr=0.01, epochs=40)",
    "mlp": "mlp(lr=[0.01], weight_decay=[0.01], hidden=[32], epochs=15)",
}
TRAIN, VALID, OTHERS = np.arange(0, 300), np.arange(300, 400), np.arange(400, 800)


def hidden_by_a_feature(dim: int = 6) -> tuple[Floats, Targets, Targets]:
    """Embeddings, two labels that hang on one feature each, and the same unknown wherever another feature is high."""
    x = np.random.default_rng(0).normal(size=(800, dim)).astype(np.float32)
    y = x[:, :2] > 0
    return x, y, np.where(x[:, 2:4] > 0, -1, y).astype(np.int8)


def partly_known(clips: int = 100) -> tuple[Floats, Targets]:
    x, y = labels(clips, 8, 3)
    unknown = np.random.default_rng(1).random(y.shape) < 0.4
    return x, np.where(unknown, -1, y).astype(np.int8)


def logits(name: str, x: Floats, y: Targets) -> Floats:
    """Of all clips, by the probe's first setting that is none of the strongest."""
    probe = probes.open_probe(name)
    problem = Problem(np.arange(60), np.arange(60, 80), probe.grid[len(probe.grid) // 2], 42)
    return by_label.fit(probe, examples(x, y), [problem], metric("mAP"))[0].logits(x)


@pytest.mark.parametrize("name", probes.names())
def test_unknown_entry_is_no_negative_one(name: str) -> None:
    """Taken for one, it would teach that the feature which hides labels speaks against them."""
    x, y, partly = hidden_by_a_feature()
    probe, rounds = probes.open_probe(FASTER.get(name, name)), [Round("test", TRAIN, VALID, OTHERS)]
    (chosen,) = selection.run(probe, examples(x, partly), rounds, metric("mAP"), 42)
    area = metric("macro_auc")(chosen.fits[0].logits(x[OTHERS]), y[OTHERS])
    (misled,) = selection.run(probe, examples(x, partly == 1), rounds, metric("mAP"), 42)
    assert area > 0.93
    assert area > metric("macro_auc")(misled.fits[0].logits(x[OTHERS]), y[OTHERS]) + 0.03


@pytest.mark.parametrize("name", probes.names())
def test_labels_that_are_all_known_teach_as_they_do_without_a_mark(name: str) -> None:
    x, y = labels(100, 8, 3)
    np.testing.assert_allclose(logits(name, x, y.astype(np.int8)), logits(name, x, y), atol=1e-3)


def test_label_is_learned_from_the_clips_of_which_it_is_known() -> None:
    x, y = partly_known()
    found = logits("logistic", x, y)
    for label in range(3):
        rows = np.flatnonzero(y[:60, label] >= 0)
        scaler = StandardScaler().fit(x[rows].astype(np.float64))
        grid = probes.open_probe("logistic").grid
        expected = LogisticRegression(C=grid[len(grid) // 2], tol=1e-10).fit(scaler.transform(x[rows]), y[rows, label])
        np.testing.assert_allclose(found[:, label], expected.decision_function(scaler.transform(x)), atol=1e-3)


@pytest.mark.parametrize("name", ["centroid", "knn", "logistic"])
def test_label_that_no_training_clip_says_anything_of_has_the_lowest_logit(name: str) -> None:
    x, y = partly_known()
    y[:80, 1] = -1
    found = logits(name, x, y)
    assert (found[:, 1] == by_label.LOWEST).all()
    assert np.isfinite(found).all()
    assert len(np.unique(found[:, 0])) > 1


@pytest.mark.parametrize("name", probes.names())
def test_every_fit_of_several_labels_is_counted_once(name: str, advances: list[int]) -> None:
    x, y = partly_known()
    probe = probes.open_probe(name)
    problems = [Problem(np.arange(60), np.arange(60, 80), setting, 42) for setting in probe.grid[:2]]
    by_label.fit(probe, examples(x, y), problems, metric("mAP"))
    assert sum(advances) == len(problems)
