"""What a machine can do at most, and what an encoder asks of it: rates of matrix products, FLOPs of a ViT.

FLOPs count the matrix products of real tokens only (a multiplication and an addition are two); padding, norms, softmax
and GELU count nothing. The limit is the best of ten of each of the PRODUCTS, in the precision asked for; a GPU needs
larger ones, which a launch does not slow down.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from evar.embeddings.device import PRECISIONS
from evar.encoders.m2d import M2D
from evar.nn.pooling import chunk_frames
from evar.nn.vit import MLP_RATIO

PRODUCTS = {
    "cpu": ((2048, 2048, 2048), (4096, 768, 3072)),
    "cuda": ((8192, 8192, 8192), (65536, 768, 3072), (65536, 3072, 768)),
}
TRIES = 10
FRAMES_A_SECOND = 100  # of the log-mel, at every sample rate


def matrix_rate(device: torch.device, precision: str) -> float:
    """FLOP/s of the fastest of the PRODUCTS."""
    return max(_product_rate(rows, inner, columns, device, precision) for rows, inner, columns in PRODUCTS[device.type])


def flops_a_clip(encoder: M2D, seconds: float) -> float:
    """FLOPs of one clip through the ViT."""
    vit, total = encoder.vit, 0.0
    for _, columns in chunk_frames(int(seconds * FRAMES_A_SECOND) + 1, encoder.grid):
        patches = columns * vit.grid.rows
        tokens = patches + 1
        linear = tokens * vit.width * vit.width * (4 + 2 * MLP_RATIO)
        attention = 2 * tokens * tokens * vit.width
        embedding = patches * vit.grid.patch_mels * vit.grid.patch_frames * vit.width
        total += 2 * (vit.depth * (linear + attention) + embedding)
    return total


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds, what `work` gives)."""
    begin = time.perf_counter()
    answer = work()
    return time.perf_counter() - begin, answer


def settled(work: Callable[[], Any], device: torch.device, tries: int = 5) -> float:
    """Seconds of `work` until the device has done it: the median of `tries`, after one more that does not count."""

    def whole() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    whole()
    return median(timed(whole)[0] for _ in range(tries))


def _product_rate(rows: int, inner: int, columns: int, device: torch.device, precision: str) -> float:
    left = torch.randn(rows, inner, device=device).to(PRECISIONS[precision])
    right = torch.randn(inner, columns, device=device).to(PRECISIONS[precision])

    def multiply() -> None:
        torch.mm(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return 2 * rows * inner * columns / min(timed(multiply)[0] for _ in range(TRIES))
