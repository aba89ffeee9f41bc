"""Every probe of the package keeps the contract. They are found by name: a new file is tested without a word here."""

from collections.abc import Iterator

import pytest

from evar import probes
from evar.probes import logistic
from evar.testing import ProbeContract

OPTIONS = {"mlp": "epochs=30", "m2d_paper": "epochs=30, lr=0.001"}  # where the default takes long
WEIGHTED = ("logistic(layers='weighted')", "mlp(layers='weighted', epochs=30, hidden=[32])")


@pytest.fixture(scope="module", autouse=True)
def _few_steps() -> Iterator[None]:
    """The weights of layers are learned in 60 steps, not 500."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logistic, "LAYERS_STEPS", 60)
        yield


def test_there_are_probes() -> None:
    assert {"centroid", "knn", "logistic", "m2d_paper", "mlp"} <= set(probes.names())


class TestProbes(ProbeContract):
    """logistic's logits within the certified gap may differ."""

    calls = (*(f"{name}({OPTIONS.get(name, '')})" for name in probes.names()), *WEIGHTED)
    quick = {"mlp": {"hidden": [4], "epochs": 1}, "m2d_paper": {"epochs": 1}, "logistic": {"max_iter": 2}}  # noqa: RUF012
    certified = {"logistic": 2e-2}  # noqa: RUF012
