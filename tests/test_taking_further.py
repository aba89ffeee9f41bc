"""What others take further: embeddings with their clips, and fitted probes, which together give a run's predictions."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import evar
from evar.base.errors import DataError, UsageError
from evar.cli import main
from evar.data.manifest import read_manifest
from evar.data.task import load_task
from evar.leaderboard.runs import probe_path, read_predictions, read_rows, record_path
from evar.probes.centroid import Centroid
from evar.probes.contract import Examples, Problem
from evar.probes.estimator import SavedProbe
from evar.probes.linear import LinearFit, Standardiser
from tests.test_evaluate_in_python import rewritten
from tests.tones import write_tones

LAYERS = "random(model='m2d_vit_tiny-80x20p80x2', layers='each')"
PROBES = "logistic, m2d_paper(lr=0.01, epochs=3), mlp(hidden=[4], lr=[0.01], weight_decay=[0.0], epochs=2), centroid"
SUM = "mlp(layers='weighted', hidden=[4], lr=[0.01], weight_decay=[0.0], epochs=1)"
RESULTS = Path("results")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a task of three folds, and one whose labels are known in part."""
    root = tmp_path_factory.mktemp("further")
    write_tones(root, folds=3, clips=8)
    said = {"low": "low,middle", "middle": "middle,low;high", "high": "high,low"}
    partly = rewritten(root / "partly", said, "labels,absent", kind="multi-label", metric="mAP")
    (root / "tasks").mkdir()
    (root / "tones.yaml").rename(root / "tasks" / "tones.yaml")
    (root / "tasks" / "partly.yaml").write_text(partly.read_text().replace("folder: tones", "folder: partly"))
    (root / "partly" / "data" / "tones").rename(root / "data" / "partly")
    return root


@pytest.fixture(autouse=True)
def working_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("EVAR_CACHE", str(place / "cache"))


def exported(format: str = "embeddings", out: str = "exported") -> dict[str, Path]:
    """Embeddings key -> its folder."""
    assert main(["export", "--format", format, "--out", out]) == 0
    folders = [file.parent for file in Path(out).glob("*/about.json")]
    return {json.loads((folder / "about.json").read_text())["evar_embeddings"]: folder for folder in folders}


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "clips.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("task", "encoder", "probe", "rows"),
    [
        ("tones", "logmel", PROBES, 4),
        ("partly", "logmel", "logistic", 1),
        ("tones", LAYERS, SUM, 1),
    ],
)
def test_embeddings_and_the_saved_probe_of_a_fold_give_the_predictions_of_its_clips(
    task: str, encoder: str, probe: str, rows: int
) -> None:
    before = {row.run for row in read_rows(RESULTS)} if RESULTS.exists() else set()
    assert (
        main(["eval", "--task", task, "--encoder", encoder, "--probe", probe, "--save-probe", "--device", "cpu"]) == 0
    )
    added = [row for row in read_rows(RESULTS) if row.run not in before]
    assert len(added) == rows
    folders = exported()
    for row in added:
        kept, saved, folder = read_predictions(RESULTS, row.run), evar.load_probe(row.run), folders[row.embeddings_key]
        clips, about = table_of(folder), json.loads((folder / "about.json").read_text())
        x = np.concatenate([np.load(folder / f"{output}.npy") for output in about["outputs"]], axis=1)
        assert [clips[place]["path"] for place in kept.predictions.rows] == list(kept.clips)
        assert saved.folds == list(row.parts)
        assert saved.classes_.tolist() == list(kept.classes)
        found = np.zeros_like(kept.predictions.logits[0])
        for fold in saved.folds:
            tested = kept.predictions.folds == fold
            found[tested] = saved.of_fold(fold).decision_function(x[kept.predictions.rows[tested]])
        np.testing.assert_allclose(found, kept.predictions.logits.mean(axis=0), rtol=1e-5, atol=1e-5)


def test_clips_are_a_table_of_the_task_with_its_parts_and_labels() -> None:
    evar.evaluate("tones,partly", "logmel", results=RESULTS, device="cpu")
    for folder in exported().values():
        about, clips = json.loads((folder / "about.json").read_text()), table_of(folder)
        task = load_task(about["task"])
        table = read_manifest(task, Path("data")).table
        parts = [clip["fold" if task.folds else "split"] for clip in clips]
        assert [clip["path"] for clip in clips] == table["path"].tolist()
        assert (parts, [clip["group"] for clip in clips]) == (table["part"].tolist(), table["group"].tolist())
        cells = [clip["label" if task.kind == "single-label" else "labels"] for clip in clips]
        assert [tuple(cell.split(about["separator"])) for cell in cells] == table["labels"].tolist()
        if task.name == "partly":
            assert {clip["labels"]: clip["absent"] for clip in clips}["middle"] == "high;low"
        assert [int(clip["row"]) for clip in clips] == list(range(len(np.load(next(folder.glob("*.npy"))))))


def test_what_was_exported_is_written_anew_and_a_file_of_another_making_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evar.evaluate("tones", "logmel", results=RESULTS, device="cpu")
    (folder, *_) = exported(out=str(tmp_path)).values()
    exported(out=str(tmp_path))
    (folder / "clips.csv").write_text("path,label\nmine,1\n")
    capsys.readouterr()
    assert main(["export", "--format", "embeddings", "--out", str(tmp_path)]) == 2
    assert "clips.csv is there, and not written by this command" in capsys.readouterr().err
    assert main(["export", "--format", "embeddings"]) == 2
    assert "name where it goes by --out" in capsys.readouterr().err


def test_embeddings_that_are_no_longer_those_of_the_row_are_not_exported(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evar.evaluate("tones", "logmel", results=tmp_path / "results", limit=3, device="cpu", cache=tmp_path / "cache")
    export = [
        "export",
        "--format",
        "embeddings",
        "--results",
        str(tmp_path / "results"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*export, "--cache", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert f"not in the cache {tmp_path / 'none'}: score it again (--again)" in said
    assert said.splitlines()[-1] == f"evar: error: no embeddings of the rows of {tmp_path / 'results'} to export"
    assert main([*export, "--cache", str(tmp_path / "cache")]) == 0
    monkeypatch.chdir(tmp_path)
    assert main([*export, "--cache", str(tmp_path / "cache")]) == 2
    assert "no bundled task is called tones: put its YAML file into tasks/" in capsys.readouterr().err
    monkeypatch.chdir(place)
    table = place / "data" / "tones" / "clips.csv"
    text = table.read_text()
    try:
        table.write_text(text.replace(",low,", ",high,"))
        assert main([*export, "--cache", str(tmp_path / "cache")]) == 2
        assert "or their labels are not those of run" in capsys.readouterr().err
    finally:
        table.write_text(text)


def saved_probe(probe: str = "centroid", **more: object) -> tuple[str, SavedProbe]:
    (row,) = evar.evaluate("tones", "logmel", probe=probe, results=RESULTS, save_probe=True, device="cpu", **more)
    return row.run, evar.load_probe(row.run[:-2])


def test_it_is_a_classifier_of_scikit_learn() -> None:
    run, saved = saved_probe("m2d_paper(lr=0.01, epochs=3)")
    folder = exported()[next(row.embeddings_key for row in read_rows(RESULTS) if row.run == run)]
    x, labels = np.load(folder / "last.npy"), [clip["label"] for clip in table_of(folder)]
    pipeline = make_pipeline(FunctionTransformer(), clone(saved)).fit(x, labels)
    assert pipeline.score(x, labels) == accuracy_score(labels, saved.predict(x)) > 0.5
    shares = saved.predict_proba(x)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(saved.classes_[shares.argmax(axis=1)], saved.predict(x))
    assert (saved.n_features_in_, saved.about["encoder"]) == (160, "logmel")
    assert repr(saved).startswith("SavedProbe(tones: m2d_paper(")
    with pytest.raises(ValueError, match="X has 3 features, but the probe was fitted on 160"):
        saved.predict(x[:, :3])
    with pytest.raises(UsageError, match="unknown fold of this probe '7' .valid: 0, 1, 2"):
        saved.of_fold("7")


def test_a_row_without_a_probe_is_scored_again_and_one_with_it_is_not() -> None:
    (plain,) = evar.evaluate("tones", "logmel", probe="centroid", seed=5, results=RESULTS, device="cpu")
    with pytest.raises(DataError, match=f"run {plain.run} has no saved probe: score it again with --save-probe"):
        evar.load_probe(plain.run)
    runs = [saved_probe(seed=5)[0] for _ in range(2)]
    assert runs[0] == runs[1] != plain.run


def test_a_probe_goes_where_its_run_goes(tmp_path: Path) -> None:
    run, _ = saved_probe(seed=6)
    assert main(["import", str(RESULTS), "--results", str(tmp_path)]) == 0
    copied = probe_path(record_path(tmp_path, run))
    assert evar.load_probe(copied).folds == evar.load_probe(run, tmp_path).folds == ["0", "1", "2"]
    assert main(["runs", "remove", run, "--results", str(tmp_path)]) == 0
    assert not copied.exists()


class Doubled(LinearFit):
    """Somebody's fit, whose logits are its own."""

    def logits(self, x: np.ndarray) -> np.ndarray:
        return 2 * super().logits(x)


def test_a_fit_of_somebodys_own_kind_costs_the_file_and_not_the_row(
    monkeypatch: pytest.MonkeyPatch, notes: list[str]
) -> None:
    def fit(self: Centroid, examples: Examples, problems: Sequence[Problem], score: object) -> list[Doubled]:
        nothing = np.zeros((examples.x.shape[1], examples.classes), dtype=np.float32)
        same = Standardiser.identity(len(nothing))
        return [Doubled(same, nothing, nothing[0], converged=True) for _ in problems]

    monkeypatch.setattr(Centroid, "fit", fit)
    (row,) = evar.evaluate("tones", "logmel", probe="centroid", seed=9, results=RESULTS, save_probe=True, device="cpu")
    assert record_path(RESULTS, row.run).exists()
    assert not probe_path(record_path(RESULTS, row.run)).exists()
    assert f"of run {row.run} is not saved: a fit of class Doubled cannot be saved" in notes[-1]


def test_what_cannot_be_saved_is_said_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--task", "tones", "--probe", "logistic,knn", "--save-probe"]) == 2
    assert "probe knn cannot be saved, its fit is the training clips" in capsys.readouterr().err
    with pytest.raises(UsageError, match="save_probe keeps the probe beside its row: give results"):
        evar.evaluate("tones", "logmel", save_probe=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda arrays, about: (arrays, {**about, "classes": ["one"]}),
        lambda arrays, about: (arrays, {**about, "rounds": {}}),
        lambda arrays, about: (arrays, {**about, "rounds": {"0": {"output": "last", "fits": [{"kind": "pickle"}]}}}),
        lambda arrays, about: ({**arrays, "0.0.mean": arrays["0.0.mean"][:-1]}, about),
        lambda arrays, about: ({name: each.astype(np.float16) for name, each in arrays.items()}, about),
        lambda arrays, about: ({}, about),
        lambda arrays, about: (arrays, {}),
    ],
)
def test_a_file_that_is_no_probe_is_one_clear_error(tmp_path: Path, damage: object) -> None:
    run, saved = saved_probe(seed=7)
    arrays = safetensors.numpy.load_file(probe_path(record_path(RESULTS, run)))
    arrays, about = damage(arrays, dict(saved.about))  # type: ignore[operator]
    file = tmp_path / "x.probe.safetensors"
    safetensors.numpy.save_file(arrays, file, {"evar_probe": json.dumps(about)})
    with pytest.raises(DataError, match=r"x\.probe\.safetensors is no saved probe: "):
        evar.load_probe(file)


def test_a_file_that_is_cut_or_none_of_ours_is_one_clear_error(tmp_path: Path) -> None:
    run, _ = saved_probe(seed=7)
    whole, file = probe_path(record_path(RESULTS, run)).read_bytes(), tmp_path / "x.safetensors"
    for content in (whole[:-9], b"", b"x" * 100, safetensors.numpy.save({"a": np.zeros(3)})):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"x\.safetensors is no saved probe: "):
            evar.load_probe(file)
    with pytest.raises(DataError, match=r"none\.safetensors is no saved probe: "):
        evar.load_probe(tmp_path / "none.safetensors")


def test_folds_that_chose_other_layers_are_asked_for_one_by_one() -> None:
    _, saved = saved_probe(seed=8)
    rounds = [each if each.name != "1" else type(each)("1", "layer1", each.fits, each.dim) for each in saved.rounds]
    mixed = SavedProbe(saved.about, rounds)
    with pytest.raises(UsageError, match="folds of this probe read last, layer1: name one by of_fold"):
        mixed.predict(np.zeros((1, 160)))
    assert mixed.of_fold("1").predict(np.zeros((1, 160))).shape == (1,)
