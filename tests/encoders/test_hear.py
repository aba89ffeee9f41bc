"""hear: modules of the HEAR 2021 API by name or file, their weights, and what is said of those that are none."""

from pathlib import Path

import pytest
import torch

from evar import encoders
from evar.base.errors import CheckpointError, UsageError
from evar.encoders.checks import ContractBroken
from evar.nn.checkpoint_file import digest_of
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
    with pytest.raises(CheckpointError, match="no checkpoint at .*none.pt: did you mean"):
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
        ("no such module", "no module named 'no such module'"),
        ("", "no module named ''"),
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


def test_a_package_may_hold_files_that_are_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = written.HEAR.replace("from net", "from templated.net")
    written.write(tmp_path / "templated", "api", text, __init__="", template="class {{ name }}: pass")
    monkeypatch.syspath_prepend(tmp_path)
    first = encoders.open_encoder(spec("templated.api")).identity
    (tmp_path / "templated" / "template.py").write_text("class {{ other }}: pass")
    assert encoders.open_encoder(spec("templated.api")).identity.code != first.code


def test_a_missing_dependency_is_named_and_not_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = "from .inner import load_model"
    written.write(tmp_path / "lacking", "inner", "import librosa_that_is_nowhere", __init__=package)
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("lacking", "lacking.inner"):
        with pytest.raises(UsageError, match=r"No module named 'librosa_that_is_nowhere' \(.*inner.py, line 1\)"):
            encoders.open_encoder(spec(module))


STAMPED = (
    written.HEAR
    + """
Net.sample_rate, Net.timestamp_embedding_size = 16000, 6

def get_timestamp_embeddings(audio, model):
    frames = model(audio)
    times = torch.arange(frames.shape[1]) * 10.0
    return frames, times.expand(len(audio), -1)
"""
)


def check_of(tmp_path: Path, text: str) -> None:
    encoder = encoders.open_encoder(spec(written.write(tmp_path, "mine", text)))
    for check in encoder.own_checks:
        check(encoder)


def test_the_promises_of_the_api_hold_for_modules_that_keep_them(tmp_path: Path) -> None:
    check_of(tmp_path, STAMPED)
    ours = encoders.open_encoder("hear(module='evar.hear')")
    assert len(ours.own_checks) == 3
    for check in ours.own_checks:
        check(ours)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("Net.sample_rate = 8000", r"sample_rate is 8000, none of \(16000, 22050"),
        ("del get_timestamp_embeddings", "there is no function get_timestamp_embeddings"),
        ("del Net.timestamp_embedding_size", "the model: it has no timestamp_embedding_size"),
        ("Net.timestamp_embedding_size = 7", r"frames are \(2, 198, 6\) torch.float32, not \(sound, frame, 7\)"),
        ("FRAMES.mean(1), TIMES", r"frames are \(2, 6\)"),
        ("FRAMES.half(), TIMES", "frames are .* torch.float16"),
        ("FRAMES[:1], TIMES", r"frames are \(1, 198, 6\)"),
        ("FRAMES / 0, TIMES", "frames hold numbers that are not finite"),
        ("FRAMES", "gives a Tensor and no .embeddings, timestamps."),
        ("FRAMES, TIMES[0]", r"times are \(198,\), not one a frame: \(2, 198\)"),
        ("FRAMES, TIMES / 1000", "times are from 0 to 1.97 for a sound of 2000 milliseconds"),
        ("FRAMES, 2 * TIMES", "times are from 0 to 3940 for a sound of 2000"),
        ("FRAMES, TIMES - 10", "times are from -10 to"),
        ("FRAMES, TIMES.flip(1)", "times do not increase"),
        ("FRAMES, TIMES ** 2 / 2000", "times are not even: steps differ from their mean by up to"),
        ("1 / 0", "get_timestamp_embeddings raised ZeroDivisionError"),
    ],
)
def test_each_promise_of_the_api_is_looked_at(tmp_path: Path, change: str, said: str) -> None:
    text = f"{STAMPED}\n{change}\n"
    if not change.startswith(("Net", "del")):
        given = change.replace("FRAMES", "frames").replace("TIMES", "times")
        text = STAMPED.replace(
            "    return frames, times", f"    times = times.expand(2, -1)\n    return {given}\n    times"
        )
    with pytest.raises((ContractBroken, UsageError), match=said):
        check_of(tmp_path, text)
