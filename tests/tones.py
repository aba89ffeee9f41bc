"""A tiny real dataset for tests: sine tones of three classes as WAV files, with a table and a task."""

from pathlib import Path

import numpy as np
import soundfile
import yaml

RATE = 16000
CLASSES = {"low": 300.0, "middle": 900.0, "high": 2700.0}  # Hz


def write_tones(
    root: Path, *, clips: int = 12, seconds: float = 0.25, folds: int = 0, lengths: tuple[float, ...] = (0.2, 0.25, 0.4)
) -> Path:
    """Write root/tones.yaml and root/data/tones/ with `clips` clips a class and part; gives the task's path.

    folds: number of folds; 0 for the splits train, valid, test. lengths: the clips' own, in turn, in seconds.
    """
    folder = root / "data" / "tones"
    folder.mkdir(parents=True)
    parts = [str(fold) for fold in range(folds)] or ["train", "valid", "test"]
    draws = np.random.default_rng(7)
    lines = [f"path,label,{'fold' if folds else 'split'},group"]
    for part in parts:
        for label, hertz in CLASSES.items():
            for number in range(clips):
                name = f"{part}-{label}-{number:03}.wav"
                length = lengths[number % len(lengths)]
                time = np.arange(round(length * RATE)) / RATE
                tone = 0.3 * np.sin(2 * np.pi * hertz * draws.uniform(0.8, 1.25) * time + draws.uniform(0, 6))
                soundfile.write(folder / name, tone + 0.05 * draws.standard_normal(len(time)), RATE)
                lines.append(f"{name},{label},{part},{part}-{label}-{number // 2}")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    task = {
        "title": "Tones",
        "kind": "single-label",
        "reader": "table",
        "folder": "tones",
        "seconds": seconds,
        "folds" if folds else "splits": parts,
        "metric": "accuracy",
        "source": "synthesised",
        "licence": "MIT",
    }
    path = root / "tones.yaml"
    path.write_text(yaml.safe_dump(task))
    return path
