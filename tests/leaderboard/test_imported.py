"""Another harness's scores: read strictly, added once, marked for good."""

import os

import pytest

from evar.base.errors import DataError
from evar.leaderboard.imported import Imported, add, import_results, read_imported, read_scores
from evar.leaderboard.text_tables import imported_tables

TABLE = 'representation,task,score,report,extra\nm2d,us8k,0.8712,"ok, fine",1\nm2d,vc1,0.73,,2\n'


def write(folder, text, name="scores.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_rows_are_read_with_their_source(tmp_path):
    assert read_scores(write(tmp_path, TABLE)) == [
        Imported("m2d", "us8k", 0.8712, "ok, fine", "scores.csv"),
        Imported("m2d", "vc1", 0.73, "", "scores.csv"),
    ]


@pytest.mark.parametrize("score", ["87.1", "-0.1", "nan", "inf", "", "good"])
def test_a_score_that_is_no_share_is_reported_with_its_line_and_skipped(tmp_path, score, notes):
    file = write(tmp_path, f"representation,task,score,report\na,us8k,{score},x\nb,us8k,0.5,x\n")
    assert [row.representation for row in read_scores(file)] == ["b"]
    assert len(notes) == 1
    assert "line 2: score" in notes[0]


def test_a_table_in_per_cent_is_one_clear_error(tmp_path, notes):
    file = write(tmp_path, "representation,task,score,report\na,us8k,87.1,x\nb,us8k,50,x\n")
    with pytest.raises(DataError) as caught:
        import_results(file, tmp_path / "results")
    assert str(caught.value) == (
        f"{file}, line 2: score '87.1' is no share from 0 to 1, it looks like per cent: divide by 100; none of its 2 "
        "lines is a score that can be taken"
    )
    assert notes == []
    with pytest.raises(DataError, match="holds no line below its header"):
        import_results(write(tmp_path, "representation,task,score,report\n"), tmp_path / "results")


def test_another_table_is_refused(tmp_path):
    with pytest.raises(DataError, match="lacks the column representation, score"):
        read_scores(write(tmp_path, "model,task\nx,y\n"))
    with pytest.raises(DataError, match="cannot read"):
        read_scores(tmp_path / "none.csv")


def test_rows_are_added_once_and_read_back(tmp_path):
    rows = read_scores(write(tmp_path, TABLE))
    results = tmp_path / "results"
    assert (add(results, rows), add(results, rows)) == (2, 0)
    newer = Imported("m2d", "us8k", 0.9, "later", "scores2.csv")
    assert add(results, [*rows, newer]) == 1
    assert read_imported(results) == [*rows, newer]


def test_a_score_of_many_digits_is_added_once_and_kept_whole(tmp_path):
    row = Imported("m2d", "us8k", 0.8567123287671232, "", "scores.csv")
    assert [add(tmp_path, [row]) for _ in range(3)] == [1, 0, 0]
    assert read_imported(tmp_path) == [row]


def test_a_score_that_was_written_with_ten_digits_is_not_added_again(tmp_path):
    write(tmp_path, "representation,task,score,report,source\nm2d,us8k,0.8567123288,,scores.csv\n", "imported.csv")
    row = Imported("m2d", "us8k", 0.8567123287671232, "", "scores.csv")
    assert add(tmp_path, [row, row]) == 0


ROW = Imported("new", "us8k", 0.5, "a,b", "scores.csv")


def test_a_line_by_hand_that_is_no_row_stays_where_rows_are_added(tmp_path, notes):
    file = write(tmp_path, "representation,task,score,report,source\nby hand,us8k,87 %,,me\n", "imported.csv")
    before = file.read_text(encoding="utf-8")
    assert add(tmp_path, [ROW]) == 1
    assert file.read_text(encoding="utf-8") == before + 'new,us8k,0.5,"a,b",scores.csv\n'
    assert notes == [
        f"{file}, line 2: score '87 %' is no share from 0 to 1, it looks like per cent: divide by 100; the "
        "line is skipped"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "representation,task,score,report,source\nold,us8k,0.4,x,old.csv",
        "\ufefftask,source,report,score,representation\r\nus8k,old.csv,x,0.4,old\r\n",
        "mine,task,score,report,representation,source\n1,us8k,0.4,x,old,old.csv\n",
    ],
    ids=["a last line that is not ended", "another order", "a column of one's own"],
)
def test_rows_are_added_below_the_columns_that_are_there(tmp_path, text):
    file = write(tmp_path, text, "imported.csv")
    before = file.read_bytes()
    other = Imported("newer", "vc1", 0.6, "", "scores.csv")
    assert add(tmp_path, [ROW, other]) == 2
    assert file.read_bytes().startswith(before)
    assert read_imported(tmp_path) == [Imported("old", "us8k", 0.4, "x", "old.csv"), ROW, other]


def test_a_file_without_report_and_source_is_refused_and_stays_as_it_is(tmp_path):
    file = write(tmp_path, "representation,task,score\nold,us8k,0.4\n", "imported.csv")
    before = file.read_bytes()
    for work in (lambda: add(tmp_path, [ROW]), lambda: read_imported(tmp_path)):
        with pytest.raises(DataError, match="imported.csv lacks the column report, source"):
            work()
    assert file.read_bytes() == before


def test_an_empty_file_gets_a_header(tmp_path):
    write(tmp_path, "", "imported.csv")
    assert read_imported(tmp_path) == []
    assert add(tmp_path, [ROW]) == 1
    assert read_imported(tmp_path) == [ROW]


@pytest.mark.parametrize(
    "broken",
    ["a,us8k,0.5," + 200_000 * "x", 'a,us8k,0.5,"never closed', "a,us8k,0,5,x"],
    ids=["long", "quote", "cells"],
)
def test_a_broken_line_is_reported_and_takes_no_other_with_it(tmp_path, broken, notes):
    file = write(tmp_path, f'representation,task,score,report\n{broken}\nb,us8k,0.5,"x\ny"\nc,us8k,0.6,x\n')
    assert [row.representation for row in read_scores(file)] == ["b", "c"]
    assert notes == [f"{file}, line 2: not a row of 4 cells; the line is skipped"]


def test_endless_names_are_reported_and_endless_columns_are_left_out(tmp_path, notes):
    more = "".join(f",{number}" for number in range(10**5))
    long = f"{'x' * 5000},us8k,0.5,\n"
    file = write(tmp_path, f"representation,task,score,report\n{long}b,us8k,0.5,\n")
    assert [row.representation for row in read_scores(file)] == ["b"]
    assert notes == [f"{file}, line 2: a cell has 5,000 letters, more than 4,096; the line is skipped"]
    file = write(tmp_path, f"representation,task,score{more}\nc,us8k,0.5{more}\n")
    assert [row.representation for row in read_scores(file)] == ["c"]


def test_an_endless_table_is_refused(tmp_path):
    file = write(tmp_path, "representation,task,score\n")
    os.truncate(file, 1 << 40)
    with pytest.raises(DataError, match=r"cannot read .*scores\.csv: it has 1,099,511,627,776 bytes, more than"):
        read_scores(file)


@pytest.mark.parametrize("header", [200_000 * "x", "task,task", '"task'], ids=["long", "twice", "quote"])
def test_a_header_that_is_none_is_refused(tmp_path, header):
    with pytest.raises(DataError, match="scores.csv, line 1: no list of columns") as caught:
        read_scores(write(tmp_path, f"{header}\na,us8k,0.5\n"))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_any_system_are_read_and_added_once(tmp_path, end):
    file = tmp_path / "scores.csv"
    file.write_bytes(f'representation,task,score,report{end}a,us8k,0.5,"x{end}y"{end}'.encode())
    rows = read_scores(file)
    assert rows == [Imported("a", "us8k", 0.5, "x\ny", "scores.csv")]
    assert [add(tmp_path, rows) for _ in range(2)] == [1, 0]


def test_they_are_shown_as_imported(tmp_path):
    (block,) = imported_tables(read_scores(write(tmp_path, TABLE)))
    assert "Imported" in block.title
    assert [cell.text for cell in block.rows[0]] == ["m2d", "87.1", "73.0", "scores.csv"]
    assert imported_tables([]) == []
