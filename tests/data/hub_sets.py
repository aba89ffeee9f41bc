"""Small datasets as the Hugging Face Hub has them: tones in Parquet files, tars and folders, made in memory.

files = {"README.md": CARD, "data/train-00000-of-00002.parquet": parquet(clips), ...}      # path -> bytes
"""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import soundfile
from pyarrow import parquet as pq

NAMES = ["low", "high"]
HERTZ = (300.0, 2700.0)
RATE = 16000


def tone(label: int, number: int, kind: str = "WAV", seconds: float = 0.2) -> bytes:
    """A file of a noisy tone; of the same arguments the same bytes."""
    draws = np.random.default_rng([label, number])
    time = np.arange(round(seconds * RATE)) / RATE
    wave = 0.3 * np.sin(2 * np.pi * HERTZ[label] * draws.uniform(0.8, 1.25) * time) + 0.05 * draws.standard_normal(
        len(time)
    )
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, format=kind)
    return file.getvalue()


def clips(count: int, start: int = 0) -> list[tuple[bytes, int, str]]:
    """(audio, label, speaker) of so many clips, classes in turn."""
    return [
        (tone(n % 2, n, "FLAC" if n % 3 else "WAV"), n % 2, f"speaker {n // 2}") for n in range(start, start + count)
    ]


def parquet(rows, *, group_rows=3, names=NAMES, more=None, as_struct=True) -> bytes:
    """A file with the columns audio, label and speaker, and `more`; the Hub's metadata name the classes."""
    structs = [{"bytes": audio, "path": f"{n}.wav"} for n, (audio, _, _) in enumerate(rows)]
    columns = {
        "audio": pa.array(structs if as_struct else [row[0] for row in rows]),
        "label": pa.array([row[1] for row in rows]),
        "speaker": pa.array([row[2] for row in rows]),
        **(more or {}),
    }
    features = {"audio": {"sampling_rate": RATE, "_type": "Audio"}}
    if names:
        features["label"] = {"names": names, "_type": "ClassLabel"}
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=group_rows)
    return file.getvalue()


def tar(members: dict[str, bytes]) -> bytes:
    """An uncompressed tar of these members, in this order."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def write(root, files: dict[str, bytes | str]):
    """Write the files of a dataset below `root`; gives it."""
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def two_splits(train: int = 12, test: int = 8) -> dict[str, bytes]:
    """Train in two files, test in one."""
    rows = clips(train + test)
    half = train // 2
    return {
        "data/train-00000-of-00002.parquet": parquet(rows[:half]),
        "data/train-00001-of-00002.parquet": parquet(rows[half:train]),
        "data/test-00000-of-00001.parquet": parquet(rows[train:]),
    }
