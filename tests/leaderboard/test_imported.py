"""Another harness's scores: read strictly, added once, marked for good."""

import pytest

from evar.errors import DataError
from evar.leaderboard.blocks import imported_blocks
from evar.leaderboard.imported import Imported, add, read_imported, read_scores

TABLE = 'representation,task,score,report,extra\nm2d,us8k,0.8712,"ok, fine",1\nm2d,vc1,0.73,,2\n'


def write(folder, text, name="scores.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def nothing(text):
    raise AssertionError(text)


def test_rows_are_read_with_their_source(tmp_path):
    assert read_scores(write(tmp_path, TABLE), nothing) == [
        Imported("m2d", "us8k", 0.8712, "ok, fine", "scores.csv"),
        Imported("m2d", "vc1", 0.73, "", "scores.csv"),
    ]


@pytest.mark.parametrize("score", ["87.1", "-0.1", "nan", "inf", "", "good"])
def test_a_score_that_is_no_share_is_told_with_its_line_and_skipped(tmp_path, score):
    notes = []
    file = write(tmp_path, f"representation,task,score,report\na,us8k,{score},x\nb,us8k,0.5,x\n")
    assert [row.representation for row in read_scores(file, notes.append)] == ["b"]
    assert len(notes) == 1
    assert "line 2: score" in notes[0]


def test_another_table_is_refused(tmp_path):
    with pytest.raises(DataError, match="lacks the column representation, score"):
        read_scores(write(tmp_path, "model,task\nx,y\n"), nothing)
    with pytest.raises(DataError, match="cannot read"):
        read_scores(tmp_path / "none.csv", nothing)


def test_rows_are_added_once_and_read_back(tmp_path):
    rows = read_scores(write(tmp_path, TABLE), nothing)
    results = tmp_path / "results"
    assert (add(results, rows, nothing), add(results, rows, nothing)) == (2, 0)
    newer = Imported("m2d", "us8k", 0.9, "later", "scores2.csv")
    assert add(results, [*rows, newer], nothing) == 1
    assert read_imported(results, nothing) == [*rows, newer]


def test_they_are_shown_as_imported(tmp_path):
    (block,) = imported_blocks(read_scores(write(tmp_path, TABLE), nothing))
    assert "Imported" in block.title
    assert [cell.text for cell in block.rows[0]] == ["m2d", "87.1", "73.0", "scores.csv"]
    assert imported_blocks([]) == []
