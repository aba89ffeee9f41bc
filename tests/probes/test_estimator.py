import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from evar.probes import LogisticRegressionProbe
from tests.probes.clouds import clouds


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


def test_classifier_warns_where_iterations_do_not_suffice() -> None:
    x, y = clouds(100, 12, 3, apart=0.3)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 "):
        LogisticRegressionProbe(C=10.0, max_iter=1).fit(x, y)


def test_package_has_nothing_else_lazily() -> None:
    with pytest.raises(ImportError):
        from evar.probes import LogisticRegressionProb  # noqa: F401
