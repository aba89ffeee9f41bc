"""The contracts of plug-ins as classes of tests, for this package's own and for everybody's; needs pytest.

from evar.testing import EncoderContract

class TestMine(EncoderContract):
calls = ("loudness",)
"""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{kind}_contract" for kind in ("encoder", "probe", "reader", "format")))

from evar.testing.encoder_contract import EncoderContract  # noqa: E402  after that
from evar.testing.format_contract import FormatContract  # noqa: E402
from evar.testing.probe_contract import ProbeContract  # noqa: E402
from evar.testing.reader_contract import ReaderContract  # noqa: E402

__all__ = ["EncoderContract", "FormatContract", "ProbeContract", "ReaderContract"]
