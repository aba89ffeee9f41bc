"""The key of cached embeddings: readable, and of all that decides the numbers."""

import numpy as np
import torch

from evar.base.progress import silent
from evar.data.store import prepare
from evar.embeddings.batches import make_plan
from evar.embeddings.key import cache_key, forward_sources
from evar.encoders import open_encoder
from tests.tones import write_tones


def test_key_is_readable_and_names_what_decides_the_numbers(tmp_path):
    write_tones(tmp_path, clips=1)
    folder = tmp_path / "data" / "tones"
    names = sorted(file.name for file in folder.glob("*.wav"))
    store = prepare(folder, names, 16000, tmp_path, workers=1, progress=silent)
    plan = make_plan(store, store.usable, np.zeros(len(store.usable), bool), 0.25)
    key = cache_key(open_encoder("logmel"), plan, "float32", torch.device("cpu"))
    assert {"weights_digest", "options", "sources", "precision", "device", "sample_rate", "samples", "store"} <= set(
        key
    )
    assert set(key["versions"]) == {"torch", "nnAudio", "numpy"}


def test_sources_of_the_forward_are_the_encoders_and_what_they_import():
    logmel, m2d = forward_sources(open_encoder("logmel")), {"encoders/m2d.py", "nn/vit.py"}
    assert {"encoders/logmel.py", "encoders/contract.py", "nn/frontend.py", "embeddings/batches.py"} <= logmel
    assert not m2d & logmel
