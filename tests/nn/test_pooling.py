"""Chunk arithmetic for every length, and tokens to frames."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evar.nn.pooling import chunk_frames, chunks, frames_of, mean_over_frames
from evar.nn.vit import Grid

BASE = Grid(80, 608, 16, 16)
LONG = Grid(80, 1001, 16, 16)  # no whole number of patches
SPEECH = Grid(80, 400, 80, 2)


@pytest.mark.parametrize(
    ("frames", "grid", "expected"),
    [
        (1, BASE, [(0, 1)]),
        (608, BASE, [(0, 38)]),
        (609, BASE, [(0, 38), (608, 1)]),  # a last chunk of a single frame counts as one frame
        (1001, BASE, [(0, 38), (608, 25)]),
        (1001, LONG, [(0, 62)]),
        (1000, LONG, [(0, 62)]),  # padding to 63 patches would spill 7 frames into a chunk of their own
        (993, LONG, [(0, 62)]),
        (992, LONG, [(0, 62)]),
        (2001, LONG, [(0, 62), (1001, 62)]),
        (101, SPEECH, [(0, 51)]),
    ],
)
def test_chunks_of_known_lengths(frames: int, grid: Grid, expected: list[tuple[int, int]]) -> None:
    assert chunk_frames(frames, grid) == expected


@given(frames=st.integers(1, 4000), unit=st.integers(16, 1200), width=st.integers(1, 16))
def test_any_length_gives_chunks_that_a_model_takes(frames: int, unit: int, width: int) -> None:
    grid = Grid(80, unit, 80, width)
    cut = chunk_frames(frames, grid)
    assert len(cut) == -(-frames // unit)
    assert all(1 <= columns <= grid.columns for _, columns in cut)
    seen = sum(min(columns * width, frames - start) for start, columns in cut)
    assert frames - seen < width * len(cut)  # each chunk drops less than a patch


def test_padding_is_zeros_up_to_a_whole_patch() -> None:
    spectrogram = torch.randn(2, 80, 617)
    first, last = chunks(spectrogram, BASE)
    assert torch.equal(first, spectrogram[:, :, :608])
    assert torch.equal(last[:, :, :9], spectrogram[:, :, 608:])
    assert last.shape == (2, 80, 16)
    assert not last[:, :, 9:].any()


def test_a_column_s_tokens_are_joined_from_low_to_high_frequency() -> None:
    cls, rows = torch.tensor([[99.0]]), torch.tensor([[1.0], [2.0], [3.0], [10.0], [20.0], [30.0]])
    frames = frames_of(torch.cat([cls, rows])[None], rows=2)
    assert frames.tolist() == [[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]]


def test_the_mean_weighs_every_frame_alike_across_chunks() -> None:
    long, short = torch.ones(1, 3, 2), torch.full((1, 1, 2), 5.0)
    assert mean_over_frames([long, short]).tolist() == [[2.0, 2.0]]
