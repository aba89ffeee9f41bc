"""Variants that wait for a figure from a GPU, each beside what runs today, with the rule that decides.

A variant is taken where it gains what its row asks for, repeats its bits, and is off (relative 2-norm) by no more than
its row allows. The outcome stands in the row; whoever reads it changes the code, or strikes the variant from here.
Only a GPU decides: elsewhere the variants run without an outcome.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.gpu.report import Report
from benchmarks.gpu.speed import CHUNK, CHUNKS, opened, waveforms
from benchmarks.limits import settled, timed
from evar.encoders.m2d import M2D
from evar.nn.exact_float32 import exact_float32
from evar.nn.frontend import EPS, LogMel

LOW = 2e-2  # may be off: bfloat16 in another order of summation
FULL = 1e-5  # float32
BACKENDS = ("FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION", "MATH")

Work = Callable[[], Tensor]


def decisions(report: Report) -> None:
    """A row a variant."""
    encoder, _ = opened(report)
    device, batch = report.device, CHUNKS[report.quick]
    clips = waveforms(batch, CHUNK, encoder, device)
    with torch.inference_mode(), exact_float32():
        spectra = encoder.log_mel(clips)[:, :, : encoder.grid.frames].contiguous()
        tokens = encoder.vit.with_cls(encoder.vit.patches(spectra)).to(encoder.vit.block_dtype)
        today = blocks_of(encoder, tokens)
        compare(report, "blocks: torch.compile, fixed shape", today, lambda: compiled(encoder, tokens), 1.15, LOW)
        compare(report, "blocks: in a CUDA graph", today, lambda: in_graph(today, device), 1.05, LOW)
        few = tokens[: max(1, batch // 8)].contiguous()
        compare(report, f"blocks: in a CUDA graph, {len(few)} clips", blocks_of(encoder, few),
                lambda: in_graph(blocks_of(encoder, few), device), 1.5, LOW)  # fmt: skip
        compare(report, f"blocks: {tokens.shape[1] + 1} tokens, one to be masked (speed alone)", today,
                lambda: blocks_of(encoder, F.pad(tokens, (0, 0, 0, 1))), 1.1, None)  # fmt: skip
        attention(report, encoder, tokens)
        compare(report, "log-mel: by FFT", lambda: encoder.log_mel(clips),
                lambda: lambda: by_fft(encoder.log_mel, clips), 1.5, FULL)  # fmt: skip
        for factor in (0.5, 2.0):
            other = waveforms(round(factor * batch), CHUNK, encoder, device)
            compare(report, f"batch: {factor:g} times the automatic one", lambda: encoder.encode(clips)["last"],
                    lambda other=other: lambda: encoder.encode(other)["last"], 1.05, None, factor)  # fmt: skip


def compare(
    report: Report, name: str, today: Work, make: Callable[[], Work], gain: float, off: float | None, times: float = 1.0
) -> None:
    """One row; `times`: how many times today's clips the variant takes at once; off: None where it may not be asked."""
    asked = f"{gain:g} times as fast, same bits again" + (f", off by at most {off:g}" if off is not None else "")
    row: dict[str, Any] = {"variant": name, "taken where": asked}
    try:
        seconds, before = settled(today, report.device), today().clone()
        set_up, (work, first) = timed(lambda: (work := make(), work().clone()))
        taken = settled(work, report.device)
        gained, same = times * seconds / taken, torch.equal(work(), first)
        apart = None if off is None else float((first - before).norm() / before.norm())
        take = gained >= gain and same and (apart is None or off is None or apart <= off)
        row |= {"today ms": 1e3 * seconds, "variant ms": 1e3 * taken, "gain": gained, "set-up s": set_up}
        outcome = ("take it" if take else "leave it") if report.device.type == "cuda" else "none: a GPU decides"
        row |= {"same bits again": same, "off": apart, "outcome": outcome}
    except Exception as error:  # a variant that does not run here is not taken
        row["outcome"] = f"leave it: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"
    report.row("Variants", row)


def blocks_of(encoder: M2D, tokens: Tensor, layers: Any = None) -> Work:
    """All blocks one after the other, as they are or as `layers`."""

    def work() -> Tensor:
        found = tokens
        for block in layers or encoder.vit.blocks:
            found = block(found)
        return found

    return work


def compiled(encoder: M2D, tokens: Tensor) -> Work:
    """The same blocks compiled; on a CPU traced alone, where compiling would take most of a minute."""
    backend = "inductor" if tokens.device.type == "cuda" else "eager"
    layers = [torch.compile(block, dynamic=False, backend=backend) for block in encoder.vit.blocks]
    return blocks_of(encoder, tokens, layers)


def in_graph(work: Work, device: torch.device) -> Work:
    """The work as one CUDA graph."""
    if device.type != "cuda":
        raise NotImplementedError("CUDA alone has graphs")
    aside = torch.cuda.Stream(device)
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(aside):
        work()
    torch.cuda.current_stream(device).wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = work()

    def replay() -> Tensor:
        graph.replay()
        return out

    return replay


def attention(report: Report, encoder: M2D, tokens: Tensor) -> None:
    """Each back end of the fused attention against the one that PyTorch chooses."""
    heads = encoder.vit.blocks[0].attn.heads
    draws = torch.Generator(tokens.device).manual_seed(0)
    shape = (3, len(tokens), heads, tokens.shape[1], encoder.vit.width // heads)
    query, key, value = torch.randn(shape, generator=draws, device=tokens.device).to(tokens.dtype)

    def chosen() -> Tensor:
        return F.scaled_dot_product_attention(query, key, value)

    def by(name: str) -> Work:
        def work() -> Tensor:
            with sdpa_kernel(getattr(SDPBackend, name)):
                return chosen()

        return work

    for name in BACKENDS:
        compare(report, f"attention: {name}", chosen, lambda name=name: by(name), 1.1, LOW)


def by_fft(log_mel: LogMel, clips: Tensor) -> Tensor:
    """The log-mel with the same window and filters, its products replaced by an FFT."""
    margin, window = log_mel.shortest - 1, log_mel.fourier[0]  # the cosine of 0 Hz is the window itself
    centred = F.pad(clips[:, None], (margin, margin), mode="reflect")[:, 0]
    spectrum = torch.fft.rfft(centred.unfold(1, len(window), log_mel.hop) * window)
    power = F.linear(spectrum.real.square() + spectrum.imag.square(), log_mel.mel_filters)
    return torch.log(power + EPS).transpose(1, 2)
