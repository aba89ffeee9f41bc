"""Whatever --out names: results, and files of another making, stay as they are.

The options that write are found from the parsers: all that take a path, but those that only read (READ) and those that
name a folder of the harness itself, which grows (GROWN).
"""

import argparse
import itertools
import os
import shutil
from pathlib import Path

import pytest

from evar import pretraining
from evar.cli import arguments, main
from evar.leaderboard import formats, read
from evar.leaderboard.leaderboard_csv import append
from evar.leaderboard.published import FILE
from evar.testing.made_rows import make_row
from tests.leaderboard.test_leaderboard_csv import make_kept
from tests.pretrain import runs

READ = {"weights", "data", "file", "folders"}
GROWN = {"results", "cache"}
QUICK = ["--preset", "tiny", "--frames", "64", "--batch-size", "4", "--epochs", "1", "--short-clips", "pad"]
MORE = {
    "pretrain": ["audio", *QUICK, "--device", "cpu", "--workers", "1"],
    "synthesise": ["--clips", "1", "--workers", "1"],
}
TABLES = ["terminal", "markdown", "latex", "csv", "long", "json", "html"]
SHAPES = ["long", "parquet", "hear", "mteb", "model-card", "site"]
FILES = ["leaderboard.csv", "imported.csv", "comparisons.json", "published.csv", "notes.csv", ".leaderboard.json"]
FILES += ["runs/one.npz", "runs/one.json", "log.csv", "loss.svg", "0-000000.wav", "data/demo/clips.csv"]


def written():
    """(verb, option) of every option that names what is written."""
    for verb in arguments.verb_names():
        for action in arguments.make_parser(verb)._actions:
            if action.type is Path and action.dest not in READ | GROWN:
                yield verb, action


WRITTEN = list(written())


@pytest.fixture
def results(tmp_path):
    """A results folder in the working folder; beside what the harness keeps it holds files of a person."""
    folder = make_results(tmp_path / "results")
    for name in FILES:
        file = folder / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("path,label\nmine,1\n" if file.suffix == ".csv" else "{}")
    shutil.copy(FILE, folder / "published.csv")
    (folder / "imported.csv").write_text("representation,task,score,report,source\nbyola,us8k,0.5,,scores.csv\n")
    return folder


def make_results(folder):
    for run, score in (("one", 0.8), ("two", 0.4)):
        row = make_row(run=run, encoder=run, score=score, low=score - 0.1, high=score + 0.1, parts={"test": score})
        append(folder, row, make_kept())
    return folder


def files_of(folder):
    """What lies in a folder: path -> (what it is a link to, its bytes)."""
    return {
        path: (path.readlink() if path.is_symlink() else None, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def write(verb, action: argparse.Action, target, *more):
    named = [action.option_strings[0], str(target)] if action.option_strings else [str(target)]
    return main([verb, *named, *MORE.get(verb, []), *map(str, more)])


def error_of(capsys):
    """The one line of a mistake."""
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("evar: error: ")]
    assert out == ""
    assert len(errors) == 1, err
    return errors[0]


def spelled(results, way):
    """Another path to the results folder's leaderboard."""
    file, elsewhere = results / "leaderboard.csv", results.parent / "elsewhere"
    elsewhere.mkdir()
    match way:
        case "symlink":
            (elsewhere / "table.csv").symlink_to(file)
            return elsewhere / "table.csv"
        case "hard link":
            (elsewhere / "table.csv").hardlink_to(file)
            return elsewhere / "table.csv"
        case "linked folder":
            (elsewhere / "link").symlink_to(results)
            return elsewhere / "link" / "leaderboard.csv"
        case "relative":
            return Path("elsewhere", "..", "results", ".", "leaderboard.csv")
        case "copy":
            return shutil.copy(file, elsewhere / "backup.csv")


def test_the_verbs_that_write_are_found():
    found = {(verb, action.dest) for verb, action in WRITTEN}
    assert found >= {("leaderboard", "out"), ("export", "out"), ("pretrain", "out"), ("new-task", "folder")}


@pytest.mark.parametrize(("verb", "action"), WRITTEN, ids=lambda value: getattr(value, "dest", value))
def test_no_verb_writes_over_a_file_of_a_results_folder(results, capsys, verb, action):
    ways = [["--format", format] for format in formats.names()] if verb == "leaderboard" else [[]]
    runs.write_audio(Path("audio"), files=8)
    before = files_of(results)
    for name, more in itertools.product(FILES, ways):
        assert write(verb, action, results / name, *more) == 2, name
        error_of(capsys)
        assert files_of(results) == before, name


@pytest.mark.parametrize("way", ["symlink", "hard link", "linked folder", "relative", "copy"])
@pytest.mark.parametrize("verb", ["leaderboard", "export"])
def test_no_path_to_a_leaderboard_is_written(results, capsys, verb, way):
    target = spelled(results, way)
    make_results(Path("others"))
    before = files_of(results.parent)
    for of in (results, Path("results"), Path("others")):
        assert main([verb, "--format", "long", "--out", str(target), "--results", str(of)]) == 2
        assert str(target) in error_of(capsys)
        assert files_of(results.parent) == before


@pytest.mark.parametrize("where", [".", "runs"])
@pytest.mark.parametrize(
    ("verb", "action"),
    [pair for pair in WRITTEN if pair[0] != "demo"],
    ids=lambda value: getattr(value, "dest", value),
)
def test_a_folder_of_results_that_is_named_keeps_all_its_files(results, capsys, verb, action, where):
    runs.write_audio(Path("audio"), files=8)
    before = files_of(results)
    shapes = [["--format", format] for format in SHAPES] if verb == "export" else [[]]
    for more in shapes:
        write(verb, action, results / where, *more)
        assert before.items() <= files_of(results).items()
    if verb in ("leaderboard", "pretrain"):
        assert files_of(results) == before
        assert "evar: error: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["leaderboard.csv", "imported.csv", "runs.lock", "runs/new.json"])
def test_a_name_that_results_will_have_is_not_taken(capsys, name):
    assert main(["leaderboard", "--format", "csv", "--out", f"results/{name}"]) == 2
    assert "is kept for results" in error_of(capsys)
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("verb", "format", "place"),
    [
        *(("leaderboard", each, "table.new") for each in TABLES),
        *(("export", each, "linked") for each in SHAPES),
        ("leaderboard", "terminal", "results/table.new"),
        ("export", "hear", "results/table.new"),
    ],
)
def test_a_new_file_is_written_and_then_written_anew(results, verb, format, place):
    if place == "linked":
        Path(place).symlink_to(results / "table.new")
        if format not in ("long", "parquet"):
            (results / "table.new").mkdir()
    for score in (0.5, 0.6):
        append(results, make_row(run=f"r{score}", score=score), make_kept())
        assert main([verb, "--format", format, "--out", place]) == 0
    before = files_of(results)
    assert main([verb, "--format", format, "--out", place]) == 0
    assert files_of(results) == before
    if place == "linked":
        assert Path(place).is_symlink()
        assert (results / "table.new").exists()


@pytest.mark.parametrize("format", TABLES)
def test_a_table_is_not_written_over_one_of_another_format_nor_over_a_text(results, capsys, format):
    other = "csv" if format != "csv" else "json"
    assert main(["leaderboard", "--format", other, "--out", "table"]) == 0
    Path("text").write_text("# Mine\n\nPer cent\n")
    before = files_of(Path())
    capsys.readouterr()
    for name in ("table", "text"):
        assert main(["leaderboard", "--format", format, "--out", name]) == 2
        assert f"{name} is there, and not written by this command in this format" in error_of(capsys)
    assert files_of(Path()) == before


def test_a_page_of_another_making_is_kept(results, capsys):
    (results / "leaderboard.html").write_text("<!doctype html><title>mine</title>")
    assert main(["leaderboard", "--format", "html"]) == 2
    assert "leaderboard.html is there" in error_of(capsys)


def test_an_empty_file_holds_nothing_to_lose(results):
    Path("made-by-mktemp").touch()
    assert main(["leaderboard", "--format", "csv", "--out", "made-by-mktemp"]) == 0
    assert Path("made-by-mktemp").read_text().startswith("probe,output,encoder")


@pytest.mark.parametrize("verb", ["leaderboard", "export"])
def test_what_is_no_file_is_no_place_to_write(results, capsys, verb):
    os.mkfifo("pipe")
    for name, said in {"pipe": "is no ordinary file", ".": "is a folder"}.items():
        assert main([verb, "--format", "long", "--out", name]) == 2
        assert said in error_of(capsys)
    assert Path("pipe").is_fifo()


def test_it_is_said_before_any_work(results, capsys, monkeypatch):
    def work(*_, **__):
        pytest.fail("worked first")

    runs.write_audio(Path("audio"))
    monkeypatch.setattr(read, "read_rows", work)
    monkeypatch.setattr(pretraining, "prepare_sources", work)
    for line in (["leaderboard", "--out", "results/leaderboard.csv"], ["export", "--out", "results/leaderboard.csv"]):
        assert main(line) == 2
    assert main(["pretrain", *MORE["pretrain"], "--out", "results"]) == 2
    assert "results holds results: a run needs a folder of its own" in capsys.readouterr().err


def test_a_folder_of_runs_alone_holds_results(results, capsys):
    for file in results.iterdir():
        if file.is_file():
            file.unlink()
    before = files_of(results)
    for name in ("leaderboard.csv", "runs/mine.csv"):
        assert main(["leaderboard", "--out", f"results/{name}", "--results", "none"]) == 2
        assert f"results/{name} is kept for results" in error_of(capsys)
    assert files_of(results) == before


def test_imported_scores_are_not_imported_into_themselves(results, capsys):
    before = files_of(results)
    Path("scores.csv").symlink_to(results / "imported.csv")
    assert main(["import", "scores.csv"]) == 2
    assert "scores.csv is where imported scores are kept" in error_of(capsys)
    assert files_of(results) == before


@pytest.mark.parametrize("name", ["log.csv", "loss.svg", "m2d_vit_tiny-80x64p16x16.safetensors"])
def test_pretrain_leaves_files_of_another_making_alone(tmp_path, capsys, name):
    runs.write_audio(tmp_path / "audio", files=8)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine")
    for more in ([], ["--resume"]):
        assert main(["pretrain", *MORE["pretrain"], "--out", "run", *more]) == 2
        assert name in error_of(capsys)
        assert (tmp_path / "run" / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["data/demo/clips.csv", "results/leaderboard.html"])
def test_demo_leaves_files_of_another_making_alone(capsys, name):
    Path(name).parent.mkdir(parents=True)
    Path(name).write_text("mine")
    assert main(["demo", "--folder", "."]) == 2
    assert name in error_of(capsys)
    assert Path(name).read_text() == "mine"
