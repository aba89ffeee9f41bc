"""Full float32: products and convolutions without TF32, which would keep only 10 of the 23 bits of the mantissa.

PyTorch lets cuDNN convolutions use TF32 by default, and the log-mel is one: it would be off by 1e-3 on such a GPU.
"""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """Within the block float32 means float32 on every device; settings of before return afterwards."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
