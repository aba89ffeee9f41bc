import subprocess
import sys

import pytest

from evar import probes
from evar.base.errors import UsageError


def test_supporting_files_are_no_probes() -> None:
    assert not {"adam", "contract", "holdout", "linear", "networks", "selection", "training"} & set(probes.names())


def test_probes_are_opened_for_a_device() -> None:
    assert [probe.device for probe in probes.open_probes("centroid, knn", "cuda:1")] == ["cuda:1"] * 2
    assert probes.open_probe("knn").device == "cpu"


def test_listing_probes_imports_neither_torch_nor_scikit_learn() -> None:
    program = "import sys; from evar import probes; probes.names(); print({'torch', 'sklearn'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_options_in_force_are_kept() -> None:
    assert probes.open_probe("logistic(grid=[0.1, 1.0])").options == {
        "grid": [0.1, 1.0],
        "max_iter": 1000,
        "layers": None,
    }
    assert probes.open_probe("m2d_paper(lr=1e-4)").options["lr"] == 1e-4


def test_unknown_probe_names_the_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean logistic"):
        probes.open_probe("logistc")


def test_unknown_option_names_the_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean epochs"):
        probes.open_probe("m2d_paper(epoch=3)")


@pytest.mark.parametrize(
    "call",
    [
        "logistic(grid=[])",
        "logistic(grid=[1.0, 0.1])",
        "logistic(grid=[0.0, 1.0])",
        "logistic(max_iter=0)",
        "m2d_paper(lr=0.0)",
        "m2d_paper(epochs=0)",
        "m2d_paper(patience=0)",
        "m2d_paper(batch_size=-1)",
        "mlp(hidden=[])",
        "mlp(hidden=[512, 0])",
        "mlp(lr=[0.0, 0.1])",
        "mlp(lr=[0.1, 0.01])",
        "mlp(lr=[])",
        "mlp(weight_decay=[-1.0])",
        "mlp(weight_decay=[1.0, 1.0])",
        "mlp(epochs=0)",
        "mlp(patience=0)",
        "mlp(batch_size=0)",
        "knn(k=[])",
        "knn(k=[0, 1])",
        "knn(k=[5, 3])",
        "knn(temperature=0.0)",
    ],
)
def test_value_that_cannot_be_is_refused_by_name(call: str) -> None:
    option = call.split("(")[1].split("=")[0]
    with pytest.raises(UsageError, match=f"{option} must be"):
        probes.open_probe(call)
