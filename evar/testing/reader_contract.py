"""What every reader must keep to, on a dataset in its native layout, as a class of tests; see `trees.py` too.

    class TestMine(ReaderContract):
        trees = (my_tree,)

`pytest -s` shows how long each took to index.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from evar.base.errors import DataError
from evar.data.containers import outer
from evar.data.manifest import Manifest, find_root, open_reader, read_manifest
from evar.data.readers.clip_files import clip_files
from evar.data.readers.contract import COLUMNS
from evar.data.task import Task
from evar.testing.trees import scratch


@dataclass(frozen=True)
class Planted:
    """A dataset in its native layout, what its tree says about it, and its manifest."""

    tree: Any
    task: Task
    data: Path
    manifest: Manifest


@dataclass(frozen=True)
class Partial:
    """The manifest, and which of its paths are there, while the folder that the tree calls GONE is away."""

    manifest: Manifest
    there: set[str]


def there(manifest: Manifest) -> set[str]:
    """Paths whose files, or the files that they lie in, are on the disk."""
    return {path for path in manifest.table["path"] if os.path.isfile(outer(f"{manifest.root}/{path}"))}  # noqa: PTH113


class ReaderContract:
    """Subclass it in a file of tests, by a name that begins with Test. trees: a dataset for each reader."""

    trees: ClassVar[Sequence[Any]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test on each tree."""
        if "tree" in metafunc.fixturenames:
            names = [tree.__name__.rpartition(".")[2] for tree in self.trees]
            metafunc.parametrize("tree", self.trees, ids=names, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def planted(cls, tree: Any) -> Iterator[Planted]:
        """The tree's dataset, and what its reader makes of it."""
        with scratch() as data:
            task = tree.plant(data)
            begin = time.perf_counter()
            manifest = read_manifest(task, data)
            took = time.perf_counter() - begin
            print(f"\nindex {task.name:<8} {len(manifest.table):>8,} clips {took:6.2f} s")
            yield Planted(tree, task, data, manifest)

    @pytest.fixture(scope="class")
    @classmethod
    def partial(cls, planted: Planted) -> Partial:
        """What is read while the tree's folder GONE is away."""
        gone, away = planted.data / planted.tree.GONE, planted.data / ".away"
        gone.rename(away)
        try:
            manifest = read_manifest(planted.task, planted.data)
            return Partial(manifest, there(manifest))
        finally:
            away.rename(gone)

    def test_rows_and_classes_are_those_the_task_expects(self, planted: Planted) -> None:
        expects, manifest = planted.task.expects, planted.manifest
        assert expects
        assert manifest.table["part"].value_counts().to_dict() == expects.parts
        assert len(manifest.table) == manifest.expected == expects.rows
        assert len(manifest.classes) == expects.classes
        assert {name for names in manifest.table["labels"] for name in names} == set(manifest.classes)

    def test_table_has_the_columns_of_the_contract(self, planted: Planted) -> None:
        table = planted.manifest.table
        assert set(table.columns) == set(COLUMNS)
        for column in ("path", "part", "group"):
            assert table[column].map(lambda value: type(value) is str).all()
            assert table[column].ne("").all()
        assert table["labels"].map(lambda value: type(value) is tuple).all()
        assert table["seconds"].dtype == float

    def test_every_clip_of_a_whole_copy_is_there(self, planted: Planted) -> None:
        assert not clip_files(planted.manifest.root).remarks
        assert there(planted.manifest) == set(planted.manifest.table["path"])

    def test_table_hangs_on_no_order_of_the_disk(self, planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
        scandir = os.scandir

        @contextlib.contextmanager
        def backwards(folder: str) -> Iterator[list[Any]]:
            with scandir(folder) as entries:
                yield sorted(entries, key=lambda entry: entry.name, reverse=True)

        monkeypatch.setattr("evar.data.readers.clip_files.os.scandir", backwards)
        again = read_manifest(planted.task, planted.data)
        assert again.table.equals(planted.manifest.table)
        assert (again.classes, again.remarks) == (planted.manifest.classes, planted.manifest.remarks)

    def test_groups_straddle_only_where_the_official_split_makes_them(self, planted: Planted) -> None:
        table, tree = planted.manifest.table, planted.tree
        assert (table.groupby("group")["part"].nunique() > 1).sum() == tree.STRADDLING

    def test_class_list_is_the_same_whatever_is_missing(self, planted: Planted, partial: Partial) -> None:
        assert partial.manifest.classes == planted.manifest.classes

    def test_missing_clips_stay_rows_where_they_are_listed_and_lower_the_coverage_where_not(
        self, planted: Planted, partial: Partial
    ) -> None:
        whole, table = planted.manifest, partial.manifest.table
        found = table["path"].isin(partial.there).sum()
        assert found < len(whole.table) == partial.manifest.expected
        if planted.tree.LISTED:
            assert table["part"].value_counts().to_dict() == whole.table["part"].value_counts().to_dict()
        else:
            assert len(table) < len(whole.table)

    def test_clips_that_are_there_are_read_the_same_whatever_is_missing(
        self, planted: Planted, partial: Partial
    ) -> None:
        whole, table = planted.manifest.table, partial.manifest.table
        left = table[table["path"].isin(partial.there)].set_index("path")
        assert left.equals(whole.set_index("path").loc[left.index])

    def test_data_folder_may_be_the_one_above_or_the_datasets_own(self, planted: Planted) -> None:
        root = planted.manifest.root
        assert find_root(planted.task, planted.data) == root
        assert find_root(planted.task, root) == root

    def test_absent_dataset_says_what_was_looked_for(self, planted: Planted, tmp_path: Path) -> None:
        task = planted.task.model_copy(update={"file": tmp_path / planted.task.file.name})
        with pytest.raises(DataError) as caught:
            read_manifest(task, tmp_path)
        assert open_reader(task).wanted in str(caught.value)
        assert f"the folder that holds {task.folder}/" in str(caught.value)
