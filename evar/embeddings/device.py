"""Where and how precisely the encoder runs: `auto`, or what the user asked for."""

import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from evar import config
from evar.base.errors import UsageError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
CPUINFO = Path("/proc/cpuinfo")
NATIVE_BFLOAT16 = {"amx_bf16", "avx512_bf16", "bf16"}  # the last is Arm's name


@dataclass(frozen=True)
class Runtime:
    """Where and how an encoder runs.

    precision:  a name of PRECISIONS
    batch_size: clips; None: automatic
    name:       the device for people, where another machine has it
    """

    device: torch.device
    precision: str
    batch_size: int | None = None
    name: str = ""

    @property
    def described(self) -> str:
        """The device for people."""
        return self.name or describe(self.device)


def choose_runtime(device: str, precision: str, batch_size: int | None = None) -> Runtime:
    """Where and how to run, by the settings' names. Raises UsageError for what is not available."""
    chosen = choose_device(device)
    return Runtime(chosen, choose_precision(precision, chosen), batch_size)


def choose_device(name: str) -> torch.device:
    """`auto` (CUDA where there is one), `cpu`, `cuda`, `cuda:N` or `mps`. Raises UsageError where it is not there."""
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    kind, _, number = config.device(name).partition(":")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[kind]
    if int(number or 0) >= there:
        raise UsageError(
            f"device {name!r} is not there: torch {torch.__version__} sees {there} {kind.upper()} devices; "
            f"try --device cpu"
        )
    return torch.device(f"cuda:{int(number or 0)}" if kind == "cuda" else kind)


def choose_precision(name: str, device: torch.device) -> str:
    """`auto` (bfloat16 where the device multiplies it natively, else float32) or a name of PRECISIONS.

    MPS has float32 alone: raises UsageError for another.
    """
    if device.type == "mps":
        if name not in ("auto", "float32"):
            raise UsageError(f"precision {name} is not for device mps, which computes in float32: leave it out")
        return "float32"
    if config.precision(name) != "auto":
        return name
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_multiplies_bfloat16()
    return "bfloat16" if native else "float32"


def probe_device(device: torch.device) -> str:
    """Where probes fit: on the encoder's device, but for MPS, which has no float64."""
    return "cpu" if device.type == "mps" else str(device)


def cpu_multiplies_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether this CPU has matrix or vector instructions for bfloat16 (AMX, AVX-512, Arm)."""
    if platform.system() != "Linux":
        return False
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return bool(NATIVE_BFLOAT16 & set(flags.split()))


def describe(device: torch.device) -> str:
    """The device for people: "cuda NVIDIA H200", "cpu AMD EPYC 9B45, 2 threads"."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return f"mps {platform.machine()}"
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"cpu {models[0] if models else platform.machine()}, {torch.get_num_threads()} threads"


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory of a CUDA device that this process has held; 0 for others, whose memory is the process's."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def fix_numerics() -> None:
    """Let nothing autotune per process. (That float32 is exact is the encoders' own affair: `nn/exact_float32.py`.)"""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
