"""How precisely a training computes, and that it adds up in a fixed order."""

import contextlib
from collections.abc import Iterator

import torch

from evar.base.errors import UsageError
from evar.nn.exact_float32 import exact_float32


def fix_numerics() -> None:
    """Make a CUDA device add up in a fixed order (attention's gradients do not, otherwise); nothing autotunes."""
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time, guards nothing here


@contextlib.contextmanager
def numerics(precision: str) -> Iterator[None]:
    """Exact float32 (no TF32) for the block where that is the precision."""
    with exact_float32() if precision == "float32" else contextlib.nullcontext():
        yield


def require_trainable(precision: str) -> None:
    """Raise UsageError for a precision that nothing here trains in."""
    if precision == "float16":
        raise UsageError("--precision float16 cannot be trained in without loss scaling: take bfloat16 or float32")
