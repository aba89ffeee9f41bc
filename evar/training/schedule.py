"""The learning rate at every step. Steps count from 0."""

import math


def warm_cosine(step: int, steps: int, warmup: int, peak: float, least: float = 0.0) -> float:
    """0 at step 0, linear to `peak` at step `warmup`, then half a cosine down to `least` at step `steps`.

    Source: Loshchilov & Hutter, arXiv:1608.03983, equation 5, without restarts.
    """
    if step < warmup:
        return peak * step / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return least + (peak - least) * 0.5 * (1 + math.cos(math.pi * done))
