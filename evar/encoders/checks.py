"""The contract of encoders as checks: each takes an open encoder (float32, any device) and says what it does wrong.

A check's name is the sentence that it checks; it raises `ContractBroken` with the outputs and numbers concerned.
`checks_of` an encoder are all of them, or for images those that have nothing to do with a clip's length. Clips are
short, seeded, at the encoder's own rate or size; "equal" means to 1e-6 relative to the
2-norm of a clip's embedding, which leaves room for another order of summation and for nothing else; in batches of other
shapes to 5e-6, for every product of a deep network then adds in another order.
"""

import copy
import json
import logging
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from evar.encoders.contract import Encoder
from evar.nn.memory import enough_memory, out_of_memory

log = logging.getLogger(__name__)

TOLERANCE = 1e-6
SHAPES = 5e-6  # where batches have other shapes
BFLOAT16 = 0.1  # relative; its numbers have 8 bits, and a deep network adds up what they lack
CLIPS = 5
SECONDS = 0.3
LONG = 31.0  # seconds
STABLE = 1e-5  # of an encoder from outside, whose device may add in another order each time
PLACED = 1e-2  # the same at another place of a batch, where kernels and numbers of 16 bits differ more
LONGEST_LOOK = 30.0  # seconds

Embedded = Mapping[str, Tensor]
Check = Callable[[Encoder], None]


class ContractBroken(AssertionError):
    """An encoder does not keep what `Encoder` promises."""


def require(kept: bool, what: str) -> None:
    """Raise ContractBroken that states `what` unless it is `kept`."""
    if not kept:
        raise ContractBroken(what)


def describes_itself(encoder: Encoder) -> None:
    """It has a sample rate, or an image's size, outputs and an identity whose options can be stored as JSON."""
    name = "image_size" if encoder.modality == "image" else "sample_rate"
    rate = getattr(encoder, name, None)
    require(isinstance(rate, int) and rate > 0, f"{name} is {rate!r}, no positive whole number")
    require(name == "sample_rate" or encoder.rate % 2 == 0, f"image_size is {rate}, no even number")
    require(len(encoder.outputs) == len(set(encoder.outputs)) > 0, f"outputs are {encoder.outputs!r}")
    require(bool(encoder.identity.name), "identity.name is empty")
    try:
        json.dumps(dict(encoder.identity.options))
    except TypeError as error:
        raise ContractBroken(f"identity.options cannot be stored as JSON: {error}") from error


def is_frozen(encoder: Encoder) -> None:
    """It is in eval mode, and no parameter and no embedding asks for a gradient."""
    training = [name or "itself" for name, module in encoder.named_modules() if module.training]
    require(not training, f"in training mode: {training[:3]}")
    learning = [name for name, parameter in encoder.named_parameters() if parameter.requires_grad]
    require(not learning, f"parameters that ask for gradients: {learning[:3]}")
    grown = [output for output, values in _embed(encoder, _clips(encoder)).items() if values.requires_grad]
    require(not grown, f"outputs with gradients: {grown}")


def gives_one_float32_vector_a_clip_for_every_output(encoder: Encoder) -> None:
    """Each declared output, and no other, is (clip, dim) float32, on the device of the waveforms."""
    waveforms = _clips(encoder)
    require_vectors(encoder, waveforms, _embed(encoder, waveforms))


def require_vectors(encoder: Encoder, waveforms: Tensor, embedded: object) -> None:
    """Raise ContractBroken unless `embedded` is what an encoder must give for these waveforms, all of it finite."""
    require(isinstance(embedded, Mapping), f"gives a {type(embedded).__name__}, not {{output: (clip, dim) float32}}")
    assert isinstance(embedded, Mapping)
    require(set(embedded) == set(encoder.outputs), f"declares {encoder.outputs}, gives {tuple(embedded)}")
    for output, values in embedded.items():
        require(isinstance(values, Tensor), f"{output} is a {type(values).__name__}, not a tensor")
        fits = values.ndim == 2 and len(values) == len(waveforms) and values.shape[1] > 0
        require(fits, f"{output} is {tuple(values.shape)}, not ({len(waveforms)}, dim)")
        require(values.dtype == torch.float32, f"{output} is {values.dtype}, not float32")
        require(values.device == waveforms.device, f"{output} is on {values.device}, waveforms on {waveforms.device}")
    _require_finite(embedded, _what(waveforms))


def gives_the_same_bits_when_asked_again(encoder: Encoder) -> None:
    """The same batch gives the same embeddings to the bit."""
    _require_same_bits(encoder, _clips(encoder))


def gives_the_same_bits_for_a_long_clip(encoder: Encoder) -> None:
    """A clip longer than any model's input gives the same embedding to the bit: nothing is cut out at random."""
    _require_same_bits(encoder, signal(encoder, 1, LONG))


def _require_same_bits(encoder: Encoder, waveforms: Tensor) -> None:
    first, second = _embed(encoder, waveforms), _embed(encoder, waveforms)
    changed = [output for output in first if not torch.equal(first[output], second[output])]
    require(not changed, f"outputs that differ between two runs: {changed}")


def leaves_its_input_as_it_was(encoder: Encoder) -> None:
    """Waveforms and lengths are not changed, whether lengths are equal or not."""
    waveforms = _clips(encoder)
    full = torch.full((CLIPS,), waveforms.shape[1])
    for lengths in (full, full - torch.arange(CLIPS)):
        before = waveforms.clone(), lengths.clone()
        encoder.embed(waveforms, lengths)
        kept = torch.equal(waveforms, before[0]) and torch.equal(lengths, before[1])
        require(kept, "embed changed the waveforms or lengths that it was given")


def tells_clips_apart(encoder: Encoder) -> None:
    """Different clips have different embeddings."""
    for output, values in _embed(encoder, _clips(encoder)).items():
        require(len(torch.unique(values, dim=0)) == CLIPS, f"{output} is equal for different clips")


def gives_the_same_for_any_batch_size(encoder: Encoder) -> None:
    """A clip alone, in a pair or in the whole batch has one embedding."""
    waveforms = _clips(encoder)
    whole = _embed(encoder, waveforms)
    for size in (1, 2):
        parts = [_embed(encoder, part) for part in torch.split(waveforms, size)]
        _require_equal(
            {name: torch.cat([part[name] for part in parts]) for name in whole},
            whole,
            f"batches of {size}",
            SHAPES,
        )


def gives_the_same_in_any_order(encoder: Encoder) -> None:
    """Clips in another order have the same embeddings in that order."""
    waveforms = _clips(encoder)
    order = torch.tensor([3, 0, 4, 2, 1], device=waveforms.device)
    straight = _embed(encoder, waveforms)
    _require_equal(
        _embed(encoder, waveforms[order]), {name: values[order] for name, values in straight.items()}, "another order"
    )


def ignores_batch_mates(encoder: Encoder) -> None:
    """A clip's embedding is the same beside silence, full scale and longer clips as alone."""
    clip = _clips(encoder)[:1]
    mates = torch.stack([torch.zeros_like(clip[0]), torch.ones_like(clip[0]), 0.01 * clip[0]])
    beside = _embed(encoder, torch.cat([clip, mates]))
    alone = _embed(encoder, clip)
    _require_equal({name: values[:1] for name, values in beside.items()}, alone, "other batch mates", SHAPES)
    if encoder.modality == "image":
        return
    longer = torch.cat([clip, clip.flip(1)], dim=1).repeat(2, 1)
    mixed = encoder.embed(longer, torch.tensor([clip.shape[1], longer.shape[1]]))
    _require_equal({name: values[:1] for name, values in mixed.items()}, alone, "a longer batch mate", SHAPES)


def never_sees_what_lies_beyond_a_clips_length(encoder: Encoder) -> None:
    """Zeros, noise or non-numbers behind the end of a clip change nothing."""
    clips = _clips(encoder)
    lengths = torch.tensor([clips.shape[1] - 400 * (1 + row % 2) for row in range(CLIPS)])
    ends = [row[:length] for row, length in zip(clips, lengths.tolist(), strict=True)]
    alone = [_embed(encoder, end[None]) for end in ends]
    cut = {name: torch.cat([embedded[name] for embedded in alone]) for name in alone[0]}
    for what, filling in {"zeros": 0.0, "full scale": 1.0, "NaN": float("nan")}.items():
        padded = clips.clone()
        for row, length in enumerate(lengths.tolist()):
            padded[row, length:] = filling
        _require_equal(encoder.embed(padded, lengths), cut, f"{what} beyond the clips' lengths", SHAPES)


def stays_finite_on_silence_and_full_scale(encoder: Encoder) -> None:
    """Silence, a constant and a square wave at full scale have finite embeddings; so have black, white and stripes."""
    one = torch.ones_like(_clips(encoder)[0])
    square = one.clone()
    square[..., ::2] = 0 if encoder.modality == "image" else -1
    _require_finite(_embed(encoder, torch.stack([0 * one, one, square])), "silence or full scale")


def embeds_clips_of_any_length_from_one_sample_on(encoder: Encoder) -> None:
    """Clips of one sample, of two, and around the length of an analysis window give finite embeddings of one size."""
    clips = _clips(encoder)
    dims = {name: values.shape[1] for name, values in _embed(encoder, clips).items()}
    for samples in (1, 2, 199, 200, 201, 400, 401, 1601):
        embedded = _embed(encoder, clips[:2, :samples])
        _require_finite(embedded, f"clips of {samples} samples")
        sizes = {name: values.shape[1] for name, values in embedded.items()}
        require(sizes == dims, f"dims are {sizes} for {samples} samples, {dims} for {clips.shape[1]}")


def says_the_precision_that_is_in_force(encoder: Encoder) -> None:
    """Asked for bfloat16 it says that and keeps near float32, or says float32 and gives the same numbers."""
    waveforms = _clips(encoder)
    changed = copy.deepcopy(encoder)  # rounded weights stay rounded
    require(changed.set_precision(torch.float32) == torch.float32, "set_precision(float32) gives another precision")
    full = _embed(changed, waveforms)
    said = changed.set_precision(torch.bfloat16)
    require(said in (torch.float32, torch.bfloat16), f"set_precision(bfloat16) gives {said!r}")
    given = _embed(changed, waveforms)
    kept = all(torch.equal(given[output], full[output]) for output in full)
    if said == torch.float32:
        require(kept, "set_precision(bfloat16) says float32, and changes the numbers")
        return
    require(not kept, "set_precision(bfloat16) says bfloat16, and the numbers stay those of float32")
    _require_equal(given, full, "bfloat16", BFLOAT16)


CHECKS: tuple[Check, ...] = (
    describes_itself,
    is_frozen,
    gives_one_float32_vector_a_clip_for_every_output,
    gives_the_same_bits_when_asked_again,
    leaves_its_input_as_it_was,
    tells_clips_apart,
    gives_the_same_for_any_batch_size,
    gives_the_same_in_any_order,
    ignores_batch_mates,
    never_sees_what_lies_beyond_a_clips_length,
    stays_finite_on_silence_and_full_scale,
    embeds_clips_of_any_length_from_one_sample_on,
    says_the_precision_that_is_in_force,
)

OF_LENGTH = (
    gives_the_same_bits_for_a_long_clip,
    never_sees_what_lies_beyond_a_clips_length,
    embeds_clips_of_any_length_from_one_sample_on,
)


def checks_of(encoder: Encoder) -> tuple[Check, ...]:
    """What an encoder is checked for, its own kind's promises at the end."""
    checks = (*CHECKS, *encoder.own_checks)
    return checks if encoder.modality == "audio" else tuple(check for check in checks if check not in OF_LENGTH)


def unstable(encoder: Encoder, samples: int, device: torch.device) -> str:
    """Why an encoder from outside gives a clip no embedding of its own, in one line; "" where nothing says so.

    samples:  of the task's clips, for cuts at random show in long ones only; at most LONGEST_LOOK seconds are taken.
              Images count for nothing here, they are of one size
    device:   that it will embed on, and is moved to

    Six clips go through it. Encoders of this package are proven by their tests and not looked at. Raises UsageError for
    what the encoder raises, DataError where it does not fit into the device's memory.
    """
    if not encoder.identity.behaviour:
        return ""
    with enough_memory(encoder.identity.name, f"the memory of {device}"):
        encoder.to(device)
    clip, mate = signal(encoder, 2, min(samples / encoder.rate, LONGEST_LOOK))
    first, again, beside = torch.stack([clip, mate]), torch.stack([clip, mate]), torch.stack([clip, clip])
    try:
        one, two, three = (_embed(encoder, batch) for batch in (first, again, beside))
        _require_equal(two, one, "a second call", STABLE)
        _require_equal(_row(three, 0), _row(one, 0), "another clip beside it", STABLE)
        _require_equal(_row(three, 1), _row(three, 0), "another place in the batch", PLACED)
    except ContractBroken as broken:
        return str(broken)
    except Exception as error:
        if not out_of_memory(error):
            raise
        log.info(f"{encoder.identity.name}: whether it is stable was not checked: memory is short")
    return ""


def _row(embedded: Embedded, row: int) -> dict[str, Tensor]:
    return {output: values[row : row + 1] for output, values in embedded.items()}


def _device(encoder: Encoder) -> torch.device:
    return next((tensor.device for tensor in (*encoder.parameters(), *encoder.buffers())), torch.device("cpu"))


def _clips(encoder: Encoder) -> Tensor:
    return signal(encoder, CLIPS, SECONDS)


def signal(encoder: Encoder, clips: int, seconds: float) -> Tensor:
    """Clips of the encoder's modality, float32, on its device.

    (clip, sample): a tone of another pitch in each clip, in quiet noise; (clip, 3, image_size, image_size): noise,
    which a colour covers from another row on in each image.
    """
    if encoder.modality == "image":
        return _images(encoder.rate, clips).to(_device(encoder))
    samples = max(1, round(seconds * encoder.sample_rate))
    time = np.arange(samples) / encoder.sample_rate
    pitches = 220.0 * 2.0 ** np.arange(clips)
    noise = np.random.default_rng(0).standard_normal((clips, samples))
    made = 0.3 * np.sin(2 * np.pi * pitches[:, None] * time) + 0.02 * noise
    return torch.from_numpy(made.astype(np.float32)).to(_device(encoder))


def _images(size: int, clips: int) -> Tensor:
    noise = np.random.default_rng(0).random((clips, 3, size, size)).astype(np.float32)
    for clip, image in enumerate(noise):
        image[:, size * (clip + 1) // (clips + 1) :] = np.array([0.9, 0.5, 0.1], np.float32)[:, None, None]
    return torch.from_numpy(noise)


def _embed(encoder: Encoder, waveforms: Tensor) -> dict[str, Tensor]:
    embedded = encoder.embed(waveforms, torch.full((len(waveforms),), waveforms.shape[1]))
    _require_finite(embedded, _what(waveforms))
    return embedded


def _require_equal(got: Embedded, expected: Embedded, what: str, tolerance: float = TOLERANCE) -> None:
    for output, values in expected.items():
        norms, moved = values.norm(dim=1), (got[output] - values).norm(dim=1)
        risen = bool(((norms == 0) & (moved != 0)).any())
        require(not risen, f"{output} is all zeros for a clip, and is not with {what}")
        apart = moved / norms.clamp_min(torch.finfo(torch.float32).tiny)
        worst = float(apart.nan_to_num(nan=torch.inf).max())
        require(worst <= tolerance, f"{output} moves by {worst:.1e} (relative) with {what}; at most {tolerance:.0e}")


def _what(clips: Tensor) -> str:
    return f"clips of {clips.shape[1]} samples" if clips.ndim == 2 else f"images of {clips.shape[2]} pixels"


def _require_finite(embedded: Embedded, what: str) -> None:
    for output, values in embedded.items():
        broken = (~torch.isfinite(values)).any(1).nonzero().flatten().tolist() if values.ndim == 2 else []
        kind = "NaN" if values.isnan().any() else "infinite numbers"
        require(not broken, f"{output} holds {kind} on {what}: {len(broken)} of {len(values)} clips")
