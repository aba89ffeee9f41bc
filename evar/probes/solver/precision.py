"""Fast float32 products: those of the model (`model.py`), whose errors the certificate's float64 pass corrects.

The coordinates are made by exact ones: what is rounded there is wrong for every model that follows.

PyTorch may then round what is multiplied to TF32 (CUDA) or bfloat16 (CPUs with matrix instructions for it). A factor
that is split in two bfloat16 terms loses no more than 2^-17. On other CPUs the permission selects oneDNN's float32
products, full float32, which take half as long as MKL's on AMD's cores.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

SIDE = 256  # of the matrices that show whether products round


def fast_products(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Within the block float32 products are as fast as the device can; settings of before return afterwards."""
    return _products(device, fast=True)


def exact_products(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Within the block float32 products are of full float32; settings of before return afterwards."""
    return _products(device, fast=False)


@contextlib.contextmanager
def _products(device: torch.device, *, fast: bool) -> Iterator[None]:
    if device.type == "cuda":
        before_cuda = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = fast
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before_cuda
        return
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16" if fast else "ieee"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def products_round(device: torch.device) -> bool:
    """Whether float32 products round their factors, in the mode that is in force."""
    value = 1 + 2.0**-12
    found = torch.full((SIDE, SIDE), value, device=device) @ torch.eye(SIDE, device=device)
    return bool((found != value).any())


def split(matrix: Tensor) -> list[Tensor]:
    """A float32 matrix as two terms, each kept by rounding to bfloat16 but for 2^-17 of the whole."""
    high = matrix.bfloat16().float()
    return [high, matrix - high]
