"""What every encoder must keep to, as a class of tests: the checks of `evar check-encoder`, one a test.

class TestMine(EncoderContract):
calls = ("loudness", "loudness(parts=3)")
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest

from evar import encoders
from evar.encoders.checks import CHECKS, OF_LENGTH
from evar.encoders.contract import Encoder


class EncoderContract:
    """Subclass it in a file of tests, by a name that begins with Test.

    calls: the encoders, as `--encoder` takes them. One that needs weights overrides the fixture `encoder`.
    """

    calls: ClassVar[Sequence[str]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test on each call."""
        if "call" in metafunc.fixturenames:
            metafunc.parametrize("call", self.calls, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, call: str) -> Encoder:
        """The encoder of a call."""
        return encoders.open_encoder(call)

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_encoder(self, encoder: Encoder, check: Callable[[Encoder], None]) -> None:
        if encoder.modality == "image" and check in OF_LENGTH:
            pytest.skip("images have no length")
        check(encoder)
