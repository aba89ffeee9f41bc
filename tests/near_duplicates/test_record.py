"""What the search for near-duplicates found is kept, and believed only while it is about these clips and whole."""

import contextlib
import re

import pytest

from evar.base.progress import displayed
from evar.near_duplicates.record import find, known
from tests.near_duplicates.sounds import Clip, louder, make_task, noting, unlike


@pytest.fixture
def clips():
    """Eight clips and a copy of one."""
    sounds = unlike(8)
    named = [Clip(f"{place}.wav", "train", sound) for place, sound in enumerate(sounds)]
    return [*named, Clip("copy.wav", "test", louder(sounds[0]))]


@pytest.fixture
def stages():
    """What a search reports: stage, total, unit."""
    return []


@pytest.fixture
def look(stages):
    def look(task):
        with noting(stages):
            return find(*task, workers=2)

    return look


def test_what_was_found_is_kept_until_samples_or_table_change(tmp_path, clips, look, stages):
    task = make_task(tmp_path, clips)
    assert known(*task) is None
    before = look(task)
    assert stages == [
        ("near-duplicates", 9, "clip"),
        ("near-duplicates, neighbours", 1, "tree"),
        ("near-duplicates, pairs", 4, "pair"),
    ]
    assert look(task) == known(*task) == before
    assert len(stages) == 3
    clips[1].part = "test"
    changed = make_task(tmp_path, clips)
    assert known(*changed) is None
    clips[1].part, clips[1].waveform = "train", clips[2].waveform
    assert known(*make_task(tmp_path, clips)) is None
    assert known(*task) == before


@pytest.mark.parametrize(
    ("said", "instead"),
    [(r'"others": 1', '"others": 2'), (r'"path": "copy', '"path": "capy'), (r"\Z", "}"), (r".*", "")],
)
def test_damaged_record_is_noticed_and_found_anew(tmp_path, clips, look, stages, said, instead):
    task = make_task(tmp_path, clips)
    found = look(task)
    whole = found.file.read_text()
    found.file.write_text(re.sub(said, instead, whole, count=1, flags=re.DOTALL))
    assert known(*task) is None
    assert look(task) == found
    assert len(stages) == 6
    assert found.file.read_text() == whole


def test_interrupted_search_keeps_nothing_and_begins_anew(tmp_path, clips, look):
    @contextlib.contextmanager
    def impatient(stage, *, total, unit, initial=0):
        def advance(amount: int, text: str) -> None:
            if stage == "near-duplicates, pairs":
                raise KeyboardInterrupt

        yield advance

    task = make_task(tmp_path, clips)
    with displayed(impatient), pytest.raises(KeyboardInterrupt):
        find(*task, workers=2)
    assert not list(task[1].folder.glob("near-duplicates-*.json"))
    assert len(look(task).clips) == 1


def test_words_name_a_few_and_the_file(tmp_path):
    sounds = unlike(20)
    clips = [Clip(f"{place}.wav", "train", sound) for place, sound in enumerate(sounds)]
    clips += [Clip(f"copy{place}.wav", "test", louder(sounds[place])) for place in range(5)]
    found = find(*make_task(tmp_path, clips), workers=2)
    assert found.text.startswith("5 test clips nearly equal a clip on the other side of the split: copy")
    assert found.text.count(" (train), correlation 1.00 at 0.000 s") == 3
    assert found.text.endswith(f" and 2 more; all in {found.file}")
    assert "\n" not in found.text


def test_pair_of_two_folds_is_an_example_once(tmp_path):
    first, *others = unlike(20)
    clips = [Clip(f"{place}.wav", "123"[place % 3], other) for place, other in enumerate(others)]
    clips += [Clip("a.wav", "1", first), Clip("b.wav", "2", louder(first))]
    found = find(*make_task(tmp_path, clips, folds=True), workers=2)
    assert found.text.startswith("2 test clips nearly equal")
    assert found.text.count("correlation") == 1
