"""How fast a ViT-Base embeds clips that are on the device already, by length and batch, and where that time goes."""

import torch

from benchmarks.gpu.report import Report
from benchmarks.limits import flops_a_clip, matrix_rate, settled
from evar.embeddings.batch_size import AUDIO_SECONDS_A_BATCH
from evar.embeddings.device import PRECISIONS, choose_precision, fix_numerics, peak_memory_bytes
from evar.encoders.m2d import M2D, open_random
from evar.nn.exact_float32 import exact_float32
from evar.nn.pooling import frames_of, mean_over_frames

MODEL = {True: "m2d_vit_tiny-80x608p16x16", False: "m2d_vit_base-80x608p16x16"}  # whether quick -> model
BATCHES = {1.0: (256, 1024, 4096), 4.0: (128, 640, 1280), 10.0: (64, 256, 512), 30.0: (85,)}  # by seconds of a clip
QUICK_BATCHES = {1.0: (4,), 10.0: (2,)}
CHUNK = 6.07  # seconds that fill one input of the model
CHUNKS = {True: 2, False: int(AUDIO_SECONDS_A_BATCH["cuda"] // CHUNK)}  # the automatic batch


def speed(report: Report) -> None:
    """Rates, then stages."""
    encoder, precision = opened(report)
    limit = matrix_rate(report.device, precision)
    with torch.inference_mode():
        for seconds, batches in (QUICK_BATCHES if report.quick else BATCHES).items():
            for batch in batches:
                rate(report, encoder, precision, seconds, batch, limit)
        stages(report, encoder, limit)


def opened(report: Report) -> tuple[M2D, str]:
    """The encoder on the device, in the precision that `auto` means there."""
    fix_numerics()
    precision = choose_precision("auto", report.device)
    encoder = open_random(MODEL[report.quick], 0)
    encoder.set_precision(PRECISIONS[precision])
    return encoder.to(report.device).eval().requires_grad_(False), precision


def rate(report: Report, encoder: M2D, precision: str, seconds: float, batch: int, limit: float) -> None:
    """One row of forward rates."""
    device = report.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    clips = waveforms(batch, seconds, encoder, device)
    lengths = torch.full((batch,), clips.shape[1])
    took = settled(lambda: encoder.embed(clips, lengths), device)
    flops = batch * flops_a_clip(encoder, seconds) / took
    row = {"clip": f"{seconds:g} s", "batch": batch, "precision": precision, "clips/s": batch / took}
    row |= {"audio s/s": batch * seconds / took, "TFLOP/s": flops / 1e12, "of the limit": f"{flops / limit:.0%}"}
    report.row("Forward", row | {"limit": limit / 1e12, "peak GB": peak_memory_bytes(device) / 1e9})


def stages(report: Report, encoder: M2D, limit: float) -> None:
    """Each stage alone, of a batch of clips that fill one chunk."""
    batch, vit = CHUNKS[report.quick], encoder.vit
    clips = waveforms(batch, CHUNK, encoder, report.device)

    def normalised() -> torch.Tensor:
        return ((encoder.log_mel(clips) - encoder.mean) / encoder.std)[:, :, : encoder.grid.frames].contiguous()

    def through_blocks(tokens: torch.Tensor) -> torch.Tensor:
        for block in vit.blocks:
            tokens = block(tokens)
        return tokens

    with exact_float32():
        spectra = normalised()
        patches = vit.patches(spectra)
        tokens = vit.with_cls(patches).to(vit.block_dtype)
        block, last = vit.blocks[0], vit.norm(tokens.float())
        works = {
            "log-mel, normalised": normalised,
            "patches": lambda: vit.with_cls(vit.patches(spectra)).to(vit.block_dtype),
            "blocks": lambda: through_blocks(tokens),
            "last norm": lambda: vit.norm(tokens.float()),
            "pooling": lambda: mean_over_frames([frames_of(last, encoder.grid.rows)]),
            "whole": lambda: encoder.encode(clips),
            "one block": lambda: block(tokens),
            "its attention": lambda: block.attn(tokens),
            "its MLP": lambda: block.mlp(tokens),
            "its norms": lambda: (block.norm1(tokens), block.norm2(tokens)),
            "its sums": lambda: (tokens + tokens, tokens + tokens),
        }
        took = {name: settled(work, report.device) for name, work in works.items()}
    flops = batch * flops_a_clip(encoder, CHUNK)
    for name, seconds in took.items():
        row = {"stage": name, "ms": 1e3 * seconds, "of the whole": f"{seconds / took['whole']:.1%}"}
        if name in ("blocks", "whole"):
            row["of the limit"] = f"{flops / seconds / limit:.0%}"
        report.row(f"Stages, {batch} clips of {CHUNK:g} s", row)


def waveforms(clips: int, seconds: float, encoder: M2D, device: torch.device) -> torch.Tensor:
    """Noise, (clip, sample)."""
    draws = torch.Generator(device).manual_seed(0)
    return 0.1 * torch.randn(clips, round(seconds * encoder.sample_rate), generator=draws, device=device)
