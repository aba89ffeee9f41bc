"""`python -m benchmarks.emoji PACKAGE.tgz .. --out FOLDER`: a task of pictures, of packages of emoji of npm.

    npm pack emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0
    python -m benchmarks.emoji emoji-datasource-*.tgz --out emoji

writes emoji/emoji.yaml and emoji/data/emoji/: 64 x 64 pixels, the Unicode groups of emoji as nine classes, the sets of
several drawers. All pictures of an emoji are one group, on one side of a split that the hash of its code decides.
emoji/unlabelled/ has the training pictures again, and those of their skin tones, to pre-train on.
Licences: the table is MIT; Google's pictures are Apache 2.0, Twitter's (Twemoji) CC BY 4.0.
"""

import argparse
import csv
import hashlib
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

PARTS = {"train": 60, "valid": 15, "test": 25}  # per cent
TASK = """\
title: Emoji, nine groups
kind: single-label
modality: image
reader: table
folder: emoji
splits: [train, valid, test]
metric: accuracy
source: npm emoji-datasource-google 16.0.0, emoji-datasource-twitter 16.0.0
licence: Apache-2.0 (Google), CC-BY-4.0 (Twitter)
"""


def main(packages: Sequence[Path], out: Path) -> None:
    """Write the task and its pictures."""
    clips, unlabelled = out / "data" / "emoji", out / "unlabelled"
    rows = []
    for package in packages:
        with tarfile.open(package) as archive:
            held = {member.name: member for member in archive.getmembers() if member.isfile()}
            table = archive.extractfile(held["package/emoji.json"])
            drawer = next(name.split("/")[2] for name in held if name.startswith("package/img/") and "/64/" in name)
            assert table is not None
            for emoji in json.load(table):
                part, label = part_of(emoji["unified"]), emoji["category"]
                variants = [emoji, *emoji.get("skin_variations", {}).values()]
                for number, variant in enumerate(variants):
                    place = f"package/img/{drawer}/64/{variant['image']}"
                    if not variant[f"has_img_{drawer}"] or place not in held or label == "Component":
                        continue
                    picture = archive.extractfile(held[place])
                    assert picture is not None
                    content, name = picture.read(), f"{drawer}-{variant['image']}"
                    if number == 0:
                        write(clips / name, content)
                        rows.append([name, label, part, emoji["unified"]])
                    if part == "train":
                        write(unlabelled / name, content)
    with (clips / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "split", "group"], *rows])
    (out / "emoji.yaml").write_text(TASK)
    print(f"{len(rows):,} pictures with labels, {len(list(unlabelled.iterdir())):,} to pre-train on")


def part_of(code: str) -> str:
    """The part that an emoji belongs to, by its code."""
    place = int(hashlib.sha256(code.encode()).hexdigest(), 16) % 100
    return next(part for part in PARTS if place < sum(list(PARTS.values())[: list(PARTS).index(part) + 1]))


def write(path: Path, content: bytes) -> None:
    """Write a file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    main(arguments.packages, arguments.out)
