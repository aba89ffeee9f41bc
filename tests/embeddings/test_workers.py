"""Several processes: every encoder gives the bits of one process, or is left to one with a note."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import evar
from evar import encoders
from evar.base.progress import silent
from evar.data.store import prepare
from evar.embeddings.batches import Plan, make_plan
from evar.embeddings.extract import Embeddings, embed
from evar.embeddings.handover import CannotTravel, hand_over, take_over
from evar.embeddings.runtime import Runtime
from evar.encoders.contract import Encoder, Identity
from evar.from_python import in_memory
from tests.encoders import written
from tests.encoders.examples import EXAMPLES
from tests.tones import write_tones

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workers")
    write_tones(root, clips=1)
    return root


def plan_of(root: Path, rate: int) -> Plan:
    folder = root / "data" / "tones"
    store = prepare(folder, sorted(f.name for f in folder.glob("*.wav")), rate, root / "c", workers=1, progress=silent)
    return make_plan(store, store.usable, np.zeros(len(store.usable), bool), 0.25)


def run(
    encoder: Encoder, root: Path, cache: Path, processes: int, note: Callable[[str], None], precision: str = "float32"
) -> Embeddings:
    runtime = Runtime((CPU,) * processes, precision, 2)
    return embed(encoder, plan_of(root, encoder.sample_rate), runtime, cache, progress=silent, note=note)


@pytest.mark.parametrize(
    "key", ["random tiny", "hear file", "xares", "file", "ge2e generated", "transformers wav2vec2"]
)
def test_two_processes_give_the_bits_of_one_for_every_kind_of_encoder(key: str, root: Path, tmp_path: Path) -> None:
    spec, weights = EXAMPLES[key](tmp_path / "example")
    encoder = encoders.open_encoder(spec, weights)
    notes: list[str] = []
    one = run(encoder, root, tmp_path / "one", 1, notes.append)
    two = run(encoder, root, tmp_path / "two", 2, notes.append)
    assert notes == []
    assert len(list((tmp_path / "two").rglob("blocks-*.csv"))) == 2
    assert one.key == two.key
    for output in encoder.outputs:
        np.testing.assert_array_equal(one.outputs[output], two.outputs[output])


def test_precision_reaches_the_processes(root: Path, tmp_path: Path) -> None:
    encoder = encoders.open_encoder("random(seed=1, model='m2d_s_vit_tiny-80x20p80x2')")
    float32 = run(encoder, root, tmp_path, 1, print)
    one = run(encoder, root, tmp_path / "one", 1, print, "bfloat16")
    two = run(encoder, root, tmp_path / "two", 2, print, "bfloat16")
    np.testing.assert_array_equal(one.outputs["last"], two.outputs["last"])
    assert not np.array_equal(one.outputs["last"], float32.outputs["last"])


def test_what_no_other_process_can_make_is_left_to_one_with_a_note(root: Path, tmp_path: Path) -> None:
    class Local(torch.nn.Module):
        sample_rate = 8000

        def forward(self, waveforms: Tensor) -> Tensor:
            return waveforms[:, :40]

    notes: list[str] = []
    alone = run(in_memory(Local()), root, tmp_path, 2, notes.append)
    (note,) = notes
    assert "Local cannot be made in another process" in note
    assert note.endswith("cpu does all of it alone")
    assert alone.outputs["last"].shape == (9, 40)


def test_file_that_opens_as_another_encoder_is_not_mixed_with_the_first(root: Path, tmp_path: Path) -> None:
    file = written.write(tmp_path, "changing", written.FILE)
    encoder = encoders.open_encoder(f"file(path={str(file)!r})")
    file.write_text(file.read_text().replace("Net(seed)", "Net(seed + 1)"))
    notes: list[str] = []
    run(encoder, root, tmp_path / "cache", 2, notes.append)
    assert notes == ["changing is another encoder when it is opened in another process; cpu does all of it alone"]


def test_encoder_taken_over_must_be_the_one_handed_over() -> None:
    encoder = encoders.open_encoder("random(seed=1, model='m2d_s_vit_tiny-80x20p80x2')")
    handed = hand_over(encoder, torch.float32)
    assert take_over(handed).identity == encoder.identity
    with pytest.raises(CannotTravel, match="another encoder"):
        take_over(replace(handed, identity=Identity("other")))


def test_an_encoder_changed_in_memory_is_not_opened_anew() -> None:
    encoder = encoders.open_encoder("random(seed=1, model='m2d_s_vit_tiny-80x20p80x2')")
    assert encoder.origin is not None
    assert in_memory(encoder).origin is None


def test_script_without_a_guard_is_told_so_and_does_not_hang(tmp_path: Path) -> None:
    write_tones(tmp_path, clips=2)
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import torch, evar, evar.from_python
        evar.from_python.choose_devices = lambda name: (torch.device("cpu"),) * 2

        class Net(torch.nn.Module):
            sample_rate = 8000
            def forward(self, waveforms):
                return waveforms[:, :40]

        evar.evaluate("tones.yaml", Net(), device="cpu", cache="cache", quiet=True)
        """)
    )
    here = {**os.environ, "PYTHONPATH": str(Path(evar.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, env=here)
    assert done.returncode == 1
    assert 'call it below `if __name__ == "__main__":`' in done.stderr
    assert "a process that embeds ended with exit code 1" in done.stderr
