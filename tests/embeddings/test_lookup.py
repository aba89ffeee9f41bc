"""Encoders that behave the same but for rounding share an entry; all others never do."""

from dataclasses import replace

import numpy as np
import pytest

from evar.embeddings.cache import Entry
from evar.embeddings.lookup import entry_of
from evar.encoders.contract import Encoder, Identity
from evar.encoders.fingerprint import behaviour_of, same_behaviour


class Drawn(Encoder):
    """Behaves as `behaviour` says."""

    sample_rate = 8000

    def __init__(self, behaviour):
        super().__init__()
        self.identity = Identity("drawn", behaviour=behaviour)

    def encode(self, waveforms):
        return {"last": waveforms[:, :4]}


BEHAVIOUR = {"last": np.random.default_rng(0).standard_normal((2, 50)).astype(np.float32)}


def moved(relative):
    return {"last": (BEHAVIOUR["last"] * (1 + relative)).astype(np.float32)}


def folder(cache, behaviour, key="a", precision="float32"):
    return entry_of(cache, Drawn(behaviour), precision, {"key": key}, "store").folder


def test_rounding_of_another_machine_is_the_same_entry(tmp_path):
    first = folder(tmp_path, BEHAVIOUR)
    assert folder(tmp_path, moved(2e-6)) == folder(tmp_path, BEHAVIOUR) == first


def test_another_behaviour_or_key_is_another_entry(tmp_path):
    folders = [
        folder(tmp_path, BEHAVIOUR),
        folder(tmp_path, moved(1e-4)),
        folder(tmp_path, BEHAVIOUR, key="b"),
        folder(tmp_path, BEHAVIOUR, precision="bfloat16"),
        folder(tmp_path, {"last": BEHAVIOUR["last"][:, :49]}),
        folder(tmp_path, {"other": BEHAVIOUR["last"]}),
        folder(tmp_path, None),
    ]
    assert len(set(folders)) == 7


def test_entries_of_two_behaviours_are_both_found_again(tmp_path):
    first, second = folder(tmp_path, BEHAVIOUR), folder(tmp_path, moved(1e-3))
    assert (folder(tmp_path, moved(1e-6)), folder(tmp_path, moved(1e-3 + 1e-6))) == (first, second)


def test_an_encoder_without_a_behaviour_is_found_by_its_key_alone(tmp_path):
    entry = entry_of(tmp_path, Drawn(None), "float32", {"key": 1}, "store")
    assert entry.folder == Entry(tmp_path, "drawn-float32", {"key": 1}, "store").folder
    assert not entry.folder.exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"nothing"])
def test_damaged_behaviour_is_written_again(tmp_path, content):
    first = folder(tmp_path, BEHAVIOUR)
    (first / "behaviour.npz").write_bytes(content)
    assert folder(tmp_path, BEHAVIOUR) == first
    assert folder(tmp_path, moved(1e-6)) == first


def test_numbers_that_are_none_are_never_the_same():
    broken = {"last": np.full((2, 3), np.nan, np.float32)}
    assert not same_behaviour(broken, broken)


def test_behaviour_tells_a_setting_that_is_no_tensor():
    encoder = Drawn(None)
    before = behaviour_of(encoder)
    encoder.sample_rate = 4000
    assert same_behaviour(before, behaviour_of(Drawn(None)))
    assert not same_behaviour(before, behaviour_of(encoder))


def test_identities_that_differ_by_rounding_are_equal():
    assert Identity("drawn", behaviour=BEHAVIOUR) == Identity("drawn", behaviour=moved(1e-6))
    assert replace(Identity("drawn"), name="other") != Identity("drawn")
