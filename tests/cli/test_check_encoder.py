"""`evar check-encoder`: a line a check, what fails and why, and an exit code."""

import pytest
import torch

from evar.cli import main
from evar.encoders.checks import CHECKS
from tests.encoders import written
from tests.encoders.examples import ge2e_checkpoint

RELEASE = "m2d_vit_base-80x608p16x16-221006-mr7"

TWISTED = """
import torch

class Net(torch.nn.Module):
    sample_rate = 8000

    def forward(self, audio):
        if audio.shape[1] < 900:
            raise ValueError("too\\nshort")
        powers = torch.stack([audio.square().mean(1), audio.abs().mean(1)], dim=1)
        return powers - powers.mean(0)

def open_encoder(weights):
    return Net()
"""


def test_an_honest_encoder_passes(capsys):
    assert main(["check-encoder", "logmel"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "logmel  no weights  16000 Hz  outputs: last"
    assert len(lines) == 1 + len(CHECKS)
    assert all(line.startswith("ok    ") for line in lines[1:])
    assert f"{len(CHECKS)} of {len(CHECKS)} checks passed" in err


def test_what_fails_is_reported_with_its_reason(tmp_path, capsys):
    file = written.write(tmp_path, "twisted", TWISTED)
    assert main(["check-encoder", f"file(path={str(file)!r}, shortest=0.01)"]) == 2
    lines = capsys.readouterr().out.splitlines()
    failed = {line.removeprefix("fails "): lines[place + 1] for place, line in enumerate(lines) if line[:5] == "fails"}
    assert "last moves by " in failed["gives the same for any batch size"]
    assert "too short (" in failed["embeds clips of any length from one sample on"]
    assert "gives the same bits when asked again" not in failed


def test_an_encoder_that_raises_does_not_stop_the_other_checks(tmp_path, capsys):
    text = """
        from evar.encoders.contract import Encoder, Identity
        class Own(Encoder):
            sample_rate = 8000
            identity = Identity("own")
            def encode(self, waveforms):
                assert waveforms.shape[1] > 10, "too short"
                return {"last": waveforms[:, :9]}
        def open_encoder(weights):
            return Own()
    """
    file = written.write(tmp_path, "own", text)
    assert main(["check-encoder", f"file(path={str(file)!r})"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert any("samples raised AssertionError: too short (" in line for line in lines)
    assert sum(line.startswith("ok") for line in lines) >= 9


def test_weights_are_passed_on(tmp_path, capsys):
    assert main(["check-encoder", "ge2e", "--weights", str(ge2e_checkpoint(tmp_path))]) == 0
    assert capsys.readouterr().out.startswith("ge2e  ge2e.pt  16000 Hz")


def test_an_encoder_that_does_not_open_is_reported_as_a_check(tmp_path, capsys):
    file = written.write(tmp_path, "failing", "def open_encoder(weights):\n    return 1 / 0\n")
    reasons = {
        "hear(module='nowhere.py')": "hear module: no file nowhere.py",
        f"file(path={str(file)!r})": "raised ZeroDivisionError",
    }
    for spec, reason in reasons.items():
        assert main(["check-encoder", spec]) == 2
        first, second = capsys.readouterr().out.splitlines()
        assert first == "fails opens"
        assert reason in second


def test_full_memory_is_a_check_that_fails(monkeypatch, capsys):
    def full(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("evar.encoders.logmel.LogMelStatistics.to", full, raising=False)
    assert main(["check-encoder", "logmel"]) == 2
    assert "logmel does not fit into the memory of cpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: NAME(..)"),
        (["tiny"], "unknown encoder 'tiny': that is a checkpoint: --encoder m2d --weights tiny"),
        (["m2d", "--weights", f"{RELEASE}x"], f"did you mean {RELEASE}"),
        (["lgomel"], "unknown encoder 'lgomel': did you mean logmel"),
        (["logmel", "--device", "cup"], "unknown device 'cup': did you mean cpu"),
        (["logmel", "more"], "'more' belongs to no option"),
    ],
)
def test_mistake_is_one_line(arguments, said, capsys):
    assert main(["check-encoder", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [line for line in err.splitlines() if "error: " in line]
    assert said in line


def test_the_promises_of_the_hear_api_are_checks_too(tmp_path, capsys):
    file = written.write(tmp_path, "mine", written.HEAR)
    assert main(["check-encoder", f"hear(module={str(file)!r})"]) == 2
    out, err = capsys.readouterr()
    assert "fails has a rate of the hear api\n      sample_rate is 8000, none of" in out
    assert (
        "fails gives time stamps as the hear api promises\n      there is no function get_timestamp_embeddings" in out
    )
    assert f"{len(CHECKS) + 1} of {len(CHECKS) + 3} checks passed" in err


def test_numbers_that_are_none_are_named(tmp_path, capsys):
    text = written.FILE.replace("return Net(seed)", "net = Net(seed); net.filters.data[3] = float('nan'); return net")
    file = written.write(tmp_path, "mine", text)
    assert main(["check-encoder", f"file(path={str(file)!r})"]) == 2
    assert capsys.readouterr().out == "fails opens\n      mine: 1 of its 1 tensors hold NaN: network.filters\n"


def test_cuts_at_random_show_in_a_long_clip(tmp_path, capsys):
    text = """
        import torch
        class Net(torch.nn.Module):
            sample_rate = 8000
            def forward(self, audio):
                start = int(torch.randint(max(1, audio.shape[1] - 80_000), ()))
                return audio[:, start : start + 80_000].abs().mean(1, keepdim=True)
        def open_encoder(weights):
            return Net()
    """
    assert main(["check-encoder", f"file(path={str(written.write(tmp_path, 'cut', text))!r})"]) == 2
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fails")]
    assert failed == ["fails gives the same bits for a long clip"]
