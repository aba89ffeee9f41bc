"""Between spectrograms of any length and a ViT of a fixed one: chunks in, tokens to frames, mean over frames.

A spectrogram of T frames is cut every `unit` frames (the model's input length). A whole chunk has unit // pw columns
of patches (pw frames each); the few frames of a unit that fill no patch are dropped, as the patch convolution does.
The last, shorter chunk of r frames is zero-padded to whole patches, ceil(r / pw) columns, but never to more than a
whole chunk has: where unit is no multiple of pw (1001 and 16) and r lies just below it, padding would spill a second
chunk of less than one patch. Such a chunk is treated like a whole one and loses its last r % pw frames. So every
T >= 1 gives at least one column, and a remainder of a single frame gives one column that counts like any other.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from evar.nn.vit import Grid


def chunk_frames(frames: int, grid: Grid) -> list[tuple[int, int]]:
    """(first frame, columns of patches) of each chunk of a spectrogram of `frames` >= 1 frames.

    >>> chunk_frames(1001, Grid(80, 608, 16, 16))
    [(0, 38), (608, 25)]
    >>> chunk_frames(1000, Grid(80, 1001, 16, 16))
    [(0, 62)]
    """
    return [
        (start, min(-(-min(frames - start, grid.frames) // grid.patch_frames), grid.columns))
        for start in range(0, frames, grid.frames)
    ]


def chunks(spectrogram: Tensor, grid: Grid) -> Iterator[Tensor]:
    """Cut (clip, mel, frame) into chunks of whole patches, the last one filled up with zeros.

    Zeros are the mean of a normalised spectrogram: normalise first.
    """
    for start, columns in chunk_frames(spectrogram.shape[2], grid):
        width = columns * grid.patch_frames
        chunk = spectrogram[:, :, start : start + width]
        yield F.pad(chunk, (0, width - chunk.shape[2])).contiguous()


def frames_of(tokens: Tensor, rows: int, *, flat: bool = False) -> Tensor:
    """Tokens (clip, 1 + row * column, width) -> frame embeddings (clip, column, row * width).

    CLS is dropped; the tokens of one column are joined from low to high frequency. `flat` keeps them single, column by
    column: (clip, column * row, width).
    """
    clips, count, width = tokens.shape
    columns = (count - 1) // rows
    by_column = tokens[:, 1:].view(clips, rows, columns, width).transpose(1, 2)
    return by_column.reshape(clips, columns * rows, width) if flat else by_column.reshape(clips, columns, rows * width)


def mean_over_frames(chunked: list[Tensor]) -> Tensor:
    """Frame embeddings (clip, frame, dim) of consecutive chunks -> their mean over all frames, (clip, dim)."""
    return torch.cat(chunked, dim=1).mean(dim=1)
