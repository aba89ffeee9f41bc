"""The architecture, read from the source: which module may import which, and through which door a package comes in."""

import ast
import sys
from pathlib import Path

import pytest

from evar.base.provenance import PACKAGE, imported_modules

ORDER = [
    "testing", "__main__", "cli", "cluster", "pretraining", "callbacks", "finetuning", "pipeline", "row",
    "encoder_checks", "fitting", "preparation", "leaderboard", "result", "plots", "tuning", "scoring", "probes",
    "embeddings", "hear", "encoders", "training", "nn", "data", "config", "base",
]  # fmt: skip
BESIDE = {  # what stands beside the order: the stages it may import, and those that may import it
    "pretrain": ({"training", "nn", "data", "base"}, {"cli", "pretraining"}),
    "near_duplicates": ({"nn", "data", "base"}, {"cli", "preparation"}),
}
DOORS = {
    "soundfile": {"data/audio.py"},
    "soxr": {"data/audio.py"},
    "PIL": {"data/image.py"},
    "yaml": {"base/yaml_file.py"},
    "nnAudio": {"nn/frontend.py"},
    "tqdm": {"base/progress.py"},
    "matplotlib": {"plots/saved.py", "plots/inline.py"},
    "ray": {"cluster/pool.py"},
    "rich": {"base/tables.py"},
    "pyarrow": {"data/parquet.py"},
    "huggingface_hub": {"data/downloads/hub.py", "encoders/transformers.py"},
    "jinja2": {"leaderboard/page/render.py", "leaderboard/page/runs.py"},
}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def place(file: Path) -> tuple[str, ...]:
    return file.relative_to(PACKAGE).with_suffix("").parts


def may_import(importer: str, imported: str) -> bool:
    if importer == imported:
        return True
    if importer in BESIDE:
        return imported in BESIDE[importer][0]
    if imported in BESIDE:
        return importer in BESIDE[imported][1]
    return ORDER.index(importer) <= ORDER.index(imported)


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_one_way(file):
    if place(file) == ("__init__",):
        return
    for parts in imported_modules(file):
        if (PACKAGE / parts[0]).exists() or (PACKAGE / f"{parts[0]}.py").exists():
            assert may_import(place(file)[0], parts[0]), f"{file} imports evar.{'.'.join(parts)}"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_outside_packages_come_in_by_one_door(file):
    for name in outside(file) & set(DOORS):
        assert file.relative_to(PACKAGE).as_posix() in DOORS[name], f"{file} imports {name}"


def test_every_module_has_a_stage_and_is_found():
    stages = {place(file)[0] for file in SOURCES} - {"__init__"}
    assert stages <= {*ORDER, *BESIDE}
    assert len(SOURCES) > 30


def test_an_arrow_that_goes_up_is_noticed():
    assert not may_import("nn", "encoders")
    assert not may_import("base", "data")
    assert not may_import("probes", "scoring")
    assert may_import("scoring", "probes")


def outside(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names)


def test_signal_code_never_sees_labels():
    for folder in ("nn", "encoders", "embeddings"):
        for file in (PACKAGE / folder).rglob("*.py"):
            imported = {".".join(parts) for parts in imported_modules(file)}
            assert not {name for name in imported if name.startswith("data.manifest")}, file


def test_waveforms_are_never_heard_after_the_embeddings():
    for folder in ("probes", "scoring", "leaderboard"):
        assert not [file for file in (PACKAGE / folder).rglob("*.py") if ".samples(" in file.read_text("utf-8")]


def test_no_two_classes_share_a_name():
    names = [
        node.name
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert sorted(names) == sorted(set(names))
