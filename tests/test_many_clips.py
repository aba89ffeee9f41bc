"""A task of more clips than a process may have open files: nothing may keep a file open for each part of a dataset.

The largest test of the suite: fewer than 16,000 clips would hide a file for every two hundred of them.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import yaml

from tests.encoders import written

CLIPS = 16_000
OPEN_FILES = 100  # the harness alone needs fewer than 60
RATE = 16_000
SCRIPT = f"""
import resource
from pathlib import Path
from evar.cli import main
from evar.data.store import prepare
from evar.pretrain.crops import Epochs
from tests.pretrain import runs

resource.setrlimit(resource.RLIMIT_NOFILE, ({OPEN_FILES}, {OPEN_FILES}))
where = ["--task", "many.yaml", "--data", ".", "--cache", "cache"]
assert main(["prepare", *where, "--workers", "2"]) == 0
assert main(["check", *where]) == 0
assert main(["eval", *where, "--encoder", "file(path='net.py')", "--probe", "centroid"]) == 0

names = sorted(f"{{number}}.wav" for number in range({CLIPS}))
store = prepare(Path("many"), names, {RATE}, Path("cache"), workers=2)
epochs = Epochs(store, runs.recipe(batch_size=1000))
read = sum(len(batch.lengths) for batch in epochs.batches(0, epochs.steps, 0, 1, pinned=False))
assert read == {CLIPS}, read
"""


def test_many_clips_are_scored_and_trained_on_with_few_open_files(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    draws = np.random.default_rng(0)
    for label, amplitude in enumerate((0.02, 0.3)):
        soundfile.write(folder / f"{label}.wav", amplitude * draws.standard_normal(320), RATE)
    for number in range(2, CLIPS):
        (folder / f"{number}.wav").hardlink_to(folder / f"{number % 2}.wav")
    numbers = np.arange(CLIPS)
    table = pd.DataFrame({"path": [f"{number}.wav" for number in numbers], "label": np.array(["a", "b"])[numbers % 2]})
    table["split"] = np.array(["train", "valid", "test"])[numbers // 2 % 3]
    table.to_csv(folder / "clips.csv", index=False)
    task = {"title": "Many", "kind": "single-label", "reader": "table", "folder": "many", "seconds": 0.02}
    task |= {"splits": ["train", "valid", "test"], "metric": "accuracy", "source": "made here", "licence": "MIT"}
    (tmp_path / "many.yaml").write_text(yaml.safe_dump(task))
    (tmp_path / "net.py").write_text(written.LEVELS)
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n{SCRIPT}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = pd.read_csv(tmp_path / "results" / "leaderboard.csv").itertuples()
    assert (row.n, row.coverage, row.score) == ((table["split"] == "test").sum(), 1, 1)
