"""Shares as per cent, rounded by one rule wherever they are shown."""

import math
from decimal import ROUND_HALF_EVEN, Decimal


def rounded_percent(share: float, digits: int = 1, *, sign: bool = False) -> str:
    """0.8406 as "84.1", or "+84.1" with a `sign`; `digits` decimals.

    A 5 goes to the even neighbour, also where binary fractions leave it a little below or above: 0.4855 is "48.6".
    """
    if not math.isfinite(share):
        return str(share)
    exact = Decimal(f"{share:.12f}").scaleb(2).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    return f"{exact:+f}" if sign else f"{exact:f}"
