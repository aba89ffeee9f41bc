"""From a prepared store to the cache on every device: reading ahead, copies on their way back, full memory."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from evar import encoders
from evar.base.progress import displayed
from evar.data.store import prepare
from evar.embeddings.batches import Plan, make_plan
from evar.embeddings.device import Runtime
from evar.embeddings.extract import Embeddings, embed
from evar.encoders.contract import Encoder, Identity
from tests.tones import write_tones

SIZE = 5  # clips a batch: 36 clips are eight, the last not full
MORE_THAN_ANY_MEMORY = 1 << 50  # bytes


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    root = tmp_path_factory.mktemp("devices")
    write_tones(root, clips=4)
    folder = root / "data" / "tones"
    names = sorted(file.name for file in folder.glob("*.wav"))
    store = prepare(folder, names, 16000, root / "cache", workers=1)
    return make_plan(store, store.usable, np.zeros(len(store.usable), dtype=np.bool_), 0.25)


def run(plan: Plan, cache: Path, device: torch.device) -> Embeddings:
    return embed(encoders.open_encoder("m2d"), plan, Runtime(device, "float32", SIZE), cache)


def test_cache_holds_what_the_encoder_gives_on_the_cpu(plan: Plan, tmp_path: Path, device: torch.device) -> None:
    embeddings = run(plan, tmp_path, device)
    waveforms = plan.batch(0, len(plan)).waveforms.float() / 32768
    lengths = torch.full((len(plan),), plan.samples)
    expected = encoders.open_encoder("m2d").embed(waveforms, lengths)["last"].numpy()
    apart = np.linalg.norm(embeddings.outputs["last"] - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert len(apart) == len(plan)
    assert apart.max() <= 1e-4


def test_interrupted_run_goes_on_with_the_same_bits(plan: Plan, tmp_path: Path, device: torch.device) -> None:
    @contextmanager
    def stops_early(stage, *, total, unit, initial=0):
        def advance(amount):
            raise KeyboardInterrupt

        yield advance

    with displayed(stops_early), pytest.raises(KeyboardInterrupt):
        run(plan, tmp_path / "cut", device)
    whole = run(plan, tmp_path / "whole", device)
    np.testing.assert_array_equal(run(plan, tmp_path / "cut", device).outputs["last"], whole.outputs["last"])


class Hungry(Encoder):
    """Asks for more memory than there is, where it gets more than two clips at once."""

    sample_rate = 16000
    identity = Identity("hungry")

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        if len(waveforms) > 2:
            torch.empty(MORE_THAN_ANY_MEMORY, dtype=torch.uint8, device=waveforms.device)
        return {"last": waveforms.reshape(len(waveforms), 40, -1).mean(dim=2)}


def test_full_memory_halves_the_batch(plan: Plan, tmp_path: Path, device: torch.device) -> None:
    found = embed(Hungry(), plan, Runtime(device, "float32", 8), tmp_path)
    assert found.batch_size == 2
    assert len(found.outputs["last"]) == len(plan)
