"""The encoders on the device against themselves on the CPU: families, lengths, batch sizes, repetition, bfloat16.

"off" is the 2-norm of the difference relative to that of a clip's embedding, the worst clip counting. That they keep
their contract on the device is checked by the tests (`tests/devices`).
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.gpu.report import Report, Row
from evar import encoders
from evar.embeddings.device import fix_numerics
from evar.encoders.checks import SHAPES
from evar.encoders.contract import Encoder

FAMILIES = (
    "m2d",
    "logmel",
    "random",
    "random(frames=1001)",
    'random(model="m2d_vit_base-80x200p16x4")',
    'random(model="m2d_s_vit_base-80x512p80x2")',
    'random(model="m2d_as_vit_base-80x608p16x16p32k")',
    'random(model="msm_mae_vit_base-80x208p16x16")',
)
QUICK = ("m2d", "logmel")
SECONDS = (0.5, 4.0, 10.0)
CLIPS = 8
AGAINST_CPU = 1e-4  # in float32; TF32 alone would be off by 1e-3
BFLOAT16_COSINE = 0.9995


def correct(report: Report) -> None:
    """A row for every encoder and length."""
    fix_numerics()
    for spec in QUICK if report.quick else FAMILIES:
        for seconds in SECONDS[:1] if report.quick else SECONDS:
            row: Row = {"encoder": spec, "clip": f"{seconds:g} s"}
            try:
                found = compared(encoders.open_encoder(spec), seconds, report.device)
                faults = [what for what, wrong in judged(found) if wrong]
            except Exception as error:  # the other encoders are still to be looked at
                found, faults = {}, [f"{type(error).__name__}: {error}"]
            report.row("On the device against the CPU", {**row, **found, "as it must be": not faults})
            if faults:
                report.fail(f"{spec}, {seconds:g} s: {', '.join(faults)}")


@torch.inference_mode()
def compared(encoder: Encoder, seconds: float, device: torch.device) -> Row:
    """One encoder on clips of noise of one length."""
    draws = torch.Generator().manual_seed(0)
    here = (0.1 * torch.randn(CLIPS, round(seconds * encoder.sample_rate), generator=draws)).clamp(-1, 1)
    cpu, there, encoder = embedded(encoder, here), here.to(device), encoder.to(device)
    whole = embedded(encoder, there)
    beside = embedded(encoder, torch.cat([there[:1], there[1:].flip(0, 1)]))
    low = copy.deepcopy(encoder)
    rounded = low.set_precision(torch.bfloat16) == torch.bfloat16
    cosine = torch.nn.functional.cosine_similarity(embedded(low, there), cpu, dim=1).min().item()
    return {
        "off": off(whole, cpu),
        "same bits again": torch.equal(embedded(encoder, there), whole),
        "same bits beside others": torch.equal(beside[0], whole[0]),
        "one by one": off(torch.cat([embedded(encoder, clip[None]) for clip in there]), whole),
        "in threes": off(torch.cat([embedded(encoder, part) for part in there.split(3)]), whole),
        "bfloat16 cosine": cosine if rounded else None,
    }


def judged(row: Row) -> Iterator[tuple[str, bool]]:
    """(what, whether it is wrong)."""
    yield f"off by {row['off']:.1e}, at most {AGAINST_CPU:.0e}", not row["off"] <= AGAINST_CPU
    yield "other bits when asked again", not row["same bits again"]
    yield "other bits beside other clips", not row["same bits beside others"]
    for name in ("one by one", "in threes"):
        yield f"{name} off by {row[name]:.1e}, at most {SHAPES:.0e}", not row[name] <= SHAPES
    cosine = row["bfloat16 cosine"]
    yield f"bfloat16 cosine {cosine}, at least {BFLOAT16_COSINE}", cosine is not None and not cosine >= BFLOAT16_COSINE


def embedded(encoder: Encoder, waveforms: Tensor) -> Tensor:
    """(clip, dim) on the CPU, of the first output."""
    lengths = torch.full((len(waveforms),), waveforms.shape[1])
    return encoder.embed(waveforms, lengths)[encoder.outputs[0]].cpu()


def off(ours: Tensor, reference: Tensor) -> float:
    """The worst clip's relative difference."""
    return float(((ours - reference).norm(dim=1) / reference.norm(dim=1)).max())
