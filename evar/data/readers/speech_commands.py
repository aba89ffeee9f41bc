"""`speech_commands`: the native layout, `WORD/SPEAKER_nohash_N.wav`, with `validation_list.txt` and `testing_list.txt`.

Part = the official hash rule, with which the two lists must agree where they are present; group = the speaker;
`_background_noise_` and whatever else is named otherwise is left out. A listed clip that is not there stays a row;
training clips are listed nowhere, so missing ones lower the coverage.
Source: Warden: Speech Commands, arXiv 1804.03209, section 7.1 (the rule stands in the archive's README.md).
"""

import functools
import hashlib
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from evar.base.errors import DataError, few
from evar.data.readers.clip_files import clip_files, one_each
from evar.data.readers.contract import Reader, Reading
from evar.data.readers.table_files import read_lines
from evar.data.task import Task

LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
NAME = re.compile(r"(?P<clip>(?P<word>[^/_][^/]*)/(?P<speaker>[^/]+)_nohash_\d+)\.\w+")

MOST_CLIPS_A_CLASS = 2**27 - 1  # MAX_NUM_WAVS_PER_CLASS of the rule
VALID_PERCENT, TEST_PERCENT = 10.0, 10.0


def open_reader() -> Reader:
    """It has no options."""
    return SpeechCommands()


class SpeechCommands(Reader):
    """Lists the words' folders and checks the official lists."""

    wanted = "testing_list.txt, or folders of words with SPEAKER_nohash_N.wav"
    nests = ("speech_commands_v0.02", "speech_commands_v2", "speech_commands_v0.01", "speech_commands")

    def holds(self, folder: Path) -> bool:
        return (folder / LISTS["test"]).is_file() or next(folder.glob("*/*_nohash_[0-9]*.*"), None) is not None

    def read(self, root: Path, task: Task) -> Reading:
        listing = clip_files(root)
        found, twice = one_each(listing.paths, _clip)
        listed = {part: _read_list(root / name) for part, name in LISTS.items() if (root / name).is_file()}
        _agree(root, found, listed)
        clips = {**{clip: f"{clip}.wav" for clips in listed.values() for clip in clips}, **found}
        table = pd.DataFrame({"path": clips.values(), "clip": clips.keys()})
        table["labels"] = [(clip.partition("/")[0],) for clip in table["clip"]]
        table["group"] = table["clip"].map(_speaker)
        table["part"] = table["group"].map(split_of)
        table["seconds"] = float("nan")
        return Reading(table.drop(columns="clip"), remarks=(*listing.remarks, *twice))


@functools.cache
def split_of(speaker: str) -> str:
    """The official rule: a hash of the speaker decides, so that a split never changes as clips are added.

    percent = (SHA-1(speaker) mod (M + 1)) * 100 / M  with M = MAX_NUM_WAVS_PER_CLASS;
    below 10 validation, below 20 testing, else training.
    """
    number = int(hashlib.sha1(speaker.encode("utf-8", "surrogateescape")).hexdigest(), 16)
    percent = number % (MOST_CLIPS_A_CLASS + 1) * (100.0 / MOST_CLIPS_A_CLASS)
    if percent < VALID_PERCENT:
        return "valid"
    return "test" if percent < VALID_PERCENT + TEST_PERCENT else "train"


def _clip(path: str) -> str | None:
    """`WORD/SPEAKER_nohash_N` of a path, None where it is no such path."""
    match = NAME.fullmatch(path)
    return match["clip"] if match else None


def _speaker(clip: str) -> str:
    return PurePosixPath(clip).name.partition("_nohash_")[0]


def _read_list(file: Path) -> list[str]:
    clips = []
    for number, line in read_lines(file):
        clip = _clip(line)
        if clip is None:
            raise DataError(f"{file}, line {number}: {line!r} is not WORD/SPEAKER_nohash_N.wav")
        clips.append(clip)
    return clips


def _agree(root: Path, found: dict[str, str], listed: dict[str, list[str]]) -> None:
    """Raise DataError where a list and the rule say different things about a clip."""
    for part, clips in listed.items():
        file, there = root / LISTS[part], set(clips)
        wrong = [clip for clip in clips if split_of(_speaker(clip)) != part]
        absent = [clip for clip in found if clip not in there and split_of(_speaker(clip)) == part]
        if wrong or absent:
            raise DataError(
                f"{file} contradicts the official hash rule: it lists {len(wrong):,} clips of other splits and lacks "
                f"{len(absent):,} of its own ({few([*wrong, *absent])}); take the archive's own list, or remove it to "
                "split by the rule"
            )
