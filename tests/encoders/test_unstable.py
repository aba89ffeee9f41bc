"""`unstable`: encoders from outside that give a clip no embedding of its own are found by six clips."""

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from evar import encoders
from evar.encoders.adapter import in_memory
from evar.encoders.checks import unstable
from evar.encoders.contract import Encoder

RATE = 8000
CPU = torch.device("cpu")


class Levels(torch.nn.Module):
    """Gives a few levels of a clip, changed by `spoil`."""

    sample_rate = RATE

    def __init__(self, spoil: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.spoil, self.seen = spoil, 0

    def forward(self, waveforms: Tensor) -> Tensor:
        self.seen += len(waveforms)
        levels = torch.stack([waveforms.abs().mean(1), waveforms.diff(dim=1).abs().mean(1)], dim=1)
        return self.spoil(levels, waveforms)


@functools.cache
def opened() -> tuple[Encoder, Levels]:
    """An encoder, and the network in it."""
    encoder = in_memory(Levels(lambda levels, _: levels))
    return encoder, next(each for each in encoder.modules() if isinstance(each, Levels))


def made(spoil: Callable[[Tensor, Tensor], Tensor]) -> Encoder:
    encoder, network = opened()
    network.spoil, network.seen = spoil, 0  # after it was opened, so that no check has seen it before
    return encoder


def cut_at_random(levels: Tensor, waveforms: Tensor) -> Tensor:
    """A second of each clip, as models of a fixed input draw it."""
    start = int(torch.randint(max(1, waveforms.shape[1] - RATE), ()))
    return waveforms[:, start : start + RATE].unfold(1, 100, 100).abs().mean(2)[:, :8]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda levels, _: levels + 0.01 * torch.rand(1), "with a second call"),
        (lambda levels, _: levels / levels.amax(), "with another clip beside it"),
        (lambda levels, _: levels - levels.mean(0), "with another clip beside it"),
        (lambda levels, _: levels + torch.arange(len(levels))[:, None], "with another place in the batch"),
        (cut_at_random, "with a second call"),
        (lambda levels, _: levels / 0, "last holds infinite numbers on clips of 16000 samples: 2 of 2 clips"),
        (lambda levels, _: levels * torch.nan, "last holds NaN"),
    ],
)
def test_the_reason_is_one_line(spoil: Callable[[Tensor, Tensor], Tensor], said: str) -> None:
    reason = unstable(made(spoil), 2 * RATE, CPU)
    assert said in reason
    assert "\n" not in reason


def test_cuts_at_random_need_clips_as_long_as_the_tasks() -> None:
    assert unstable(made(cut_at_random), RATE, CPU) == ""


def test_an_honest_encoder_passes_at_the_price_of_six_clips() -> None:
    assert unstable(made(lambda levels, _: levels), 100 * RATE, CPU) == ""
    assert opened()[1].seen == 6


def test_rounding_of_16_bits_at_another_place_passes() -> None:
    def rounded(levels: Tensor, waveforms: Tensor) -> Tensor:
        return levels * (1 + 1e-3 * torch.arange(len(levels))[:, None])

    assert unstable(made(rounded), RATE, CPU) == ""


def test_encoders_of_this_package_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoders.open_encoder("logmel")
    monkeypatch.delattr(Encoder, "embed")
    assert unstable(encoder, RATE, CPU) == ""


def test_want_of_memory_is_no_reason_and_is_noted(notes: list[str]) -> None:
    def full(levels: Tensor, waveforms: Tensor) -> Tensor:
        raise MemoryError

    assert unstable(made(full), RATE, CPU) == ""
    assert any("was not checked: memory is short" in note for note in notes)
