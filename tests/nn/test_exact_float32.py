"""Float32 without TF32, and only within the block."""

import pytest
import torch

from evar.nn.exact_float32 import exact_float32


def settings() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_tf32_is_off_within_the_block_and_as_before_after_it() -> None:
    before = settings()
    torch.backends.cudnn.allow_tf32 = True
    try:
        with exact_float32():
            assert settings() == (False, False)
        assert torch.backends.cudnn.allow_tf32
        with pytest.raises(RuntimeError, match="inside"), exact_float32():
            raise RuntimeError("inside")
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
