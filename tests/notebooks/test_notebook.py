"""The notebook runs as it is in a kernel of its own, which takes some seconds, and shows what it says."""

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "training_loop.ipynb"


@pytest.mark.filterwarnings("ignore")  # of the kernel's client
def test_the_notebook_runs_and_its_scores_rise(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are made, not committed"
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    done = client.execute()
    (shown,) = (cell for cell in done.cells if cell.source.endswith("scorer.scores"))
    scores = eval(shown.outputs[-1]["data"]["text/plain"], {"__builtins__": {}})
    assert list(scores) == [0, 20, 40, 60]
    assert scores[60]["demo"] > scores[0]["demo"] + 0.05
    assert any("image/png" in output.get("data", {}) for output in done.cells[-2].outputs)
