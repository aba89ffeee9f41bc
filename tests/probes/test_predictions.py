from dataclasses import replace

import numpy as np
import pytest

from evar.data.manifest import Round
from evar.probes.contract import Chosen, Examples, Problem
from evar.probes.predictions import Predictions, predict
from tests.probes.recorder import Remembered

ROUNDS = [
    Round("b", np.array([0, 2]), None, np.array([1, 3])),
    Round("a", np.array([1, 3]), None, np.array([0, 4])),
]


def predictions() -> Predictions:
    examples = Examples(np.zeros((6, 2), dtype=np.float32), np.arange(6) % 2, np.array(list("uvwxyz")), 2)
    none = np.empty(0, dtype=np.int64)
    chosen = [
        Chosen([Remembered(Problem(none, none, None, seed), quality) for seed in (42, 43)], None, False, {})
        for quality in (0.1, 0.2)
    ]
    return predict(examples, ROUNDS, chosen)


def test_every_test_clip_is_predicted_once_in_the_order_of_rows() -> None:
    found = predictions()
    assert found.rows.tolist() == [0, 1, 3, 4]
    assert found.folds.tolist() == ["a", "b", "b", "a"]
    assert found.groups.tolist() == ["u", "v", "x", "y"]
    assert found.targets.tolist() == [0, 1, 1, 0]
    np.testing.assert_allclose(found.logits[:, :, 0], [[0.2, 0.1, 0.1, 0.2]] * 2)


def test_seeds_stay_apart() -> None:
    assert predictions().logits[:, 0, 1].tolist() == [42, 43]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": np.array([0, 1, 1, 4])}, "rows must rise"),
        ({"rows": np.array([0, 1, 3])}, "rows must be"),
        ({"logits": np.full((2, 4, 2), np.nan, dtype=np.float32)}, "finite"),
        ({"logits": np.zeros((0, 4, 2), dtype=np.float32)}, "none of them 0"),
        ({"targets": np.zeros((4, 3), dtype=np.bool_)}, "targets must be"),
    ],
)
def test_predictions_that_contradict_themselves_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(predictions(), **change)
