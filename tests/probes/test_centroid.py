import numpy as np

from evar.probes import open_probe
from evar.probes.centroid import NEVER, CentroidFit
from evar.probes.contract import NO_ROWS, Floats, Problem, Targets
from evar.testing.clouds import clouds, examples, labels

TRAIN = np.arange(90)


def fit(x: Floats, y: Targets, classes: int = 3) -> CentroidFit:
    problem = Problem(TRAIN, NO_ROWS, None, 0)
    found = open_probe("centroid").fit(examples(x, y, classes), [problem], lambda *_: 0.0)[0]
    assert isinstance(found, CentroidFit)
    return found


def units_by_hand(x: Floats) -> np.ndarray:
    z = (x - x[TRAIN].mean(0, dtype=float)) / x[TRAIN].std(0, dtype=float)
    length: np.ndarray = z / np.linalg.norm(z, axis=1, keepdims=True)
    return length


def cosines(u: np.ndarray, means: np.ndarray) -> np.ndarray:
    return u @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T


def test_logits_are_cosines_to_the_mean_of_each_class() -> None:
    x, y = clouds(120, 12, 3)
    u = units_by_hand(x)
    means = np.array([u[TRAIN][y[TRAIN] == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(fit(x, y).logits(x), cosines(u, means), atol=1e-5)


def test_multi_label_centroid_is_the_mean_with_less_the_mean_without() -> None:
    x, y = labels(120, 12, 3)
    u = units_by_hand(x)
    means = [u[TRAIN][y[TRAIN, k]].mean(axis=0) - u[TRAIN][~y[TRAIN, k]].mean(axis=0) for k in range(3)]
    np.testing.assert_allclose(fit(x, y).logits(x), cosines(u, np.array(means)), atol=1e-5)


def test_class_without_training_clips_is_never_the_nearest() -> None:
    x, y = clouds(120, 12, 3)
    logits = fit(x, np.where(y == 1, 4, y), classes=6).logits(x)
    assert (logits[:, [1, 3, 5]] == NEVER).all()
    assert set(logits.argmax(axis=1)) <= {0, 2, 4}


def test_label_of_no_or_every_training_clip_has_one_logit() -> None:
    x, y = labels(120, 12, 3)
    y[TRAIN, 0], y[TRAIN, 1] = False, True
    logits = fit(x, y).logits(x)
    assert (logits[:, 0] == NEVER).all()
    assert (logits[:, 1] == -NEVER).all()
    assert np.ptp(logits[:, 2]) > 0


def test_there_is_nothing_to_choose() -> None:
    assert open_probe("centroid").grid == (None,)
    assert open_probe("centroid").seeds == 1
