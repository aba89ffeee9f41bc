"""The growing file of arrays: any dtype and shape, one open file, lines that can be trusted."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from evar.base.errors import StorageError
from evar.data.arrays import Appender, Layout, read

OPEN = Path("/proc/self/fd")
PICTURES = Layout("<f4", (5, 2), ("name",))


def pictures(count):
    numbers = np.random.default_rng(0)
    return [numbers.standard_normal((1 + row % 3, 5, 2)).astype(np.float32) for row in range(count)]


def written(folder, rows, layout=PICTURES):
    with Appender(folder, layout, read(folder, layout, rows)) as appender:
        for row, array in enumerate(pictures(rows)):
            appender.add(row, array, {"name": f"picture {row}"})
    records = read(folder, layout, rows)
    assert records is not None
    return records


def test_arrays_of_any_dtype_and_shape_come_back_as_they_were(tmp_path):
    records = written(tmp_path, 150)
    assert records.columns["name"][149] == "picture 149"
    for row, array in enumerate(pictures(150)):
        assert records.verified(row).dtype == np.float32
        np.testing.assert_array_equal(records.verified(row), array)


@pytest.mark.skipif(not OPEN.exists(), reason="no list of this process's open files")
def test_any_number_of_arrays_is_one_open_file(tmp_path):
    before = len(list(OPEN.iterdir()))
    records = written(tmp_path, 1000)
    for row in range(1000):
        records.array(row)
    assert len(list(OPEN.iterdir())) <= before + 1


def test_a_file_of_another_layout_is_not_read(tmp_path):
    written(tmp_path, 3)
    assert read(tmp_path, Layout("<f4", (2, 5), ("name",)), 3) is None
    assert read(tmp_path, Layout("<i4", (5, 2), ("name",)), 3) is None
    assert read(tmp_path, Layout("<f4", (5, 2), ("title",)), 3) is None


def test_an_array_of_another_shape_is_refused_and_the_others_are_kept(tmp_path):
    with Appender(tmp_path, PICTURES, None) as appender:
        appender.add(0, np.ones((1, 5, 2)), {"name": ""})
        with pytest.raises(ValueError, match=r"elements of shape \(2, 5\), not \(5, 2\)"):
            appender.add(1, np.ones((1, 2, 5)), {"name": ""})
    records = read(tmp_path, PICTURES, 2)
    assert [records.has(0), records.has(1)] == [True, False]


def test_another_process_gets_the_file_and_not_a_copy_of_it(tmp_path):
    records = written(tmp_path, 100)
    records.hold()
    pickled = pickle.dumps(records)
    assert len(pickled) < records.end
    np.testing.assert_array_equal(pickle.loads(pickled).array(7), records.array(7))


def test_a_file_removed_before_it_was_opened_is_one_line(tmp_path):
    records = written(tmp_path, 3)
    records.data.unlink()
    with pytest.raises(StorageError, match="changed while it was in use: run again"):
        records.array(0)
