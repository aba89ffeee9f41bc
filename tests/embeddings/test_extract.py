"""Embedding through the cache: once, resumable to the bit, never the wrong numbers."""

import itertools
import os
import signal
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from evar.base.errors import DataError, StorageError, UsageError
from evar.base.progress import displayed
from evar.data.store import prepare
from evar.embeddings.batch_size import automatic_batch_size
from evar.embeddings.batches import make_plan
from evar.embeddings.device import Runtime
from evar.embeddings.extract import embed
from evar.encoders.adapter import behaviour_of
from evar.encoders.contract import Encoder, Identity
from tests import forked
from tests.tones import write_tones

CPU = torch.device("cpu")


class Counting(Encoder):
    """Two outputs of different width; counts the batches that it sees."""

    sample_rate = 16000
    outputs = ("mean", "ends")

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale, self.batches = scale, 0
        self.identity = Identity("counting", options={"scale": scale})

    def encode(self, waveforms):
        self.batches += 1
        mean = self.scale * waveforms.reshape(len(waveforms), 40, -1).mean(dim=2)
        return {"mean": mean, "ends": self.scale * waveforms[:, [0, -1]]}


class InAnyPrecision(Counting):
    def set_precision(self, dtype):
        return dtype


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    root = tmp_path_factory.mktemp("extract")
    write_tones(root, clips=4)
    return make_a_plan(root)


def make_a_plan(root):
    """Of the tones there."""
    folder = root / "data" / "tones"
    store = prepare(folder, sorted(f.name for f in folder.glob("*.wav")), 16000, root / "c", workers=2)
    return make_plan(store, store.usable, np.zeros(len(store.usable), bool), 0.25)


def run(encoder, plan, cache, size=5, precision="float32", progress=None):
    with displayed(progress) if progress else nullcontext():
        return embed(encoder, plan, Runtime(CPU, precision, size), cache)


def test_every_output_has_a_row_a_clip_and_is_what_the_encoder_gives(plan, tmp_path):
    embeddings = run(Counting(), plan, tmp_path)
    assert {name: array.shape for name, array in embeddings.outputs.items()} == {"mean": (36, 40), "ends": (36, 2)}
    clip = torch.from_numpy(plan.batch(7, 1).waveforms.numpy() / 32768).float()
    np.testing.assert_allclose(embeddings.outputs["ends"][7], clip[0, [0, -1]])


def test_second_run_computes_nothing_and_gives_the_same_bits(plan, tmp_path):
    encoder = Counting()
    first, batches = run(encoder, plan, tmp_path), encoder.batches
    second = run(encoder, plan, tmp_path)
    assert (first.cached, second.cached) == (False, True)
    assert encoder.batches == batches == plan.blocks(5)
    np.testing.assert_array_equal(first.outputs["mean"], second.outputs["mean"])


@contextmanager
def stops_after_two_blocks(stage, *, total, unit, initial=0):
    blocks = 0

    def advance(amount):
        nonlocal blocks
        blocks += 1
        if blocks == 2:
            raise KeyboardInterrupt

    yield advance


def test_interrupted_run_goes_on_at_the_last_block_with_the_same_bits(plan, tmp_path):
    whole = run(Counting(), plan, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(Counting(), plan, tmp_path / "cut", progress=stops_after_two_blocks)
    encoder = Counting()
    resumed = run(encoder, plan, tmp_path / "cut")
    assert encoder.batches == plan.blocks(5) - 2
    for output in ("mean", "ends"):
        np.testing.assert_array_equal(resumed.outputs[output], whole.outputs[output])


def test_resumed_run_keeps_the_batch_size_it_was_begun_with(plan, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Counting(), plan, tmp_path, size=5, progress=stops_after_two_blocks)
    assert run(Counting(), plan, tmp_path, size=7).batch_size == 5


def test_flipped_bit_on_disk_is_noticed_and_just_its_block_computed_anew(plan, tmp_path):
    whole = np.array(run(Counting(), plan, tmp_path).outputs["mean"])
    (file,) = tmp_path.rglob("mean.npy")
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    encoder = Counting()
    np.testing.assert_array_equal(run(encoder, plan, tmp_path).outputs["mean"], whole)
    assert encoder.batches == 1


@pytest.mark.parametrize("name", ["mean.npy", "ends.npy", "blocks.csv", "shape.json", "done.json", "key.json"])
@pytest.mark.parametrize("damage", ["removed", "emptied", "torn"])
def test_damaged_entry_is_repaired(plan, tmp_path, name, damage):
    whole = np.array(run(Counting(), plan, tmp_path).outputs["mean"])
    (file,) = tmp_path.rglob(name)
    content = file.read_bytes()
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2] if damage == "torn" else b"")
    for _ in range(2):
        np.testing.assert_array_equal(run(Counting(), plan, tmp_path).outputs["mean"], whole)


def test_another_encoder_option_precision_or_store_is_another_entry(plan, tmp_path):
    keys = {
        run(Counting(), plan, tmp_path).key,
        run(Counting(2.0), plan, tmp_path).key,
        run(InAnyPrecision(), plan, tmp_path, precision="bfloat16").key,
        run(Counting(), make_plan(plan.store, plan.store_rows, np.ones(len(plan), bool), 0.25), tmp_path).key,
        run(Counting(), make_plan(plan.store, plan.store_rows[1:], np.ones(len(plan) - 1, bool), 0.25), tmp_path).key,
        run(Counting(), make_plan(plan.store, plan.store_rows, np.zeros(len(plan), bool), 0.2), tmp_path).key,
    }
    assert len(keys) == 6


def test_encoder_from_outside_whose_behaviour_changed_is_embedded_anew(plan, tmp_path):
    def outside(scale):  # a setting that neither code, weights nor options tell
        encoder = Counting(scale)
        encoder.identity = Identity("outside", behaviour=behaviour_of(encoder))
        return encoder

    first, louder, again = (run(outside(scale), plan, tmp_path) for scale in (1.0, 2.0, 1.0))
    assert (first.cached, louder.cached, again.cached) == (False, False, True)
    np.testing.assert_array_equal(louder.outputs["mean"], 2 * first.outputs["mean"])
    np.testing.assert_array_equal(again.outputs["mean"], first.outputs["mean"])


def test_precision_that_an_encoder_does_not_have_is_neither_claimed_nor_kept_apart(plan, tmp_path):
    asked = run(Counting(), plan, tmp_path, precision="bfloat16")
    assert asked.precision == "float32"
    assert asked.key == run(Counting(), plan, tmp_path).key


def test_numbers_that_are_not_finite_are_an_error_that_names_the_clip(plan, tmp_path):
    with pytest.raises(DataError, match=r"counting gives numbers that are not finite .*\.wav.*--precision"):
        run(Counting(float("inf")), plan, tmp_path)


def test_cache_that_cannot_be_written_is_one_clear_error(plan, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        run(Counting(), plan, tmp_path / "file" / "cache")


class Wide(Counting):
    """More numbers than a small disk holds."""

    outputs = ("all",)

    def encode(self, waveforms):
        self.batches += 1
        return {"all": waveforms}


def test_disk_without_room_for_the_embeddings_is_one_clear_error_and_more_room_goes_on(plan, small_disk):
    disk, enlarge = small_disk
    for _ in range(2):  # the second time finds what the first one left
        with pytest.raises(StorageError, match=r"no space left for .*: free some and run again"):
            run(Wide(), plan, disk)
    enlarge()
    assert run(Wide(), plan, disk).outputs["all"].shape == (36, 4000)


def test_batch_size_follows_the_clip_length(plan):
    def size(seconds):
        return automatic_batch_size(make_plan(plan.store, np.zeros(5000, int), np.zeros(5000, bool), seconds), CPU)

    assert (size(1.0), size(4.0), size(30.0), size(600.0)) == (64, 16, 2, 1)


class Hungry(Counting):
    """Needs more memory than there is for more than `most` clips at once."""

    def __init__(self, most, error):
        super().__init__()
        self.most, self.error = most, error

    def encode(self, waveforms):
        if len(waveforms) > self.most:
            raise self.error
        return super().encode(waveforms)


HOST = RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), HOST, MemoryError()])
def test_batch_that_does_not_fit_is_halved_and_the_size_that_fits_is_kept(plan, tmp_path, error):
    whole = run(Counting(), plan, tmp_path / "whole", size=2)
    embeddings = run(Hungry(2, error), plan, tmp_path, size=9)
    assert embeddings.batch_size == 2
    np.testing.assert_array_equal(embeddings.outputs["mean"], whole.outputs["mean"])


def test_array_is_made_in_one_shape_where_memory_ends_midway(plan, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Counting(), plan, tmp_path, size=5, progress=stops_after_two_blocks)
    encoder = Hungry(3, HOST)
    assert run(encoder, plan, tmp_path, size=5).batch_size == 2
    assert encoder.batches == plan.blocks(2)


def test_clip_that_never_fits_is_one_clear_error(plan, tmp_path):
    with pytest.raises(DataError, match=r"one clip of 0.25 s does not fit into the memory of cpu"):
        run(Hungry(0, HOST), plan, tmp_path)


def test_other_faults_of_the_encoder_are_not_taken_for_missing_memory(plan, tmp_path):
    with pytest.raises(UsageError, match="raised RuntimeError: something else"):
        run(Hungry(0, RuntimeError("something else")), plan, tmp_path)


def test_encoder_that_does_not_fit_itself_is_one_clear_error(plan, tmp_path):
    class Huge(Counting):
        def to(self, *arguments, **more):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(DataError, match="counting does not fit into the memory of cpu"):
        run(Huge(), plan, tmp_path)


def test_size_that_fits_is_remembered_for_what_is_begun_later(plan, tmp_path):
    other = make_plan(plan.store, plan.store_rows[1:], np.zeros(len(plan) - 1, bool), 0.25)
    longer = make_plan(plan.store, plan.store_rows, np.zeros(len(plan), bool), 0.3)
    assert run(Hungry(4, HOST), plan, tmp_path, size=None).batch_size == 4
    encoder = Hungry(100, HOST)
    assert run(encoder, other, tmp_path, size=None).batch_size == 4
    assert run(encoder, other, tmp_path / "elsewhere", size=None).batch_size == len(other)
    assert run(encoder, longer, tmp_path, size=None).batch_size == len(plan)
    assert run(Counting(3.0), other, tmp_path, size=None).batch_size == len(other)
    assert run(Hungry(100, HOST), make_plan(plan.store, plan.store_rows[2:], np.zeros(len(plan) - 2, bool), 0.25),
               tmp_path, size=6).batch_size == 6  # fmt: skip


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"x": "y"}'])
def test_damaged_memory_of_sizes_is_none(plan, tmp_path, content):
    (tmp_path / "batch-sizes.json").write_text(content)
    assert run(Hungry(4, HOST), plan, tmp_path, size=None).batch_size == 4


def embed_as_a_process(root, cache, kill_after, sender):
    """Send how many batches were computed, and a checksum; kills itself after so many blocks."""
    blocks = itertools.count(1)

    @contextmanager
    def progress(stage, *, total, unit, initial=0):
        def advance(amount):
            if next(blocks) == kill_after:
                os.kill(os.getpid(), signal.SIGKILL)

        yield advance

    encoder = Counting()
    result = run(encoder, make_a_plan(root), cache, progress=progress)
    sender.send((encoder.batches, float(np.abs(result.outputs["mean"]).sum())))


def start(plan, cache, kill_after=0):
    """A process that embeds the plan, and the end of a pipe where it says how."""
    receiver, sender = forked.context.Pipe(duplex=False)
    root = Path(plan.store.folder).parents[2]
    process = forked.context.Process(target=embed_as_a_process, args=(root, cache, kill_after, sender))
    process.start()
    return process, receiver


def test_killed_run_resumes_with_the_same_bits(plan, tmp_path):
    whole = run(Counting(), plan, tmp_path / "whole").outputs["mean"]
    killed, _ = start(plan, tmp_path / "killed", kill_after=3)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    encoder = Counting()
    resumed = run(encoder, plan, tmp_path / "killed")
    assert encoder.batches == plan.blocks(5) - 3
    np.testing.assert_array_equal(resumed.outputs["mean"], whole)


def test_two_processes_share_the_work_of_one(plan, tmp_path):
    both = [start(plan, tmp_path), start(plan, tmp_path)]
    said = [receiver.recv() for _, receiver in both]
    for process, _ in both:
        process.join()
    assert [process.exitcode for process, _ in both] == [0, 0]
    assert sorted(batches for batches, _ in said) == [0, plan.blocks(5)]
    assert len({checksum for _, checksum in said}) == 1
