"""The contracts of plug-ins as classes of tests, for this package's own and for everybody's.

    from evar.testing import EncoderContract

    class TestMine(EncoderContract):
        calls = ("loudness",)

The contracts need pytest; what they are made of (clouds, made-up results, trees) does not.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evar.testing.encoder_contract import EncoderContract as EncoderContract
    from evar.testing.format_contract import FormatContract as FormatContract
    from evar.testing.probe_contract import ProbeContract as ProbeContract
    from evar.testing.reader_contract import ReaderContract as ReaderContract

_CONTRACTS = {
    f"{kind.title()}Contract": f"{__name__}.{kind}_contract" for kind in ("encoder", "format", "probe", "reader")
}
"""Name -> the module that defines it."""


def __getattr__(name: str) -> Any:
    """A contract, whose assertions pytest explains."""
    if name not in _CONTRACTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    pytest.register_assert_rewrite(_CONTRACTS[name])
    return getattr(importlib.import_module(_CONTRACTS[name]), name)
