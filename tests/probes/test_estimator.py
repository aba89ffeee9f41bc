import re
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from evar.probes import LogisticRegressionProbe
from evar.testing.clouds import clouds


def test_classifier_keeps_to_scikit_learn_s_contract() -> None:
    found = check_estimator(LogisticRegressionProbe(), on_skip=None)
    assert len(found) > 40


@pytest.mark.parametrize("classes", [2, 4])
def test_classifier_is_logistic_regression_on_standardised_features(classes: int) -> None:
    x, y = clouds(200, 12, classes, apart=0.3)
    names = np.array(["a", "b", "c", "d"])[y]
    ours = LogisticRegressionProbe(C=0.5).fit(x, names)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, tol=1e-8, max_iter=10_000)).fit(x, names)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-3)
    np.testing.assert_allclose(ours.coef_, theirs[-1].coef_, atol=1e-3)
    assert np.array_equal(ours.predict(x), theirs.predict(x))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"C": 0}, "C must be a finite number above 0, not 0"),
        ({"C": "a"}, "C must be a finite number above 0, not 'a'"),
        ({"C": float("inf")}, "C must be"),
        ({"max_iter": "x"}, "max_iter must be a whole number of at least 1, not 'x'"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"device": "cuda:77"}, "device 'cuda:77' is not there"),
    ],
)
def test_parameter_that_cannot_be_is_named(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        LogisticRegressionProbe(**parameters).fit([[0.0], [1.0]], [0, 1])


def test_classifier_warns_where_iterations_do_not_suffice() -> None:
    x, y = clouds(100, 12, 3, apart=0.3)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 "):
        LogisticRegressionProbe(C=10.0, max_iter=1).fit(x, y)


def test_package_has_nothing_else_lazily() -> None:
    with pytest.raises(ImportError):
        from evar.probes import LogisticRegressionProb  # noqa: F401
