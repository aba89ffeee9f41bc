"""`python -m benchmarks.silhouettes WHEEL --out FOLDER`: a task of pictures, 10,000 silhouettes of ten animals.

    pip download --no-deps animal-mnist==0.4
    python -m benchmarks.silhouettes animal_mnist-0.4-py3-none-any.whl --out silhouettes

writes silhouettes/silhouettes.yaml and silhouettes/data/silhouettes/: grey pictures of 28 x 28 pixels in a frame of 2.
Equal pictures are one group, on one side of a split that the hash of their pixels decides. Training pictures are in
silhouettes/unlabelled/ again, to pre-train on. Licence: MIT (Sina Mohammadi).
"""

import argparse
import csv
import gzip
import hashlib
import struct
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

PICTURES, SIDE, FRAME = 10_000, 28, 2
ANIMALS = ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
PARTS = (("train", 60), ("valid", 75), ("test", 100))  # up to which per cent
TASK = """\
title: Silhouettes of animals
kind: single-label
modality: image
reader: table
folder: silhouettes
splits: [train, valid, test]
metric: accuracy
source: PyPI animal-mnist 0.4
licence: MIT
"""


def main(wheel: Path, out: Path) -> None:
    """Write the task and its pictures."""
    with zipfile.ZipFile(wheel) as archive:
        pixels = np.frombuffer(numbers(archive, "data", PICTURES * SIDE * SIDE), np.uint8)
        labels = np.frombuffer(numbers(archive, "label", PICTURES * 8), "<i8")
    rows = []
    for number, (picture, label) in enumerate(zip(pixels.reshape(-1, SIDE, SIDE), labels, strict=True)):
        group = hashlib.sha256(picture.tobytes()).hexdigest()
        part = next(part for part, most in PARTS if int(group, 16) % 100 < most)
        image = Image.fromarray(np.pad(picture, FRAME))
        for folder in (out / "data" / "silhouettes", *([out / "unlabelled"] if part == "train" else [])):
            folder.mkdir(parents=True, exist_ok=True)
            image.save(folder / f"{number:05}.png")
        rows.append([f"{number:05}.png", ANIMALS[label], part, group])
    with (out / "data" / "silhouettes" / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "split", "group"], *rows])
    (out / "silhouettes.yaml").write_text(TASK)


def numbers(archive: zipfile.ZipFile, which: str, size: int) -> bytes:
    """The `size` bytes of an array in the gzipped pickle, found by their opcode; nothing of it is executed."""
    name = next(name for name in archive.namelist() if name.endswith(f"animal_{which}_version_3.gz"))
    content = gzip.decompress(archive.read(name))
    begin = content.index(b"B" + struct.pack("<I", size)) + 5
    return content[begin : begin + size]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    main(arguments.wheel, arguments.out)
