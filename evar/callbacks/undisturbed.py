"""What an evaluation may touch and a training must find again: random state and switches of the process.

Within the block torch is as in a fresh process, whatever the training has set, so that a score while training is the
score of the same weights afterwards.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

BACKENDS: Any = torch.backends
FLOAT32 = (  # where torch keeps how exact float32 products are, from the general to the particular
    BACKENDS,
    BACKENDS.cudnn,
    BACKENDS.mkldnn,
    BACKENDS.cuda.matmul,
    *(getattr(backend, operation) for backend in (BACKENDS.cudnn, BACKENDS.mkldnn) for operation in ("conv", "rnn")),
    BACKENDS.mkldnn.matmul,
)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Within the block anything may be drawn and switched; afterwards all is as it was, also after an error.

    Kept are the random state of Python, NumPy and torch on every device, the default dtype and device, autocast and
    gradients' mode, threads, determinism, cuDNN's switches, and how exact float32 products are.
    """
    undo = [_switches(), _float32(), _random_state()]
    try:
        torch.set_default_dtype(torch.float32)
        torch.use_deterministic_algorithms(False)
        with _on_cpu(), torch.inference_mode(False), torch.enable_grad(), _no_autocast():
            yield
    finally:
        for put_back in undo:
            put_back()


def _switches() -> Callable[[], None]:
    """Puts back torch's switches as they are now."""
    dtype, threads, cudnn = torch.get_default_dtype(), torch.get_num_threads(), BACKENDS.cudnn
    autotunes, in_order = cudnn.benchmark, cudnn.deterministic
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()

    def put_back() -> None:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        cudnn.benchmark, cudnn.deterministic = autotunes, in_order

    return put_back


def _float32() -> Callable[[], None]:
    """Makes float32 products as exact as torch does by itself; puts back how exact they are now.

    torch has an older and a newer way to say it, and reading by the older one fails where the newer was used.
    """
    precisions, older = [place.fp32_precision for place in FLOAT32], "highest"
    convolutions = True
    with contextlib.suppress(RuntimeError):
        older = torch.get_float32_matmul_precision()
    with contextlib.suppress(RuntimeError):
        convolutions = BACKENDS.cudnn.allow_tf32

    def put(matmul: str, cudnn: bool, values: list[str]) -> None:
        torch.set_float32_matmul_precision(matmul)
        BACKENDS.cudnn.allow_tf32 = cudnn
        for place, value in zip(FLOAT32, values, strict=True):
            place.fp32_precision = value

    put("highest", True, ["none"] * 4 + ["tf32", "tf32"] + ["none"] * 3)
    return lambda: put(older, convolutions, precisions)


def _random_state() -> Callable[[], None]:
    """Puts back what is drawn next, on every device that is in use."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002  the old one too
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    mps = torch.mps.get_rng_state() if BACKENDS.mps.is_available() else None

    def put_back() -> None:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)

    return put_back


def _on_cpu() -> contextlib.AbstractContextManager[object]:
    """New tensors on the CPU, as torch has it by itself; where they are there already nothing slows each call down."""
    return contextlib.nullcontext() if torch.empty(0).device.type == "cpu" else torch.device("cpu")


@contextlib.contextmanager
def _no_autocast() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield
