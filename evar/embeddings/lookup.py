"""Which entry of the cache an encoder's embeddings belong to.

What an encoder from outside does to a test signal differs by rounding from machine to machine, so it cannot simply be
hashed: shares of one array would never meet. The first one that embeds keeps its numbers in its entry
(`behaviour.npz`); who has the same key and behaves the same but for rounding uses that entry.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evar.base.files import locked, write_atomic
from evar.embeddings.cache import Entry
from evar.encoders.contract import Encoder
from evar.encoders.fingerprint import Behaviour, digest_of_behaviour, packed, same_behaviour, unpacked

FILE = "behaviour.npz"


def entry_of(cache: Path, encoder: Encoder, precision: str, key: Mapping[str, Any], store: str) -> Entry:
    """The entry of a `key`, begun or not. Raises StorageError where the cache is not writable."""
    behaviour = encoder.identity.behaviour
    plain = Entry(cache, f"{encoder.identity.name}-{precision}", key, store)
    if behaviour is None:
        return plain
    if entry := _of_the_same(plain, cache, behaviour):
        return entry
    with locked(plain.folder):
        if entry := _of_the_same(plain, cache, behaviour):
            return entry
        entry = _told_apart(plain, cache, behaviour)
        write_atomic(entry.folder / FILE, packed(behaviour))
        return entry


def _of_the_same(plain: Entry, cache: Path, behaviour: Behaviour) -> Entry | None:
    """The entry of the same key whose encoder behaved the same."""
    for file in sorted(plain.folder.parent.glob(f"{plain.slug}-*/{FILE}")):
        known = unpacked(file)
        if known is not None and same_behaviour(known, behaviour):
            entry = _told_apart(plain, cache, known)
            if entry.folder == file.parent:
                return entry
    return None


def _told_apart(plain: Entry, cache: Path, behaviour: Behaviour) -> Entry:
    """The entry whose key holds a behaviour too."""
    return Entry(cache, plain.name, {**plain.key, "behaviour": digest_of_behaviour(behaviour)}, plain.store)
