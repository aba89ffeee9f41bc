"""`Encoder.embed`: lengths, order, devices' business, and what it refuses."""

import pytest
import torch
from torch import Tensor

from evar.encoders.contract import Encoder, Identity


class Recording(Encoder):
    """Gives sum and length of a clip; keeps the shapes that `encode` was called with."""

    sample_rate = 8000
    identity = Identity("recording")

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[int, ...]] = []

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        self.calls.append(tuple(waveforms.shape))
        length = torch.full((len(waveforms),), float(waveforms.shape[1]))
        return {"last": torch.stack([waveforms.sum(1), length], dim=1)}


def test_clips_of_one_length_are_encoded_together_and_cut_to_it() -> None:
    encoder = Recording()
    encoder.embed(torch.ones(4, 10), torch.tensor([3, 3, 3, 3]))
    assert encoder.calls == [(4, 3)]


def test_clips_of_several_lengths_come_back_in_their_order() -> None:
    encoder = Recording()
    embedded = encoder.embed(torch.ones(4, 10), torch.tensor([7, 3, 10, 3]))["last"]
    assert embedded[:, 0].tolist() == embedded[:, 1].tolist() == [7, 3, 10, 3]
    assert sorted(encoder.calls) == [(1, 7), (1, 10), (2, 3)]


@pytest.mark.parametrize(
    ("waveforms", "lengths", "complaint"),
    [
        (torch.ones(10), torch.tensor([10]), r"must be \(clip, sample\) float32"),
        (torch.ones(1, 10, dtype=torch.float64), torch.tensor([10]), "float64"),
        (torch.ones(2, 10), torch.tensor([10]), "lengths must be"),
        (torch.ones(1, 10), torch.tensor([0]), "within 1..10"),
        (torch.ones(1, 10), torch.tensor([11]), "within 1..10"),
    ],
)
def test_what_cannot_be_embedded_is_refused(waveforms: Tensor, lengths: Tensor, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Recording().embed(waveforms, lengths)
