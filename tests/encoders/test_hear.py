"""hear: modules of the HEAR 2021 API by name or file, their weights, and what is said of those that are none."""

from pathlib import Path

import pytest
import torch

from evar import encoders
from evar.base.errors import CheckpointError, DataError, UsageError
from evar.nn.checkpoint import digest_of
from tests.encoders import written


def spec(file: Path | str, more: str = "") -> str:
    return f"hear(module={str(file)!r}{more})"


def clips(samples: int = 4000) -> torch.Tensor:
    return 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(0))


def test_scene_embeddings_are_the_modules_own(tmp_path: Path) -> None:
    encoder = encoders.open_encoder(spec(written.write(tmp_path, "mine", written.HEAR)))
    assert (encoder.sample_rate, encoder.identity.name) == (8000, "mine")
    filters = next(encoder.parameters())
    expected = torch.tanh(clips().unfold(1, 400, 160) @ filters).mean(1)
    torch.testing.assert_close(encoder.embed(clips(), torch.tensor([4000, 4000]))["last"], expected)


def test_weights_are_passed_on_and_named(tmp_path: Path) -> None:
    file = written.write(tmp_path, "mine", written.HEAR)
    torch.save({"filters": torch.ones(400, 6)}, tmp_path / "w.pt")
    encoder = encoders.open_encoder(spec(file), tmp_path / "w.pt")
    assert torch.equal(next(encoder.parameters()), torch.ones(400, 6))
    assert (encoder.identity.weights, encoder.identity.digest) == ("w.pt", digest_of(tmp_path / "w.pt"))
    with pytest.raises(CheckpointError, match="no checkpoint at .*none.pt, for the hear module"):
        encoders.open_encoder(spec(file), tmp_path / "none.pt")


def test_a_change_of_any_file_that_it_imports_is_another_encoder(tmp_path: Path) -> None:
    file = written.write(tmp_path, "mine", written.HEAR)
    first, again = (encoders.open_encoder(spec(file)).identity for _ in range(2))
    (tmp_path / "unrelated.py").write_text("x = 1\n")
    assert first == again == encoders.open_encoder(spec(file)).identity
    (tmp_path / "net.py").write_text(written.NET + "# another version\n")
    assert encoders.open_encoder(spec(file)).identity.code != first.code


def test_neighbours_of_the_same_name_in_another_folder_are_others(tmp_path: Path) -> None:
    first = encoders.open_encoder(spec(written.write(tmp_path / "a", "mine", written.HEAR)))
    changed = written.write(tmp_path / "b", "mine", written.HEAR)
    (tmp_path / "b" / "net.py").write_text(written.NET.replace("0.1 * drawn", "0.2 * drawn"))
    second = encoders.open_encoder(spec(changed))
    torch.testing.assert_close(2 * next(first.parameters()), next(second.parameters()))


def test_a_package_of_the_users_counts_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write(tmp_path / "my_package", "api", written.HEAR.replace("from net", "from my_package.net"), __init__="")
    monkeypatch.syspath_prepend(tmp_path)
    first = encoders.open_encoder(spec("my_package.api")).identity
    assert first.name == "my_package.api"
    (tmp_path / "my_package" / "net.py").write_text(written.NET + "# another version\n")
    assert encoders.open_encoder(spec("my_package.api")).identity.code != first.code


def test_short_clips_are_padded_to_what_the_network_needs(tmp_path: Path) -> None:
    file = written.write(tmp_path, "mine", written.HEAR)
    encoder = encoders.open_encoder(spec(file, ", shortest=0.5"))
    padded = torch.nn.functional.pad(clips(100), (0, 3900))
    short = encoder.embed(clips(100), torch.tensor([100, 100]))["last"]
    torch.testing.assert_close(short, encoder.embed(padded, torch.tensor([4000, 4000]))["last"])


def test_what_the_module_prints_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoders.open_encoder(spec(written.write(tmp_path, "mine", written.HEAR + "print('loading')\n")))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "loading\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("load_modell = 1", "has no function load_model, so it is no module of the HEAR 2021 API"),
        ("def load_model(): ...", "has no function get_scene_embeddings"),
        (
            "import torchvison",
            r"importing it raised ModuleNotFoundError: No module named 'torchvison' \(.*mine.py, line 1",
        ),
        ("x = (", r"importing it raised SyntaxError: .*never closed \(.*mine.py, line 1\)"),
        ("import sys\nsys.exit(1)", r"importing it raised SystemExit: 1 \(.*mine.py, line 2\)"),
        ("{hear}\ndef load_model(): return open('nowhere')", r"load_model raised FileNotFoundError: .*nowhere"),
        ("{hear}\ndef load_model(): return {}", "load_model gives a dict and no torch.nn.Module"),
        ("{hear}\ndel Net.sample_rate", "it has no sample_rate; it must be a positive whole number"),
        ("{hear}\nNet.sample_rate = '8k'", "its sample_rate is '8k'"),
        ("{hear}\nNet.scene_embedding_size = 7", r"declares dim 7 and gives \(2, 6\)"),
        (
            "{hear}\ndef get_scene_embeddings(audio, model): return model(audio)",
            r"gives \(2, 48, 6\) torch.float32 for 2 ",
        ),
        (
            "{hear}\ndef get_scene_embeddings(audio, model): return [audio]",
            r"gives a list: expected a tensor \(clip, dim\)",
        ),
        (
            "{hear}\ndef get_scene_embeddings(audio, model): return audio[:, :8] @ model.filters",
            r"embedding \(2, 8000\) ",
        ),
    ],
)
def test_what_is_wrong_with_a_module_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    file = written.write(tmp_path, "mine", text.replace("{hear}", written.HEAR))
    with pytest.raises(UsageError, match=said) as caught:
        encoders.open_encoder(spec(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("no_such_module", "no module named 'no_such_module': name a .py file, or install its package"),
        ("no_such.module", "no module named 'no_such.module'"),
        ("only_here", "no module named 'only_here': did you mean only_here.py?"),
        ("onyl_here.py", r"no file onyl_here.py \(.* holds net.py, only_here.py\)"),
        ("nowhere/mine.py", r"no file nowhere/mine.py \(.*nowhere holds no .py file\)"),
    ],
)
def test_typo_in_the_module_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, said: str
) -> None:
    written.write(tmp_path, "only_here", written.HEAR)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        encoders.open_encoder(spec(module))


def test_memory_that_runs_out_while_it_is_opened_is_one_clear_error(tmp_path: Path) -> None:
    more = "\ndef get_scene_embeddings(audio, model):\n    raise torch.OutOfMemoryError('full')\n"
    with pytest.raises(DataError, match="encoder hear does not fit into the memory"):
        encoders.open_encoder(spec(written.write(tmp_path, "mine", written.HEAR + more)))


def test_a_package_may_hold_files_that_are_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = written.HEAR.replace("from net", "from templated.net")
    written.write(tmp_path / "templated", "api", text, __init__="", template="class {{ name }}: pass")
    monkeypatch.syspath_prepend(tmp_path)
    first = encoders.open_encoder(spec("templated.api")).identity
    (tmp_path / "templated" / "template.py").write_text("class {{ other }}: pass")
    assert encoders.open_encoder(spec("templated.api")).identity.code != first.code
