"""file: `open_encoder` of any file, its options, and what is said of files without one."""

import os
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
        ("def open_encoder(weights): raise ValueError('no\\nsuch')", "", r"raised ValueError: no \(.*mine.py, line"),
        ("{file}\ndel Net.sample_rate", "", "it has no sample_rate"),
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


def test_the_path_must_be_given() -> None:
    with pytest.raises(UsageError, match="encoder file needs the option path"):
        encoders.open_encoder("file")


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
