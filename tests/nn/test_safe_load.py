"""No file runs code, whatever it is; every broken one is one clear error."""

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
from evar.nn.safe_load import MOST_PICKLED, asked_for, load_file_safely, metadata_of
from tests import recipe

CONTENT = {"model": {"weight": torch.arange(4.0)}, "epoch": 3}


class Hostile:
    """Would write a file when unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace"


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_hostile_checkpoints_are_refused_by_name_and_never_run(tmp_path: Path, trace: Path, zipped: bool) -> None:
    hostile = Hostile(os.system, f"touch {trace}")
    file = recipe.save(tmp_path / "hostile.pth", {**CONTENT, "args": hostile}, zipped=zipped)
    with pytest.raises(CheckpointError, match=r"hostile.pth asks to run code: posix.system. Nothing of it was run"):
        load_file_safely(file)
    assert not trace.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_hostile_bare_pickles_are_refused_by_name(tmp_path: Path, trace: Path, protocol: int) -> None:
    file = tmp_path / "hostile.pth"
    file.write_bytes(pickle.dumps(Hostile(os.system, f"touch {trace}"), protocol=protocol))
    with pytest.raises(CheckpointError, match=r"asks to run code: posix\.system\."):
        load_file_safely(file)
    assert not trace.exists()


def test_pytorchs_own_functions_are_no_disguise(tmp_path: Path) -> None:
    file = recipe.save(tmp_path / "hostile.pth", {**CONTENT, "hook": Hostile(torch.hub.load, "somebody/code", "model")})
    with pytest.raises(CheckpointError, match=r"asks to run code: torch.hub.load\."):
        load_file_safely(file)


def test_everything_that_is_asked_for_is_named(tmp_path: Path, trace: Path) -> None:
    content = {"a": Hostile(os.system, "true"), "b": Hostile(eval, "1"), "c": Hostile(os.remove, str(trace))}
    with pytest.raises(CheckpointError, match=r"posix\.system, builtins\.eval, posix\.remove|__builtin__\.eval"):
        load_file_safely(recipe.save(tmp_path / "hostile.pth", content))


def test_harmless_looking_names_do_not_hide_code(tmp_path: Path, trace: Path) -> None:
    arguments = recipe.training_arguments()
    arguments.hook = Hostile(os.system, f"touch {trace}")
    with pytest.raises(CheckpointError, match=r"asks to run code: posix\.system\. "):
        load_file_safely(recipe.save(tmp_path / "hostile.pth", {"args": arguments}))
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


BROKEN: dict[str, Callable[[Path], bytes]] = {
    "text": lambda _: b"<!DOCTYPE html><html>not found</html>\n",
    "noise": lambda _: np.random.default_rng(0).bytes(5000),
    "truncated zip": _truncated,
    "truncated legacy": lambda folder: _truncated(folder, zipped=False),
    "an empty zip": lambda _: b"PK\x05\x06" + bytes(18),
    "a pickle without end": lambda _: pickle.dumps({"a": 1}, protocol=2)[:-3],
    "one byte": lambda _: b"\x80",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_one_clear_error(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "broken.pth"
    file.write_bytes(BROKEN[kind](tmp_path))
    with pytest.raises(
        CheckpointError, match=r"broken.pth is broken or no PyTorch checkpoint .*download it again"
    ) as error:
        load_file_safely(file)
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is not None


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


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    file = tmp_path / "empty.pth"
    file.touch()
    with pytest.raises(CheckpointError, match="empty.pth is empty .zero bytes."):
        load_file_safely(file)


def test_a_release_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "release.zip", "w") as archive:
        archive.writestr("m2d_vit_base-80x608p16x16/checkpoint-300.pth", b"weights")
    with pytest.raises(CheckpointError, match=r"an archive with a checkpoint in it \(m2d.*300.pth\): unpack it"):
        load_file_safely(tmp_path / "release.zip")


def test_an_unreadable_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read .*No such file"):
        load_file_safely(tmp_path / "absent.pth")


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file({"weight": torch.arange(4.0)}, tmp_path / "a.safetensors")
    assert torch.equal(load_file_safely(tmp_path / "a.safetensors")["weight"], torch.arange(4.0))


def test_broken_safetensors_are_one_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(CheckpointError, match="broken or no safetensors checkpoint"):
        load_file_safely(file)


def test_names_are_read_without_running_anything(tmp_path: Path, trace: Path) -> None:
    file = recipe.save(tmp_path / "hostile.pth", {"args": Hostile(os.system, f"touch {trace}")})
    assert asked_for(file) == ["posix.system"]
    assert not trace.exists()


@pytest.mark.parametrize(
    "text", ["import torch, os\nclass Net:\n    pass\n", "import os\nimport torch\n", "größe: 3\n" * 999]
)
def test_text_is_said_to_be_no_checkpoint(tmp_path: Path, text: str) -> None:
    (tmp_path / "net.py").write_text(text)
    with pytest.raises(CheckpointError, match=r"net.py is broken or no PyTorch checkpoint \(it holds a text\)"):
        load_file_safely(tmp_path / "net.py")


def test_a_flipped_byte_is_found_by_the_zips_own_checksum(tmp_path: Path) -> None:
    file = recipe.save(tmp_path / "a.pth", {"weight": torch.zeros(1000)})
    content = bytearray(file.read_bytes())
    content[content.find(bytes(1000)) + 200] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="a.pth is damaged .*its part a/data/0 has not the checksum"):
        load_file_safely(file)


def test_a_file_without_checksums_is_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        file = recipe.save(tmp_path / "a.pth", CONTENT)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(load_file_safely(file)["model"]["weight"], torch.arange(4.0))


def zipped_anew(file: Path, compression: int, pickled: bytes = b"") -> Path:
    """The parts of a PyTorch file in a zip of another kind, with another pickle."""
    with zipfile.ZipFile(file) as parts, zipfile.ZipFile(file.with_name("anew.pth"), "w", compression) as anew:
        for name in parts.namelist():
            anew.writestr(name, pickled if pickled and name.endswith("data.pkl") else parts.read(name))
    return file.with_name("anew.pth")


def test_what_unpacks_to_more_than_the_file_is_not_read(tmp_path: Path) -> None:
    file = recipe.save(tmp_path / "a.pth", {"weight": torch.zeros(1000)})
    packed = zipped_anew(file, zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="anew.pth is damaged .*bytes are packed into .*PyTorch packs nothing"):
        load_file_safely(packed)


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


def test_another_kind_of_file_is_reported_by_how_it_begins(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(100))
    with pytest.raises(CheckpointError, match="no PyTorch checkpoint .it begins with b'RIFF', as no checkpoint does"):
        load_file_safely(tmp_path / "a.wav")


def test_names_that_pickles_ask_for_move_no_cursor(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"\x80\x02cos\x1b[2J\nsystem\n.")
    with pytest.raises(CheckpointError, match="asks to run code: os\ufffd") as error:
        load_file_safely(tmp_path / "a.pth")
    assert str(error.value).isprintable()
