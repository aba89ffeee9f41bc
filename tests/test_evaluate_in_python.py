"""`evar.evaluate(task, module)`: networks in memory, what stays as it was, what may be read from the cache again."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor, nn

import evar
from evar import encoders
from evar.base import progress
from evar.base.errors import UsageError
from evar.data.task import load_task
from evar.leaderboard.runs import read_predictions
from evar.result import Result
from tests.tones import RATE, write_tones


class Bands(nn.Module):
    """The power of a few bands of the spectrum, frame by frame; `power` is a setting that no state dict holds."""

    sample_rate = RATE

    def __init__(self, bands: int = 16, power: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.5, bands))
        self.dropout = nn.Dropout(0.5)
        self.power = power
        self.batches = 0

    def forward(self, waveforms: Tensor) -> Tensor:
        self.batches += 1
        spectrum = torch.fft.rfft(waveforms.unfold(1, 400, 160)).abs()[:, :, 1:]
        banded = spectrum.unflatten(2, (-1, 200 // 8)).mean(3) if len(self.weight) == 8 else spectrum[:, :, :16]
        return self.dropout((1e-3 + banded * self.weight).log() * self.power)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("python")
    write_tones(root)
    return root


def score(place: Path, module: nn.Module, **more: object) -> list[Result]:
    task = place / "tones.yaml"
    return evar.evaluate(task, module, data=place / "data", cache=place / "cache", device="cpu", **more)


def test_a_network_in_memory_is_scored(place: Path) -> None:
    (result,) = score(place, Bands(8))
    assert (result.task, result.encoder, result.weights, result.output) == ("tones", "Bands", "in memory", "last")
    assert result.score > 0.6
    assert result.n == 36
    assert pd.DataFrame([result.row()])["encoder"].tolist() == ["Bands"]


class Shaky(Bands):
    """Other embeddings at each call."""

    def forward(self, waveforms: Tensor) -> Tensor:
        embedded = super().forward(waveforms)
        return embedded + 0.1 * torch.rand_like(embedded)


def test_an_encoder_that_gives_other_embeddings_at_a_second_call_is_not_ranked(place: Path, notes: list[str]) -> None:
    (result,) = score(place, Shaky(8))
    assert not result.ranked
    assert result.why_unranked.startswith("unstable: ")
    assert [note for note in notes if "its rows are not ranked" in note]


def test_swapped_arguments_are_recognised(place: Path) -> None:
    for first in (Bands(8), "m2d", "random(seed=3)"):
        with pytest.raises(UsageError, match="a task comes first, then an encoder"):
            evar.evaluate(first, "tones")  # type: ignore[arg-type]


def test_the_module_stays_as_it_was(place: Path) -> None:
    module = Bands(8).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    score(place, module, name="stays")
    assert module.training
    assert module.dropout.training
    assert module.weight.requires_grad
    assert module.batches == 0
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_the_same_network_is_embedded_once_and_changed_weights_anew(place: Path) -> None:
    module = Bands(8)
    first, again = score(place, module, name="trained")[0], score(place, module, name="trained")[0]
    with torch.no_grad():
        module.weight[0] += 1e-3
    changed = score(place, module, name="trained")[0]
    assert (first.embed_cached, again.embed_cached, changed.embed_cached) == (False, True, False)
    assert first.weights_digest != changed.weights_digest


def test_a_setting_that_is_no_tensor_is_embedded_anew(place: Path) -> None:
    keys = {score(place, Bands(8, power), name="set")[0].embeddings_key for power in (1.0, 2.0, 1.0)}
    assert len(keys) == 2


def test_source_that_cannot_be_read_is_never_read_from_the_cache(place: Path) -> None:
    space = {"Bands": Bands, "__name__": "typed_at_a_prompt"}
    exec("class Typed(Bands):\n    def forward(self, waveforms):\n        return super().forward(waveforms)\n", space)
    typed: nn.Module = space["Typed"](8)  # type: ignore[operator]
    entries = set((place / "cache" / "embeddings").glob("*"))
    first, again = score(place, typed)[0], score(place, typed)[0]
    assert (first.embed_cached, again.embed_cached) == (False, False)
    assert {path for path in (place / "cache" / "embeddings").glob("*") if path.is_dir()} <= entries


def test_an_encoder_of_the_contract_keeps_its_name_and_outputs(place: Path) -> None:
    encoder = encoders.open_encoder("random(model='m2d_vit_tiny-80x20p80x2', layers=[3, 7])")
    results = score(place, encoder, precision="float32")
    assert [result.output for result in results] == ["3+7"]
    assert {result.encoder for result in results} == {"m2d_vit_tiny-80x20p80x2 (random weights)"}
    assert all(result.random_weights for result in results)


def test_no_leaderboard_is_written_unless_asked_for(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    score(place, Bands(8), probe="logistic, m2d_paper(epochs=2)")
    assert list(tmp_path.iterdir()) == []
    score(place, Bands(8), probe="logistic, m2d_paper(epochs=2)", results="rows", name="mine")
    rows = pd.read_csv(tmp_path / "rows" / "leaderboard.csv")
    assert rows["probe"].tolist() == ["logistic", "m2d_paper"]
    assert set(rows["encoder"]) == {"mine"}


def test_an_encoder_by_its_call_is_scored_as_the_command_line_does(place: Path) -> None:
    (result,) = score(place, "logmel", limit=5)
    assert (result.encoder, result.limit, result.ranked) == ("logmel", 5, False)
    with pytest.raises(UsageError, match="weights are for an encoder that is named"):
        score(place, Bands(8), weights="tiny")
    with pytest.raises(UsageError, match=r"the encoder's name has 5,000 letters: give one of at most 4,096"):
        score(place, Bands(8), name="x" * 5000)


def test_a_config_holds_settings_and_keywords_go_before_them(place: Path) -> None:
    config = evar.Config(data=place / "data", cache=place / "cache", limit=3, seed="7")
    (result,) = evar.evaluate(place / "tones.yaml", "logmel", config=config, limit=4)
    assert (result.limit, result.seed) == (4, 7)


def test_a_task_object_is_a_task(place: Path) -> None:
    task = load_task(str(place / "tones.yaml"))
    (result,) = evar.evaluate(task, Bands(8), data=place / "data", cache=place / "cache")
    assert result.task == "tones"


def rewritten(root: Path, said: dict[str, str], columns: str, **task: object) -> Path:
    """The tones with each label's cells written as `said`, below these columns, for a task that is changed so."""
    file = write_tones(root)
    table = (root / "data" / "tones" / "clips.csv").read_text().replace("label,", f"{columns},")
    table = re.sub(",(low|middle|high),", lambda found: f",{said[found[1]]},", table)
    (root / "data" / "tones" / "clips.csv").write_text(table)
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | task))
    return file


def test_pitches_have_a_chroma_accuracy_beside_their_accuracy(tmp_path: Path) -> None:
    task = rewritten(tmp_path, {"low": "62", "middle": "81", "high": "86"}, "label", pitches=True)
    (result,) = evar.evaluate(task, "logmel", data=tmp_path / "data", cache=tmp_path / "cache", device="cpu")
    assert list(result.metrics) == ["balanced_accuracy", "macro_f1", "chroma_accuracy"]
    assert (result.metrics["chroma_accuracy"] or 0) >= result.score > 0.6


def test_labels_that_are_known_in_part_are_scored(tmp_path: Path) -> None:
    """Of no clip but middle ones it is known whether it is high: they are not."""
    said = {"low": "low,middle", "middle": "middle,low;high", "high": "high,low"}
    task = rewritten(tmp_path, said, "labels,absent", kind="multi-label", metric="lwlrap")
    results = tmp_path / "results"
    config = evar.Config(data=tmp_path / "data", cache=tmp_path / "cache", device="cpu")
    for result in evar.evaluate(task, "logmel", probe="logistic, m2d_paper(lr=0.01)", results=results, config=config):
        assert result.metric == "lwlrap"
        assert 0.8 < result.score <= 1
        assert all(value is None or value > 0.8 for name, value in result.metrics.items() if name != "d_prime")
        targets = read_predictions(results, result.run).predictions.targets
        assert sorted(set(map(tuple, targets.tolist()))) == [(-1, 1, 0), (0, 0, 1), (1, 0, -1)]


def test_nothing_is_shown_until_it_is_asked_for(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score(place, Bands(8))
    assert capsys.readouterr() == ("", "")
    with evar.show_progress():
        score(place, Bands(8))
    out, err = capsys.readouterr()
    assert out == ""
    assert "probe logistic" in err
    with evar.show_progress(), evar.show_progress():
        score(place, "random(model='m2d_vit_tiny-80x20p80x2')")
    assert capsys.readouterr().err.count("nothing in it was learned") == 1
    score(place, Bands(8))
    assert capsys.readouterr() == ("", "")


def test_a_notebook_gets_tqdm_s_own_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    from tqdm import auto

    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert progress._tqdm() is auto.tqdm


class OfImages(nn.Module):
    """A network that says the size of its images, as one of audio says its sample rate."""

    image_size = 32


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (7, "evar.evaluate scores a torch.nn.Module, not a int"),
        (nn.Linear(2, 2), "module Linear: it has no sample_rate"),
        (OfImages(), "module OfImages: a network of images must be an evar.encoders.contract.ImageEncoder"),
        (Bands(3), r"module Bands: embedding \(2, 16000\) samples raised RuntimeError: .*test_evaluate_in_python.py"),
    ],
)
def test_what_cannot_be_scored_is_one_clear_error(place: Path, module: nn.Module, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        score(place, module)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("batch_size", -1, "batch_size must be auto or a whole number of at least 1, not '-1'"),
        ("batch_size", 2.5, "batch_size must be auto or a whole number"),
        ("batch_size", "atuo", "batch_size must be auto or a whole number"),
        ("seed", -1, "seed must be a whole number of at least 0"),
        ("seed", "a", "seed must be a whole number"),
        ("workers", -1, "workers must be a whole number of at least 1"),
        ("workers", 0, "workers must be a whole number of at least 1"),
        ("limit", 0, "limit must be a whole number of at least 1"),
        ("min_coverage", -5, "min_coverage must be a number from 0 to 1"),
        ("probe", "", "'' names no probe"),
        ("sed", 3, "unknown setting 'sed': did you mean seed"),
        ("draws", 3, "draws says how often the clips of shots are drawn: give shots too"),
    ],
)
def test_option_that_cannot_be_is_one_clear_error(place: Path, option: str, value: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        score(place, Bands(8), **{option: value})


def test_batch_size_is_auto_or_a_number(place: Path) -> None:
    sizes = [score(place, Bands(8, 3.0 + each), batch_size=size)[0].batch_size for each, size in enumerate(("auto", 5))]
    assert sizes == [108, 5]


def test_source_that_cannot_be_read_is_forgotten_after_an_error_too(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {"Bands": Bands, "__name__": "typed_at_a_prompt"}
    exec("class Typed(Bands):\n    def forward(self, waveforms):\n        return super().forward(waveforms)\n", space)
    typed: nn.Module = space["Typed"](8)  # type: ignore[operator]
    entries = {path for path in (place / "cache" / "embeddings").glob("*") if path.is_dir()}

    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evar.fitting.Fitter.each_output", fail)
    with pytest.raises(KeyboardInterrupt):
        score(place, typed)
    assert {path for path in (place / "cache" / "embeddings").glob("*") if path.is_dir()} <= entries


def test_a_module_that_cannot_be_copied_says_so(place: Path) -> None:
    module = Bands(8)
    module.made = (module.weight * 2).sum()
    with pytest.raises(UsageError, match="module Bands cannot be copied .*copy.deepcopy"):
        score(place, module)


def test_importing_the_package_or_the_leaderboard_imports_no_network() -> None:
    code = (
        "import evar, sys; print('torch' in sys.modules, 'pandas' in sys.modules);"
        "import evar.leaderboard.outputs; print('torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 4
