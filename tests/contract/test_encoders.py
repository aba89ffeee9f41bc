"""Every encoder of the package keeps the contract; they are found, not listed."""

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from evar import encoders
from evar.base import plugins
from evar.encoders.checks import CHECKS, ContractBroken
from evar.encoders.contract import Encoder, Identity
from evar.testing import EncoderContract
from tests.encoders.examples import EXAMPLES


def keys() -> list[str]:
    """What the suite runs on: every encoder by its name where that suffices, and every example."""
    return [key for name in encoders.names() for key in [*([name] if opens_by_name(name) else []), *examples(name)]]


def examples(name: str) -> list[str]:
    return [key for key in EXAMPLES if key.partition(" ")[0] == name]


def opens_by_name(name: str) -> bool:
    """Whether an encoder has no option that must be given, and no example that stands for it."""
    parameters = inspect.signature(plugins.load("encoder", name)).parameters
    needed = [key for key, each in parameters.items() if each.default is each.empty and key != "weights"]
    return not needed and name not in EXAMPLES


def named(name: str) -> Callable[[Encoder], None]:
    return next(check for check in CHECKS if check.__name__ == name)


def test_encoders_are_found() -> None:
    assert {"m2d", "logmel", "random", "hear", "transformers", "xares", "file", "ge2e"} <= set(encoders.names())


@pytest.mark.parametrize("name", encoders.names())
def test_every_encoder_is_run(name: str) -> None:
    assert opens_by_name(name) or examples(name), (
        f"encoder {name} has options that must be given: add an example to tests/encoders/examples.py"
    )


def test_every_example_is_of_an_encoder() -> None:
    assert {key.partition(" ")[0] for key in EXAMPLES} <= set(encoders.names())


class TestEncoders(EncoderContract):
    """Of `keys()`."""

    calls = tuple(keys())

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, call: str, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
        """The encoder of a name, or of an example."""
        spec, weights = EXAMPLES[call](tmp_path_factory.mktemp("example")) if call in EXAMPLES else (call, None)
        return encoders.open_encoder(spec, weights)


class Spoiled(Encoder):
    """An encoder that breaks one promise: `spoil` changes its (clip, 4) embedding."""

    sample_rate = 8000
    identity = Identity("spoiled")

    def __init__(self, spoil: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.spoil = spoil
        self.eval()

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        statistics = torch.stack(
            [
                waveforms.abs().mean(1),
                waveforms.square().mean(1),
                waveforms.diff(prepend=waveforms[:, :1]).abs().mean(1),
            ],
            dim=1,
        )
        return {"last": self.spoil(statistics, waveforms)}


def _center(embedding: Tensor, waveforms: Tensor) -> Tensor:
    return embedding - embedding.mean(0)


def _number(embedding: Tensor, waveforms: Tensor) -> Tensor:
    return embedding + torch.arange(len(embedding))[:, None]


def _noise(embedding: Tensor, waveforms: Tensor) -> Tensor:
    return embedding + torch.rand(1)


def _scale(embedding: Tensor, waveforms: Tensor) -> Tensor:
    waveforms *= 0.5
    return embedding


SPOILS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gives_one_float32_vector_a_clip_for_every_output": lambda embedding, _: embedding.double(),
    "gives_the_same_bits_when_asked_again": _noise,
    "leaves_its_input_as_it_was": _scale,
    "tells_clips_apart": lambda embedding, _: torch.ones_like(embedding),
    "gives_the_same_for_any_batch_size": _center,
    "gives_the_same_in_any_order": _number,
    "ignores_batch_mates": _center,
    "stays_finite_on_silence_and_full_scale": lambda embedding, _: embedding / embedding[:, :1],
    "embeds_clips_of_any_length_from_one_sample_on": lambda embedding, waveforms: embedding / (waveforms.shape[1] - 1),
}


class Precise(Spoiled):
    """Says that it is in `says` where bfloat16 is asked for, and rounds its numbers to `rounds`."""

    def __init__(self, says: torch.dtype, rounds: torch.dtype) -> None:
        super().__init__(lambda embedding, _: embedding)
        self.says, self.rounds, self.now = says, rounds, torch.float32

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        return {"last": super().encode(waveforms)["last"].to(self.now).float()}

    def set_precision(self, dtype: torch.dtype) -> torch.dtype:
        self.now = self.rounds if dtype == torch.bfloat16 else dtype
        return self.says if dtype == torch.bfloat16 else dtype


@pytest.mark.parametrize(
    ("says", "rounds", "complaint"),
    [
        (torch.bfloat16, torch.float32, "says bfloat16, and the numbers stay those of float32"),
        (torch.float32, torch.bfloat16, "says float32, and changes the numbers"),
        (torch.float16, torch.float16, r"gives torch.float16"),
        (torch.bfloat16, torch.int8, "all zeros|moves by .* with bfloat16; at most 1e-01"),
    ],
)
def test_precision_check_catches_what_is_not_in_force(says: torch.dtype, rounds: torch.dtype, complaint: str) -> None:
    named("says_the_precision_that_is_in_force")(Precise(torch.bfloat16, torch.bfloat16))
    with pytest.raises(ContractBroken, match=complaint):
        named("says_the_precision_that_is_in_force")(Precise(says, rounds))


def test_zeros_that_move_are_reported_without_a_figure() -> None:
    def rises(embedding: Tensor, waveforms: Tensor) -> Tensor:
        return embedding if len(embedding) < 5 else torch.zeros_like(embedding)

    with pytest.raises(ContractBroken, match="last is all zeros for a clip, and is not with batches of 1"):
        named("gives_the_same_for_any_batch_size")(Spoiled(rises))


def test_an_honest_encoder_passes_every_check() -> None:
    for check in CHECKS:
        check(Spoiled(lambda embedding, _: embedding))


@pytest.mark.parametrize("name", SPOILS)
def test_each_check_catches_what_it_is_for(name: str) -> None:
    with pytest.raises(ContractBroken):
        named(name)(Spoiled(SPOILS[name]))


def test_frozen_check_catches_training_mode() -> None:
    with pytest.raises(ContractBroken, match="training mode"):
        named("is_frozen")(Spoiled(lambda embedding, _: embedding).train())


def test_padding_check_catches_an_encoder_that_reads_whole_rows() -> None:
    class Whole(Spoiled):
        def embed(self, waveforms: Tensor, lengths: Tensor) -> dict[str, Tensor]:
            return self.encode(waveforms)

    with pytest.raises(ContractBroken, match="beyond the clips' lengths"):
        named("never_sees_what_lies_beyond_a_clips_length")(Whole(lambda embedding, _: embedding))


def test_a_failed_check_names_output_and_figure() -> None:
    with pytest.raises(ContractBroken, match=r"last moves by .* \(relative\) with another order"):
        named("gives_the_same_in_any_order")(Spoiled(_number))
