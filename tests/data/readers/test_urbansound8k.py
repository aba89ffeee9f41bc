"""UrbanSound8K: the archive's layout and Kaggle's, and what the table must hold."""

import pytest

from evar.base.errors import DataError
from evar.data.manifest import read_manifest
from evar.data.task import load_task
from evar.testing.trees import touch
from tests.data.readers.trees.urbansound8k import rows, write_csv

TASK = load_task("us8k")
ROWS = rows(TASK)


@pytest.mark.parametrize("folder", [".", "UrbanSound8K", "UrbanSound8K/UrbanSound8K", "urbansound8k"])
@pytest.mark.parametrize(
    ("csv", "audio"),
    [
        ("metadata/UrbanSound8K.csv", "audio/"),
        ("UrbanSound8K.csv", ""),
        ("UrbanSound8K.csv", "audio/"),
        ("metadata/UrbanSound8K.csv", ""),
    ],
)
def test_archive_and_kaggle_layout_are_read(tmp_path, folder, csv, audio):
    few = ROWS[::100]
    root = tmp_path / folder
    touch(root, [f"{audio}fold{row[5]}/{row[0]}" for row in few])
    write_csv(root / csv, few)
    manifest = read_manifest(TASK, tmp_path)
    assert manifest.root == root
    assert all((root / path).is_file() for path in manifest.table["path"])


def test_official_table_has_five_straddling_recordings(shared):
    table = read_manifest(TASK, shared / "data").table
    assert (table.groupby("group")["part"].nunique() > 1).sum() == 5


def test_seconds_are_what_the_table_promises(tmp_path):
    write_csv(tmp_path / "UrbanSound8K.csv", ROWS)
    assert (read_manifest(TASK, tmp_path).table["seconds"] == 4).all()


def test_time_that_is_no_number_is_reported(tmp_path):
    write_csv(tmp_path / "UrbanSound8K.csv", [*ROWS[:-1], (*ROWS[-1][:2], "soon", *ROWS[-1][3:])])
    with pytest.raises(DataError, match=r"UrbanSound8K.csv: start and end must be seconds: .*'soon'"):
        read_manifest(TASK, tmp_path)
