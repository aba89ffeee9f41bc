"""`python -m benchmarks.feed [SECONDS]`: from the store to batches ready for the device, nobody computing.

Rows: copying from the page cache alone, the limit; one thread with a BLAKE2b hash a clip and new memory a batch, as a
plain reader would; and the feed, by number of readers. Clips of SECONDS (default: 4) at 16 kHz. The best of ROUNDS; the
last line is what the most readers give.
"""

import hashlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks import one_option
from benchmarks.limits import timed
from evar.base import machine, provenance
from evar.base.threads import Threads
from evar.data import audio
from evar.data.opening import Decoded
from evar.data.store import Store, prepare
from evar.embeddings.batches import Plan, make_plan
from evar.embeddings.feed import feed

RATE = 16_000
AUDIO_BYTES = 1 << 30
BATCH_SECONDS = 2560
ROUNDS = 5


def main(seconds: float) -> None:
    """Print a row a way of reading."""
    commit, dirty = provenance.commit()
    print(f"{machine.cores()} cores, commit {commit[:12]}{' + changes' if dirty else ''}, clips of {seconds:g} s")
    print("| | GB/s | audio s/s |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        rate, audio = report(Path(name), seconds)
    print(f"feed: {rate:.2f} GB/s, {audio:,.0f} s of audio a second")


def report(folder: Path, seconds: float) -> tuple[float, float]:
    """The rows; gives GB/s and seconds of audio a second of the feed with the most readers."""
    store = filled(folder, seconds)
    plan = make_plan(store, store.usable, np.zeros(len(store.usable), dtype=np.bool_), seconds)
    size, most = max(1, round(BATCH_SECONDS / seconds)), machine.cores()
    audio_bytes = 2 * len(plan) * plan.samples

    def row(what: str, work: Callable[[], None]) -> float:
        rate = audio_bytes / 1e9 / min(timed(work)[0] for _ in range(ROUNDS))
        print(f"| {what} | {rate:.2f} | {rate * 1e9 / 2 / store.rate:,.0f} |", flush=True)
        return rate

    for threads in sorted({1, most}):
        row(f"copy from the page cache, {threads} threads", partial(copied, plan, size, threads))
    row("a BLAKE2b hash a clip, new memory a batch, one thread", partial(plainly, plan, size))
    rates = [row(f"feed, {readers} readers", partial(fed, plan, size, readers)) for readers in range(most + 1)]
    return rates[-1], rates[-1] * 1e9 / 2 / store.rate


def filled(folder: Path, seconds: float) -> Store:
    """A prepared store of AUDIO_BYTES of noise, a file a clip."""
    clips, samples = max(1, round(AUDIO_BYTES / (2 * RATE * seconds))), round(RATE * seconds)
    noise = np.random.default_rng(0).integers(-3000, 3000, samples + clips, dtype=np.int16)
    (folder / "audio").mkdir()
    names = [f"{number}.wav" for number in range(clips)]
    for name in names:
        (folder / "audio" / name).touch()

    def decoded(path: Path, rate: int, _: object = None) -> Decoded:
        number = int(path.stem)
        return Decoded(noise[number : number + samples], rate, seconds, 1, 0.1, 0.0)

    with mock.patch.object(audio, "read", decoded):
        return prepare(folder / "audio", names, RATE, folder / "cache", workers=machine.cores())


def fed(plan: Plan, size: int, readers: int) -> None:
    """Take every batch."""
    for _ in feed(plan, range(plan.blocks(size)), size, readers=readers, pinned=torch.cuda.is_available()):
        pass


def plainly(plan: Plan, size: int) -> None:
    """Read, hash and pad in one thread, into new memory."""
    for block in range(plan.blocks(size)):
        waveforms = np.zeros((size, plan.samples), dtype=np.int16)
        for place, row in enumerate(plan.store_rows[block * size : (block + 1) * size]):
            clip = plan.store.samples(int(row))
            hashlib.blake2b(clip.data, digest_size=16).hexdigest()
            waveforms[place, : plan.samples] = clip[: plan.samples]


def copied(plan: Plan, size: int, threads: int) -> None:
    """Copy all samples, which lie one after the other, in pieces of a batch, a share a thread."""
    (file,) = plan.store.folder.glob("samples-*.bin")
    whole = np.memmap(file, np.uint8, "r")
    step = 2 * size * plan.samples

    def share(number: int) -> None:
        into = np.empty(step, np.uint8)
        for start in range(number * step, len(whole), threads * step):
            part = whole[start : start + step]
            into[: len(part)] = part

    with Threads(threads) as pool:
        list(pool.map(share, range(threads)))


if __name__ == "__main__":
    main(one_option("benchmarks.feed", __doc__, "seconds", type=float, default=4.0))
