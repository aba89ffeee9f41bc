"""The leaderboard as text: what a reader, a paper and a program get."""

import csv
import dataclasses
import io
import json
import unicodedata
from pathlib import Path

import pytest
from rich.cells import cell_len

from evar.base.percent import rounded_percent
from evar.base.tables import Text, TextTable
from evar.data.task import CORE
from evar.leaderboard.formats import LEGEND
from evar.leaderboard.imported import Imported
from evar.leaderboard.published import read_published
from evar.leaderboard.ranking import build
from evar.leaderboard.read import Leaderboard
from evar.leaderboard.text_tables import encoder_names, own_tables, per_cent, published_tables
from evar.testing.made_rows import make_row

EVIL = "<script>alert('&|_%$#{}\\')</script>"


def leaderboard(*rows, published=(), imported=(), **how):
    """Rows of which those more than 5 points apart are separable."""
    made = Leaderboard(Path("results"), rows, published, imported, **how)
    vars(made)["board"] = build(rows, lambda best, other: best.score - other.score > 0.05)
    return made


def three(**others):
    return leaderboard(
        make_row(run="r1", encoder="m2d", score=0.8, low=0.78, high=0.83),
        make_row(run="r2", encoder="logmel", score=0.79, low=0.7, high=0.9),
        make_row(run="r3", encoder="random", score=0.1, low=0.0, high=0.2, coverage=0.995),
        **others,
    )


def test_scores_are_per_cent_with_half_the_interval():
    assert per_cent(0.8, 0.78, 0.83) == "80.0 ± 2.5"
    assert per_cent(0.8) == "80.0"


@pytest.mark.parametrize("score", [0.4855, 0.48549999999999993, 0.48550000000000004])
def test_a_score_is_rounded_alike_everywhere(score):
    row = make_row(score=score)
    assert per_cent(score) == "48.6"
    assert "accuracy 48.6 %" in repr(row)


def test_change_has_its_sign_and_what_is_infinite_its_name():
    assert [rounded_percent(share, sign=True) for share in (0.0125, -0.0125, 0.0)] == ["+1.2", "-1.2", "+0.0"]
    assert [rounded_percent(0.12345, 2), rounded_percent(float("inf"))] == ["12.34", "inf"]


def test_terminal_marks_the_best_and_what_is_not_separable():
    lines = three().text("terminal", 100).splitlines()
    assert lines[0] == "probe logistic, output last"
    assert [line.split(maxsplit=1) for line in lines[2:5]] == [
        ["m2d", "*80.0 ± 2.5  r1"],
        ["logmel", "≈79.0 ± 10.0  r2"],
        ["random", "10.0 ± 10.0 (99.5 % of clips)  r3"],
    ]


def test_a_mean_bears_no_mark_for_no_test_compares_means():
    scores = {"a": 0.5, "b": 0.49}
    rows = [make_row(encoder=name, task=task, score=score) for name, score in scores.items() for task in CORE]
    (block,) = own_tables(leaderboard(*rows).board)
    assert block.header[-1] == "core mean"
    assert [row[-1].text.partition(" ")[0] for row in block.rows] == ["50.0", "49.0"]
    assert not any(row[-1].best or row[-1].tied for row in block.rows)
    assert [row[1].best or row[1].tied for row in block.rows] == [True, True]
    assert "not compared, so without marks" in block.notes[0]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_terminal_keeps_within_the_width_and_loses_no_column(width):
    tasks = [f"task{number}" for number in range(9)]
    rows = [make_row(encoder=f"an encoder of a long name, number {n}", task=task) for n in range(3) for task in tasks]
    text = leaderboard(*rows).text(width=width)
    assert max(map(cell_len, text.split("\n\n" + LEGEND.format(best="*"))[0].splitlines())) <= width
    assert [task for task in tasks if task not in text] == []
    assert text.count("50.0 ± 10.0") == 27


def test_the_ids_of_many_runs_are_folded():
    rows = [make_row(run=f"20261101T000000-{1000 + k}0000", task=f"task{k}") for k in range(20)]
    table = leaderboard(*rows).text(width=80).split("\n\n" + LEGEND.format(best="*"))[0]
    assert max(map(cell_len, table.splitlines())) <= 80
    assert [number for number in range(1000, 1020) if str(number) not in table] == []


def test_the_scores_of_five_tasks_are_one_table_at_80_columns():
    rows = [make_row(encoder=f"m2d_vit_base-80x608p16x16-{n}", task=task) for n in range(2) for task in CORE]
    scores, others, _ = leaderboard(*rows).text(width=80).split("\n\n")
    assert scores.count("50.0 ± 10.0") == 10
    assert max(map(cell_len, scores.splitlines())) <= 80
    assert "continued" in others
    assert [name for name in ("core mean", "runs") if name not in others] == []


def unranked():
    rows = [make_row(task=task, score=0.3, limit=3, ranked=False) for task in ("us8k", "gtzan")]
    return leaderboard(*rows, make_row(encoder="m" * 50, probe="knn", coverage=0.089, ranked=False))


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_words_are_folded_and_scores_are_not(width):
    text = unranked().text(width=width)
    table = text.split("\n\n" + LEGEND.format(best="*"))[0]
    assert max(map(cell_len, table.splitlines())) <= max(width, 58)  # what names a line and a score take 58
    assert table.count("30.0 ± 10.0") == 2
    assert table.count("m") >= 50


def test_every_part_of_a_table_repeats_the_columns_that_name_a_line():
    tasks = [f"task{number}" for number in range(9)]
    parts = leaderboard(*[make_row(run=task, task=task) for task in tasks]).text(width=60).split("\n\n")[:-1]
    assert len(parts) > 1
    assert [part.count("m2d") for part in parts] == [1] * len(parts)
    assert ["continued" in part for part in parts] == [False] + [True] * (len(parts) - 1)


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_history_shows_each_run_with_its_change_at_any_width(width):
    weights = "m2d_vit_base-80x608p16x16-step100.safetensors"
    rows = [make_row(run=f"run{n}", weights=weights, time=f"2026-11-0{n}T00:00:00Z") for n in (1, 2)]
    text = leaderboard(*rows, history=True).text(width=width)
    assert text.count("+0.0") == 1
    assert text.count("run1") == text.count("run2") == text.count("\nrun ")


def test_markdown_is_one_cell_a_column_whatever_the_names():
    text = leaderboard(make_row(encoder=EVIL), make_row(encoder="b", score=0.2)).text("markdown")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {3}
    assert "<script>" not in text.replace("\\<", "")
    assert "**50.0 ± 10.0**" in text


def test_a_reference_in_a_name_is_no_reference_in_markdown():
    text = leaderboard(make_row(encoder="&lt;b&gt;")).text("markdown")
    assert "| &amp;lt;b&amp;gt; |" in text


@pytest.mark.parametrize("format", ["terminal", "markdown", "latex"])
def test_names_move_no_cursor_and_break_no_line(format):
    evil = "a\nb\x1b[31mc\u202ed\udce9e\u2028f\x9bg"
    texts = []
    for name in (evil, "x"):
        rows = make_row(run="r", encoder=name), make_row(run="s", encoder=name, limit=3, ranked=False)
        texts.append(leaderboard(*rows).text(format))
    found, plain = texts
    assert len(found.splitlines()) == len(plain.splitlines())
    assert [letter for letter in found if letter != "\n" and unicodedata.category(letter)[0] == "C"] == []
    assert found.count("c\ufffdd\ufffde f\ufffdg") + found.count("c?d?e f?g") == 2


def test_columns_are_aligned_as_a_screen_shows_them():
    names = ("音響モデル", "cafe\u0301", "m2d", "Ｍ２Ｄ" * 30)
    lines = leaderboard(*[make_row(encoder=name) for name in names]).text("terminal", 60).splitlines()
    starts = [cell_len(line[: line.index("50.0")]) for line in lines if "50.0" in line]
    assert starts == starts[:1] * len(names)
    assert max(map(cell_len, lines[:-1])) <= 60


def test_a_first_cell_of_latex_is_no_option_of_the_line_before():
    text = leaderboard(make_row(encoder="[1ex]"), make_row(encoder="*", score=0.2)).text("latex")
    starts = [line.split(" & ")[0] for line in text.splitlines() if line.endswith("\\\\")]
    assert starts == ["encoder", "{[}1ex]", "{*}"]


def test_latex_escapes_what_latex_reads():
    text = leaderboard(make_row(encoder=EVIL)).text("latex")
    row = next(line for line in text.splitlines() if "alert" in line)
    assert r"\textless{}script\textgreater{}alert('\&\textbar{}\_\%\$\#\{\}\textbackslash{}')" in row
    assert r"\textbf{50.0 $\pm$ 10.0} \\" in row
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1


def test_wide_csv_has_a_line_an_encoder_and_shares():
    (row,) = csv.DictReader(io.StringIO(leaderboard(make_row(), make_row(task="gtzan", score=0.25)).text("csv")))
    assert (row["encoder"], row["us8k"], row["us8k_low"], row["us8k_rank"], row["gtzan"]) == (
        "m2d", "0.5", "0.4", "1", "0.25",
    )  # fmt: skip
    assert not any(name.startswith("mean_of") for name in row)


def test_long_csv_has_every_row_and_never_mixes_origins():
    published = read_published()
    shown = leaderboard(make_row(run="r"), make_row(run="s", limit=3, ranked=False), published=published)
    rows = list(csv.DictReader(io.StringIO(shown.text("long"))))
    assert [(row["run"], row["apart_because"]) for row in rows if row["origin"] == "own"] == [
        ("r", ""),
        ("s", "smoke run of 3 clips a part"),
    ]
    beside = [row for row in rows if row["origin"] == "published"]
    assert len(beside) == len(published)
    assert all(row["source"] and row["kind"] and not row["run"] for row in beside)


def test_json_holds_the_same():
    found = json.loads(three(published=read_published()[:2]).text("json"))
    assert [line["encoder"] for line in found["tables"][0]["lines"]] == ["m2d", "logmel", "random"]
    assert found["tables"][0]["lines"][1]["scores"]["us8k"]["not_separable_from_best"] is True
    assert len(found["published"]) == 2


def test_json_tells_numbers_as_numbers():
    bare = dataclasses.replace(read_published()[0], low=None, high=None)
    shown = leaderboard(
        make_row(score=0.63, low=0.6, high=0.66, n=300),
        make_row(run="s", limit=3, ranked=False),
        published=[bare],
        imported=[Imported("byola", "us8k", 0.787, "", "scores.csv")],
    )
    found = json.loads(shown.text("json"))
    cell = found["tables"][0]["lines"][0]["scores"]["us8k"]
    assert [cell[name] for name in ("score", "low", "high", "n", "coverage")] == [0.63, 0.6, 0.66, 300, 1.0]
    assert found["apart"][0]["score"] == 0.5
    assert (found["published"][0]["score"], found["published"][0]["low"]) == (pytest.approx(bare.value), None)
    assert found["imported"][0]["score"] == 0.787


def test_names_that_several_encoders_bear_are_distinguished():
    rows = [
        make_row(run="1", weights="a.pth"),
        make_row(run="2", weights="b.pth", weights_digest="0123456789"),
        make_row(run="3", weights="b.pth", weights_digest="abcdefghij"),
        make_row(run="4", encoder="logmel"),
    ]
    assert encoder_names(rows) == {
        "1": "m2d a.pth",
        "2": "m2d b.pth #01234567",
        "3": "m2d b.pth #abcdefgh",
        "4": "logmel",
    }


def test_published_rows_keep_their_kind_and_source():
    blocks = published_tables(read_published())
    assert [block.title.partition(":")[0] for block in blocks] == [
        "Published",
        *["Published under other protocols"] * 3,
    ]
    assert "fine-tuned" in blocks[3].title
    for block in blocks:
        numbers = {row[-1].text for row in block.rows}
        assert numbers == {note.split()[0] for note in block.notes if note.startswith("[")}
    linear = {tuple(cell.text for cell in row) for row in blocks[0].rows}
    assert any(row[0].startswith("M2D/0.7") and "87.6 ± 0.2" in row for row in linear)
    assert sum(len([cell for cell in row[1:-1] if cell.text]) for block in blocks for row in block.rows) == 838


def test_a_block_knows_which_columns_are_numbers():
    block = TextTable(
        "t", ("a", "b", "c"), ((Text("x"), Text("1.0 ± 2"), Text("")), (Text("y"), Text("-3"), Text("z")))
    )
    assert [block.numeric(column) for column in range(3)] == [False, True, False]


def test_no_name_is_a_formula_for_a_spreadsheet(tmp_path):
    rows = [make_row(encoder="=cmd()"), make_row(encoder="@x", task="gtzan"), make_row(encoder="-1.5", task="vc1")]
    for text in (leaderboard(*rows).text("csv"), leaderboard(*rows).text("long")):
        assert {row["encoder"] for row in csv.DictReader(io.StringIO(text))} == {"'=cmd()", "'@x", "-1.5"}
