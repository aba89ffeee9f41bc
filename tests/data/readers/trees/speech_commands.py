"""Speech Commands v0.02: 105,829 names whose hashes give the official numbers, both lists, the background noise."""

import hashlib
from collections import Counter
from itertools import count
from pathlib import Path

from evar.data.task import Task, load_task
from evar.testing.trees import touch

LISTED = False
STRADDLING = 0
GONE = "SpeechCommands/speech_commands_v0.02/zero"
CLIPS_A_SPEAKER = 40


def plant(data: Path) -> Task:
    """Write it as the archive unpacks it, in a folder of the archive's name."""
    task = load_task("spcv2")
    assert task.expects
    assert task.classes
    root = data / "SpeechCommands" / "speech_commands_v0.02"
    clips: dict[str, list[str]] = {part: [] for part in task.parts}
    left = Counter(task.expects.parts)
    for number in count():
        speaker = f"{number * 2654435761 % 2**32:08x}"
        part = official_split(f"{speaker}_nohash_0.wav")
        for take in range(min(left[part], CLIPS_A_SPEAKER)):
            word = task.classes[(number + take) % len(task.classes)]
            clips[part].append(f"{word}/{speaker}_nohash_{take // len(task.classes)}.wav")
        left[part] -= min(left[part], CLIPS_A_SPEAKER)
        if not left.total():
            break
    touch(root, [*(path for paths in clips.values() for path in paths), "_background_noise_/pink_noise.wav"])
    (root / "validation_list.txt").write_text("\n".join(clips["valid"]) + "\n")
    (root / "testing_list.txt").write_text("\n".join(clips["test"]) + "\n")
    (root / "README.md").write_text("# Speech Commands Data Set v0.02\n")
    return task


def official_split(name: str) -> str:
    """The rule as the dataset's README gives it, written again."""
    number = int(hashlib.sha1(name.split("_nohash_")[0].encode()).hexdigest(), 16)
    percentage = (number % (2**27 - 1 + 1)) * (100.0 / (2**27 - 1))
    return "valid" if percentage < 10 else "test" if percentage < 20 else "train"
