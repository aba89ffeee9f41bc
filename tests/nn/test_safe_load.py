"""No file runs code, whatever it is; every broken one is one clear error."""

import argparse
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evar.base.errors import CheckpointError
from evar.nn.checkpoint_file import MOST_PICKLED
from evar.nn.safe_load import load_file_safely, metadata_of
from tests import recipe

CONTENT = {"model": {"weight": torch.arange(4.0)}, "epoch": 3}


class Hostile:
    """Would write a file when unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "beside tensors": ({**CONTENT, "args": Hostile(os.system, "touch trace")}, "posix.system"),
    "among harmless arguments": (
        {"args": argparse.Namespace(**vars(recipe.training_arguments()), hook=Hostile(os.system, "touch trace"))},
        "posix.system",
    ),
    "a function of PyTorch's own": ({**CONTENT, "hook": Hostile(torch.hub.load, "some/code", "x")}, "torch.hub.load"),
    "several": (
        {"a": Hostile(os.system, "touch trace"), "b": Hostile(eval, "1"), "c": Hostile(os.remove, "x")},
        "posix.system, __builtin__.eval, posix.remove",
    ),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_checkpoints_are_refused_with_all_that_they_ask_for_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, zipped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    content, asked = HOSTILE[kind]
    file = recipe.save(tmp_path / "hostile.pth", content, zipped=zipped)
    with pytest.raises(CheckpointError, match=rf"hostile.pth asks to run code: {asked}\. Nothing of it was run"):
        load_file_safely(file)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_hostile_bare_pickles_are_refused_by_name(tmp_path: Path, protocol: int) -> None:
    file, trace = tmp_path / "hostile.pth", tmp_path / "trace"
    file.write_bytes(pickle.dumps(Hostile(os.system, f"touch {trace}"), protocol=protocol))
    with pytest.raises(CheckpointError, match=r"asks to run code: posix\.system\."):
        load_file_safely(file)
    assert not trace.exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_arguments_of_a_training_run_are_read(tmp_path: Path, zipped: bool) -> None:
    held = load_file_safely(
        recipe.save(tmp_path / "a.pth", {**CONTENT, "args": recipe.training_arguments()}, zipped=zipped)
    )
    assert torch.equal(held["model"]["weight"], torch.arange(4.0))
    assert str(held["args"].output_dir) == "runs/1"
    assert held["args"].best == 0.5


@pytest.mark.parametrize(
    ("written_by_others", "here"),
    [
        ("pathlib._local\nPosixPath", "a/b"),
        ("pathlib\nPosixPath", "a/b"),
        ("pathlib\nWindowsPath", "a\\b"),
    ],
)
def test_paths_of_other_pythons_and_systems_are_read(tmp_path: Path, written_by_others: str, here: str) -> None:
    file = tmp_path / "path.pth"
    parts = b"".join(b"X\x01\0\0\0" + part for part in (b"a", b"b"))
    file.write_bytes(_row_of_pickles(b"\x80\x02c" + written_by_others.encode() + b"\n(" + parts + b"tR."))
    assert str(load_file_safely(file)) == here


@pytest.mark.parametrize("core", ["_core", "core"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.bool_])
def test_scalars_of_both_numpys_are_read(tmp_path: Path, core: str, kind: type[np.generic]) -> None:
    file = tmp_path / "scalar.pth"
    written = pickle.dumps(kind(1), protocol=2).replace(b"numpy._core.multiarray", f"numpy.{core}.multiarray".encode())
    assert f"numpy.{core}".encode() in written
    file.write_bytes(_row_of_pickles(written))
    assert load_file_safely(file) == 1


def _row_of_pickles(content: bytes) -> bytes:
    """An old PyTorch file: magic number, protocol, system, content, keys of storages (none)."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    return b"".join(pickle.dumps(part, protocol=2) for part in head) + content + pickle.dumps([], protocol=2)


def _truncated(tmp_path: Path, zipped: bool = True) -> bytes:
    file = recipe.save(tmp_path / "whole.pth", {"weight": torch.randn(1000)}, zipped=zipped)
    return file.read_bytes()[: file.stat().st_size // 2]


def zipped_anew(file: Path, compression: int, pickled: bytes = b"") -> Path:
    """The parts of a PyTorch file in a zip of another kind, with another pickle."""
    with zipfile.ZipFile(file) as parts, zipfile.ZipFile(file.with_name("anew.pth"), "w", compression) as anew:
        for name in parts.namelist():
            anew.writestr(name, pickled if pickled and name.endswith("data.pkl") else parts.read(name))
    return file.with_name("anew.pth")


def _flipped(folder: Path) -> bytes:
    content = bytearray(recipe.save(folder / "whole.pth", {"weight": torch.zeros(1000)}).read_bytes())
    content[content.find(bytes(1000)) + 200] ^= 1
    return bytes(content)


def _packed(folder: Path) -> bytes:
    file = recipe.save(folder / "whole.pth", {"weight": torch.zeros(1000)})
    return zipped_anew(file, zipfile.ZIP_DEFLATED).read_bytes()


def _release(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "release.zip", "w") as archive:
        archive.writestr("m2d_vit_base-80x608p16x16/checkpoint-300.pth", b"weights")
    return (folder / "release.zip").read_bytes()


TORN = "is broken or no PyTorch checkpoint .*download it again"
TEXT = r"is broken or no PyTorch checkpoint \(it holds a text\)"
BROKEN: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "noise": (lambda _: np.random.default_rng(0).bytes(5000), TORN),
    "truncated zip": (_truncated, TORN),
    "truncated legacy": (lambda folder: _truncated(folder, zipped=False), TORN),
    "an empty zip": (lambda _: b"PK\x05\x06" + bytes(18), TORN),
    "a pickle without end": (lambda _: pickle.dumps({"a": 1}, protocol=2)[:-3], TORN),
    "one byte": (lambda _: b"\x80", TORN),
    "nothing": (lambda _: b"", "is empty .zero bytes."),
    "a page": (lambda _: b"<!DOCTYPE html><html>not found</html>\n", TEXT),
    "a program": (lambda _: b"import os\nimport torch\n", TEXT),
    "another program": (lambda _: b"import torch, os\nclass Net:\n    pass\n", TEXT),
    "a text of another language": (lambda _: ("größe: 3\n" * 999).encode(), TEXT),
    "sound": (lambda _: b"RIFF\x24\0\0\0WAVEfmt " + bytes(100), "begins with b'RIFF', as no checkpoint does"),
    "safetensors": (lambda _: b"\x10" + bytes(7) + b"{}", "is broken or no safetensors checkpoint"),
    "a flipped byte": (_flipped, "is damaged .*its part whole/data/0 has not the checksum"),
    "packed": (_packed, "is damaged .*bytes are packed into .*PyTorch packs nothing"),
    "a release's archive": (_release, r"an archive with a checkpoint in it \(m2d.*300.pth\): unpack it"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_checkpoint_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    file, (made, said) = tmp_path / "broken.pth", BROKEN[kind]
    file.write_bytes(made(tmp_path))
    with pytest.raises(CheckpointError, match=said) as error:
        load_file_safely(file)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read .*No such file"):
        load_file_safely(tmp_path / "absent.pth")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path: Path, zipped: bool) -> None:
    content = {"model": {"weight": torch.arange(4.0)}, "args": recipe.training_arguments()}
    whole = recipe.save(tmp_path / "whole.pth", content, zipped=zipped).read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for place in generator.integers(len(whole), size=10):
            damaged[place] = generator.integers(256)
        (tmp_path / "damaged.pth").write_bytes(damaged)
        try:
            load_file_safely(tmp_path / "damaged.pth")
        except CheckpointError:
            refused += 1
    assert refused > 50


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file({"weight": torch.arange(4.0)}, tmp_path / "a.safetensors")
    assert torch.equal(load_file_safely(tmp_path / "a.safetensors")["weight"], torch.arange(4.0))


def test_a_file_without_checksums_is_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        file = recipe.save(tmp_path / "a.pth", CONTENT)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(load_file_safely(file)["model"]["weight"], torch.arange(4.0))


def test_a_pickle_of_absurd_size_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = recipe.save(tmp_path / "a.pth", {"weight": torch.zeros(1000)})
    bloated = zipped_anew(file, zipfile.ZIP_STORED, b"\x80\x02" + b"]" * MOST_PICKLED + b".")
    monkeypatch.delattr(torch, "load")
    with pytest.raises(CheckpointError, match="data.pkl is larger than 4,194,304 bytes"):
        load_file_safely(bloated)


def test_content_and_not_the_suffix_says_what_a_file_is(tmp_path: Path) -> None:
    save_file({"weight": torch.arange(4.0)}, tmp_path / "a.pth", {"training": "{}"})
    assert torch.equal(load_file_safely(tmp_path / "a.pth")["weight"], torch.arange(4.0))
    assert metadata_of(tmp_path / "a.pth") == {"training": "{}"}
    assert metadata_of(recipe.save(tmp_path / "b.pth", CONTENT)) == {}


def test_names_that_pickles_ask_for_move_no_cursor(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"\x80\x02cos\x1b[2J\nsystem\n.")
    with pytest.raises(CheckpointError, match="asks to run code: os\ufffd") as error:
        load_file_safely(tmp_path / "a.pth")
    assert str(error.value).isprintable()
