"""Choosing the device and the precision."""

import pytest
import torch

from evar.base.errors import UsageError
from evar.embeddings.device import choose_device, choose_precision, cpu_multiplies_bfloat16, describe, probe_device


@pytest.mark.parametrize("name", ["cup", "cuda:", "cuda:x", "gpu", "mps:0", "cuda:0,cuda:1", ""])
def test_unknown_device_lists_the_valid_ones(name):
    with pytest.raises(UsageError, match=r"unknown device .* \(valid: auto, cpu, cuda, cuda:1, mps\)"):
        choose_device(name)


def test_device_that_is_not_there_says_how_many_are():
    with pytest.raises(UsageError, match=r"'cuda:77' is not there: torch .* sees \d+ CUDA devices; try --device cpu"):
        choose_device("cuda:77")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="MPS is here")
def test_mps_that_is_not_there_is_one_line():
    with pytest.raises(UsageError, match=r"'mps' is not there: torch .* sees 0 MPS devices; try --device cpu"):
        choose_device("mps")


def test_mps_embeds_in_float32_and_probes_fit_beside_it():
    mps = torch.device("mps")
    assert [choose_precision(name, mps) for name in ("auto", "float32")] == ["float32", "float32"]
    with pytest.raises(UsageError, match="float32: leave it out"):
        choose_precision("bfloat16", mps)
    assert [probe_device(torch.device(name)) for name in ("mps", "cpu", "cuda:1")] == ["cpu", "cpu", "cuda:1"]


def test_auto_is_cuda_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_precision_asked_for_is_what_is_used():
    assert [choose_precision(name, torch.device("cpu")) for name in ("float32", "bfloat16", "float16")] == [
        "float32",
        "bfloat16",
        "float16",
    ]


def test_unknown_precision_names_the_near_one():
    with pytest.raises(UsageError, match="did you mean bfloat16"):
        choose_precision("bfloat61", torch.device("cpu"))


@pytest.mark.parametrize(
    ("flags", "native"),
    [("fpu sse amx_bf16 amx_tile", True), ("fpu avx512_bf16", True), ("fpu avx2 avx512f", False), ("", False)],
)
def test_auto_precision_is_bfloat16_where_the_cpu_multiplies_it(tmp_path, flags, native):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert cpu_multiplies_bfloat16(cpuinfo) is native


def test_cpu_without_a_description_is_taken_not_to(tmp_path):
    assert not cpu_multiplies_bfloat16(tmp_path / "none")


def test_device_has_a_description():
    assert describe(torch.device("cpu")).startswith("cpu ")
