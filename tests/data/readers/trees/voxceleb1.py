"""VoxCeleb1: 153,516 names of 1,251 speakers, the archives' dev and test halves as folders of their own."""

import hashlib
from base64 import urlsafe_b64encode
from pathlib import Path

from evar.data.task import Task, load_task
from evar.testing.trees import touch

LISTED = True
STRADDLING = 0
GONE = "VoxCeleb1/vox1_dev_wav/wav/id10001"
SPEAKERS = [f"id{number}" for number in range(10001, 11252)]
SECOND_HALF = set(SPEAKERS[269:309])  # the 40 speakers of the verification test
CLIPS_A_VIDEO = 7


def plant(data: Path) -> Task:
    """Write the halves and iden_split.txt; each part has videos of its own."""
    task = load_task("vc1")
    assert task.expects
    clips = [
        (digit, clip)
        for digit, (part, number) in enumerate(task.expects.parts.items(), start=1)
        for clip in (clip_name(part, index) for index in range(number))
    ]
    root = data / "VoxCeleb1"
    touch(root, [f"{'vox1_test_wav' if clip[:7] in SECOND_HALF else 'vox1_dev_wav'}/wav/{clip}" for _, clip in clips])
    (root / "iden_split.txt").write_text("".join(f"{digit} {clip}\n" for digit, clip in clips))
    return task


def clip_name(part: str, index: int) -> str:
    """`idNNNNN/VIDEO/NNNNN.wav`."""
    speaker, number = SPEAKERS[index % len(SPEAKERS)], index // len(SPEAKERS)
    digest = hashlib.sha256(f"{speaker} {part} {number // CLIPS_A_VIDEO}".encode()).digest()
    return f"{speaker}/{urlsafe_b64encode(digest).decode()[:11]}/{number % CLIPS_A_VIDEO + 1:05}.wav"
