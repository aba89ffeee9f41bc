"""What an encoder does to a test signal, as a digest: the same on one machine, another one for another encoder."""

import pytest
import torch

from evar import encoders
from evar.encoders.adapter import behaviour_of
from evar.encoders.contract import Encoder, Identity


class Scaled(Encoder):
    """The first samples of a clip, louder."""

    sample_rate = 8000
    identity = Identity("scaled")

    def __init__(self, scale: float = 1.0, output: str = "last") -> None:
        super().__init__()
        self.scale, self.outputs = scale, (output,)

    def encode(self, waveforms: torch.Tensor) -> dict[str, torch.Tensor]:
        return {self.outputs[0]: self.scale * waveforms[:, :4]}


def test_settings_that_are_no_tensors_make_another_behaviour() -> None:
    slower = Scaled()
    slower.sample_rate = 4000
    others = [Scaled(1 + 1e-6), Scaled(output="other"), slower]
    assert len({behaviour_of(each) for each in (Scaled(), *others)}) == 4
    assert behaviour_of(Scaled()) == behaviour_of(Scaled())


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_does_not_change_a_behaviour(threads: int) -> None:
    encoder = encoders.open_encoder("random(seed=1, model='m2d_s_vit_tiny-80x20p80x2')")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = behaviour_of(encoder)
        torch.set_num_threads(threads)
        assert behaviour_of(encoder) == alone
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
