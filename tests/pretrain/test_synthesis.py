"""The synthesised sounds: reproducible, of every family, audible and never clipped."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from evar.cli import main
from evar.data import audio
from evar.pretrain import synthesis

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("family", synthesis.FAMILIES, ids=lambda family: family.__name__)
def test_every_family_fills_its_length_with_sound(family):
    for seed in range(10):
        waveform = family(30_001, np.random.default_rng(seed))
        assert waveform.shape == (30_001,)
        assert np.isfinite(waveform).all()
        assert waveform.std() > 0


def test_clip_hangs_on_seed_and_number_alone():
    first = synthesis.clip(7, 3)
    synthesis.clip(7, 4)
    assert np.array_equal(synthesis.clip(7, 3), first)
    assert not np.array_equal(synthesis.clip(8, 3)[:1000], first[:1000])


def test_clips_are_within_their_bounds():
    for number in range(20):
        waveform = synthesis.clip(0, number)
        assert synthesis.SECONDS[0] <= len(waveform) / synthesis.RATE <= synthesis.SECONDS[1] + 1e-4
        loudest = 20 * np.log10(np.abs(waveform).max())
        assert synthesis.GAIN[0] - 1e-9 <= loudest <= synthesis.GAIN[1] + 1e-9


def test_interrupted_or_growing_folder_keeps_what_is_there_and_has_the_same_clips(tmp_path, capsys):
    made = tmp_path / "made"
    assert main(["synthesise", str(made), "--clips", "2", "--seed", "5", "--workers", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"2 clips of seed 5 in {made}, 2 of them new"
    gone, kept = sorted(made.iterdir())
    content, written = gone.read_bytes(), kept.stat().st_mtime_ns
    gone.unlink()
    assert main(["synthesise", str(made), "--clips", "3", "--seed", "5", "--workers", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("2 of them new")
    assert [path.name for path in sorted(made.iterdir())] == ["5-000000.wav", "5-000001.wav", "5-000002.wav"]
    assert (gone.read_bytes(), kept.stat().st_mtime_ns) == (content, written)
    samples = audio.read(made / "5-000002.wav", synthesis.RATE).samples
    assert np.abs(samples / 2**15 - synthesis.clip(5, 2)).max() < 2**-14
    assert main(["synthesise", str(made), "--clips", "1", "--seed", "6", "--workers", "1"]) == 0
    assert len(list(made.iterdir())) == 4


def test_workers_end_with_the_process_that_started_them(tmp_path):
    options = ["--clips", "100000", "--workers", "1"]
    command = [sys.executable, "run_eval.py", "synthesise", str(tmp_path / "made"), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        while not any((tmp_path / "made").glob("*.wav")):
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.communicate(timeout=60)  # ends where nobody holds stdout any more


def test_typo_ends_in_one_line(tmp_path, capsys):
    assert main(["synthesise", str(tmp_path), "--clips", "many"]) == 2
    assert "must be a whole number of at least 1, not 'many'" in capsys.readouterr().err
    assert main(["synthesise"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["synthesise", str(tmp_path / "file" / "below"), "--clips", "1"]) == 2
    assert str(tmp_path / "file" / "below") in capsys.readouterr().err
