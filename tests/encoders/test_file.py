"""file: `open_encoder` of any file, its options, and what is said of files without one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from evar import encoders
from evar.base.errors import CheckpointError, DataError, UsageError
from evar.base.provenance import PACKAGE
from tests.encoders import written

ENCODER = """
import torch
from evar.encoders.contract import Encoder, Identity

class Loudness(Encoder):
    sample_rate = 8000
    outputs = ("mean", "peak")
    identity = Identity("loudness", weights="none at all")

    def encode(self, waveforms):
        return {"mean": waveforms.square().mean(1, keepdim=True), "peak": waveforms.abs().amax(1, keepdim=True)}

def open_encoder(weights, **options):
    assert options in ({}, {"any": 1})
    return Loudness()
"""


def spec(file: Path, more: str = "") -> str:
    return f"file(path={str(file)!r}{more})"


def test_any_module_with_a_rate_is_an_encoder(tmp_path: Path) -> None:
    file = written.write(tmp_path, "mine", written.FILE)
    first, other = (encoders.open_encoder(spec(file, f", options={{'seed': {seed}}}")) for seed in (0, 1))
    assert (first.sample_rate, first.identity.name, first.outputs) == (8000, "mine", ("last",))
    assert first.identity.options == {"path": str(file), "options": {"seed": 0}, "shortest": 0.1}
    assert first.identity.digest != other.identity.digest


def test_an_encoder_of_the_contract_keeps_its_outputs_and_name(tmp_path: Path) -> None:
    encoder = encoders.open_encoder(spec(written.write(tmp_path, "mine", ENCODER), ", options={'any': 1}"))
    assert encoder.outputs == ("mean", "peak")
    assert (encoder.identity.name, encoder.identity.weights) == ("loudness", "none at all")
    assert set(encoder.embed(torch.ones(1, 1), torch.tensor([1]))) == {"mean", "peak"}


def test_weights_are_passed_on(tmp_path: Path) -> None:
    text = written.FILE.replace("    return", "    assert weights.name == 'w.pt'\n    return")
    file = written.write(tmp_path, "mine", text)
    (tmp_path / "w.pt").write_bytes(b"weights")
    assert encoders.open_encoder(spec(file), tmp_path / "w.pt").identity.weights == "w.pt"
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        encoders.open_encoder(spec(file), tmp_path / "none.pt")


def test_a_setting_that_is_no_option_and_no_tensor_is_another_encoder(tmp_path: Path) -> None:
    text = written.FILE.replace("return Net(seed)", "net = Net(seed); net.register_forward_hook(louder); return net")
    text += "\nfrom pathlib import Path\ndef louder(net, given, frames): return float(Path(__file__).with_name("
    text += "'scale.txt').read_text()) * frames\n"
    file = written.write(tmp_path, "mine", text)
    found = []
    for scale in ("1.0", "2.0", "1.0"):
        (tmp_path / "scale.txt").write_text(scale)
        found.append(encoders.open_encoder(spec(file)).identity.behaviour)
    first, louder, again = found
    assert first == again
    assert first != louder


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("from net import Net\ndef open_model(): ...", "", r"exports no open_encoder\(.*; its functions: open_model"),
        ("def open_encoder(path): ...", "", "must take weights first"),
        ("{file}", ", options={'sed': 1}", r"unknown option of encoder file .*mine.py 'sed': did you mean seed\?"),
        ("{file}", ", options={'seed': 'x'}", "option seed must be a whole number, not 'x'"),
        ("{file}", ", options=3", "encoder file: option options must be names with their values, not 3"),
        ("def open_encoder(weights): return 3", "", "open_encoder gives a int and no torch.nn.Module"),
        ("def open_encoder(weights): raise ValueError('no\\nsuch')", "", r"raised ValueError: no such .*mine.py, line"),
        ("def open_encoder(weights): raise ValueError('\x1b[2J' + 'x' * 99_999)", "", r"\ufffd\[2Jx+\.\.\. "),
        ("{file}\nNet.forward = lambda self, audio: audio[:, :3] * float('nan')", "", "last holds NaN on clips of"),
        ("{file}\ndel Net.sample_rate", "", "it has no sample_rate; it must be a positive whole number"),
        ("{file}\nNet.forward = lambda self, audio: audio.sum()", "", r"gives \(\) torch.float32 for 2 clips"),
        ("{file}\nNet.forward = lambda self, audio: audio[:1]", "", r"gives \(1, 8000\) torch.float32 for 2 clips"),
        ("{file}\nNet.forward = lambda self, audio: audio.long()", "", "torch.int64 for 2"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_clear_line(tmp_path: Path, text: str, more: str, said: str) -> None:
    file = written.write(tmp_path, "mine", text.replace("{file}", written.FILE))
    with pytest.raises(UsageError, match=said) as caught:
        encoders.open_encoder(spec(file, more))
    assert "\n" not in str(caught.value)


def test_a_file_beside_this_package_uses_the_loaded_one(tmp_path: Path) -> None:
    file = written.write(tmp_path, "mine", ENCODER)
    (tmp_path / "evar").symlink_to(PACKAGE)  # as in a clone's root; in a process of its own, since it may unload evar
    command = f"from evar import encoders; print(encoders.open_encoder({spec(file)!r}).outputs)"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.stdout == "('mean', 'peak')\n", done.stderr


@pytest.mark.parametrize("where", ["open_encoder", "forward"])
def test_full_memory_while_opening_is_one_clear_error(tmp_path: Path, where: str) -> None:
    text = f"""
        import torch
        class Big(torch.nn.Module):
            sample_rate = 8000
            def forward(self, waveforms):
                raise MemoryError
        def open_encoder(weights):
            {"raise MemoryError" if where == "open_encoder" else "return Big()"}
    """
    file = written.write(tmp_path, "big", text)
    with pytest.raises(DataError, match="encoder file does not fit into the memory of this machine"):
        encoders.open_encoder(spec(file))


def test_tensors_of_other_shapes_are_named_with_both(tmp_path: Path) -> None:
    text = """
        import torch
        def open_encoder(weights):
            net = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Linear(2, 2))
            net.load_state_dict(torch.load(weights, weights_only=True))
            return net
    """
    file = written.write(tmp_path, "mine", text)
    torch.save({"0.weight": torch.zeros(3, 4), "more": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(UsageError) as caught:
        encoders.open_encoder(spec(file), tmp_path / "w.pt")
    said = str(caught.value)
    assert 'Missing key(s) in state_dict: "0.bias"' in said
    assert 'Unexpected key(s) in state_dict: "more"' in said
    assert "0.weight: copying a param with shape torch.Size([3, 4])" in said
    assert said.endswith("torch.Size([2, 4]). (" + str(file) + ", line 5)")
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("return {'mean': waveforms[:, :1]}", r"declares \('mean', 'peak'\), gives \('mean',\)"),
        ("return waveforms[:, :1]", "gives a Tensor, not {output: .clip, dim. float32}"),
        ("return {'mean': waveforms, 'peak': 3}", "peak is a int, not a tensor"),
        ("return {'mean': waveforms.sum(), 'peak': waveforms}", r"mean is \(\), not \(2, dim\)"),
        ("raise ValueError('no')", r"Loudness: embedding \(2, 8000\) samples raised ValueError: no .*line 11\)"),
        ("sample_rate = None", "sample_rate is None, no positive whole number"),
    ],
)
def test_what_an_encoder_of_the_contract_gives_is_looked_at(tmp_path: Path, change: str, said: str) -> None:
    text = ENCODER.replace("        return {", f"        {change}\n        return {{")
    if "rate" in change:
        text = ENCODER.replace("sample_rate = 8000", change)
    with pytest.raises(UsageError, match=said):
        encoders.open_encoder(spec(written.write(tmp_path, "mine", text)))


def test_weights_that_are_no_file_never_reach_the_users_code(tmp_path: Path) -> None:
    file = written.write(tmp_path, "mine", written.FILE.replace("    return", "    open(weights)\n    return"))
    os.mkfifo(tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="w.pt is no regular file"):
        encoders.open_encoder(spec(file), tmp_path / "w.pt")


def test_what_was_meant_is_said_where_no_encoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write(tmp_path, "my_encoder", written.FILE)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    (tmp_path / "w.pth").touch()
    monkeypatch.chdir(tmp_path)
    meant = {
        "my_encoder.py": "a file: --encoder \"file(path='my_encoder.py')\"",
        "my_encoder": "a file: --encoder \"file(path='my_encoder.py')\"",
        f"{tmp_path}/my_encoder.py": f"a file: --encoder \"file(path='{tmp_path}/my_encoder.py')\"",
        "model": "a folder of transformers: --encoder \"transformers(model='model')\"",
        "w.pth": "a checkpoint: --encoder m2d --weights w.pth",
        "tiny": "a checkpoint: --encoder m2d --weights tiny",
    }
    for given, said in meant.items():
        with pytest.raises(UsageError) as caught:
            encoders.open_encoder(given)
        assert str(caught.value) == f"unknown encoder {given!r}: that is {said}"
    with pytest.raises(UsageError, match="encoder file needs the option path"):
        encoders.open_encoder("file")
    with pytest.raises(UsageError, match="encoder m2d: weights are no option of it; give them beside it: --weights"):
        encoders.open_encoder("m2d(weights='w.pth')")
    for given in ("lgomel", "x" * 9999, "a/b"):
        with pytest.raises(UsageError, match="unknown encoder|is not a name"):
            encoders.open_encoder(given)


def test_the_documents_example_runs_with_and_without_weights(tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "encoders.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```python\n# my_encoder.py\n(.*?)```", document, re.DOTALL)
    file = tmp_path / "my_encoder.py"
    file.write_text(text)
    drawn = encoders.open_encoder(spec(file, ", options={'width': 8}"))
    assert drawn.embed(torch.ones(1, 8000), torch.tensor([8000]))["last"].shape == (1, 8)
    state = {"filters.weight": torch.zeros(8, 1, 400), "filters.bias": torch.ones(8)}
    torch.save(state, tmp_path / "w.pt")
    trained = encoders.open_encoder(spec(file, ", options={'width': 8}"), tmp_path / "w.pt")
    assert torch.equal(trained.embed(torch.ones(1, 8000), torch.tensor([8000]))["last"], torch.ones(1, 8))
