"""The reader `table`: each option, each format, and what a mistake in a mapping says.

Mistakes in a plain CSV are in test_manifest.py.
"""

import hashlib
import json

import pytest
import yaml

from evar.base.errors import DataError, UsageError
from evar.data.manifest import find_root, open_reader, read_manifest
from evar.data.task import load_task
from evar.testing.trees import touch

PLAIN = "path,label,split\na.wav,x,train\nb.wav,y,train\nc.wav,x,test\nd.wav,y,test\n"


@pytest.fixture
def read(tmp_path):
    """Read the files (name -> text) with these options; gives path -> (label or labels, part, group)."""

    def read(texts, /, folds=None, multi=False, **options):
        folder = tmp_path / "data" / "set"
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        content = {
            "kind": "multi-label" if multi else "single-label",
            "reader": "table",
            "folder": "set",
            "options": options,
            "seconds": 1.0,
            "metric": "mAP" if multi else "accuracy",
            **({"folds": folds} if folds else {"splits": ["train", "test"]}),
        }
        (tmp_path / "task.yaml").write_text(yaml.safe_dump(content))
        table = read_manifest(load_task(str(tmp_path / "task.yaml")), tmp_path / "data").table
        rows = zip(table["path"], table["labels"], table["part"], table["group"], strict=True)
        return {path: (labels if multi else labels[0], part, group) for path, labels, part, group in rows}

    return read


EXPECTED = {"a.wav": ("x", "train", "a.wav"), "b.wav": ("y", "train", "b.wav"),
            "c.wav": ("x", "test", "c.wav"), "d.wav": ("y", "test", "d.wav")}  # fmt: skip


def test_a_plain_csv_needs_no_options(read):
    assert read({"clips.csv": PLAIN}) == EXPECTED


ROWS = [dict(zip(("path", "label", "split"), line.split(","), strict=True)) for line in PLAIN.split("\n")[1:-1]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("meta/clips.tsv", PLAIN.replace(",", "\t")),
        ("clips.txt", PLAIN.replace(",", "\t")),
        ("clips.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n"),
        ("clips.json", json.dumps(ROWS)),
        ("clips.json", json.dumps({"data": ROWS})),
        ("clips.json", json.dumps({str(number): row for number, row in enumerate(ROWS)})),
        ("clips.json", "\ufeff" + json.dumps(ROWS)),
    ],
)
def test_each_format_gives_the_same_clips(read, name, text):
    assert read({name: text}, table=name) == EXPECTED


def test_keys_of_an_object_of_rows_or_of_values_are_a_column(read):
    rows = {row["path"]: {"label": row["label"], "split": row["split"]} for row in ROWS}
    assert read({"t.json": json.dumps(rows)}, table="t.json", columns={"path": "key"}) == EXPECTED
    tables = {part: {row["path"]: [row["label"]] for row in ROWS if row["split"] == part} for part in ("train", "test")}
    found = read(
        {f"{part}.json": json.dumps(table) for part, table in tables.items()},
        table={"train": "train.json", "test": "test.json"},
        columns={"path": "key", "label": "value", "split": "table"},
    )
    assert found == EXPECTED


def test_values_of_json_are_taken_as_they_are_written(read):
    rows = [
        {"path": "a.wav", "label": 60, "split": "train", "group": 7},
        {"path": "b.wav", "label": 1.5, "split": "train", "group": None},
        {"path": "c.wav", "label": True, "split": "test"},
    ]
    assert read({"t.json": json.dumps(rows)}, table="t.json") == {
        "a.wav": ("60", "train", "7"),
        "b.wav": ("1.5", "train", "b.wav"),
        "c.wav": ("True", "test", "c.wav"),
    }


def test_a_list_in_json_is_several_labels(read):
    lines = [
        {"path": "a.wav", "labels": ["x", "y, z"], "split": "train"},
        {"path": "b.wav", "labels": [], "split": "test"},
    ]
    found = read({"t.jsonl": "\n".join(map(json.dumps, lines))}, table="t.jsonl", multi=True)
    assert found == {"a.wav": (("x", "y, z"), "train", "a.wav"), "b.wav": ((), "test", "b.wav")}
    with pytest.raises(DataError, match=r"'y, z' holds ',', which separates labels: give another separator"):
        read({"t.jsonl": "\n".join(map(json.dumps, lines))}, table="t.jsonl", multi=True, separator=",")


def test_columns_are_named_or_made_of_a_template(read):
    text = "file,kind,set,who,day\na,x,train,ann,1\nb,y,test,bob,2\n"
    columns = {"path": "wav/{set}/{file}.wav", "label": "kind", "split": "set", "group": "{who}-{day}"}
    assert read({"clips.csv": text}, columns=columns) == {
        "wav/train/a.wav": ("x", "train", "ann-1"),
        "wav/test/b.wav": ("y", "test", "bob-2"),
    }


def test_columns_with_one_and_zero_are_labels(read):
    text = "path\tsplit\tx\tnot there\ty\na.wav\ttrain\t1\t0\t1\nb.wav\ttest\t0\t0\t0\n"
    found = read({"clips.csv": text}, columns={"labels": ["y", "x"]}, multi=True)
    assert found == {"a.wav": (("x", "y"), "train", "a.wav"), "b.wav": ((), "test", "b.wav")}
    with pytest.raises(DataError, match="column x must hold 1 or 0, not '2'"):
        read({"clips.csv": text.replace("train\t1", "train\t2")}, columns={"labels": ["y", "x"]}, multi=True)


def test_labels_may_be_separated_by_another_sign_and_have_new_names(read):
    text = 'path,labels,split\na.wav,"/m/1, /m/2",train\nb.wav,/m/2,test\n'
    values = {"labels": {"Dog": "/m/1", "Animal": "/m/2"}}
    found = read({"clips.csv": text}, separator=",", values=values, multi=True)
    assert found == {"a.wav": (("Animal", "Dog"), "train", "a.wav"), "b.wav": (("Animal",), "test", "b.wav")}


def test_new_values_replace_old_ones_and_a_star_takes_every_other(read):
    text = "path,label,split,speaker\na.wav,1,7,7\nb.wav,2,8,8\nc.wav,1,9,9\n"
    values = {"split": {"test": [9], "train": "*"}, "label": {"one": 1}}
    found = read({"clips.csv": text}, values=values, columns={"group": "speaker"})
    assert found == {"a.wav": ("one", "train", "7"), "b.wav": ("2", "train", "8"), "c.wav": ("one", "test", "9")}


def test_expressions_make_columns_of_paths(read):
    text = "path,split\nw/dog-ann-1.wav,train\nw/cat-bob-1.wav,test\n"
    match = {"path": r"(?P<label>[a-z]+)-(?P<group>[a-z]+)-"}
    assert read({"clips.csv": text}, match=match) == {
        "w/dog-ann-1.wav": ("dog", "train", "ann"),
        "w/cat-bob-1.wav": ("cat", "test", "bob"),
    }
    with pytest.raises(DataError, match=r"column path of 1 rows does not fit .*: 'w/DOG.wav'"):
        read({"clips.csv": text + "w/DOG.wav,test\n"}, match=match)
    with pytest.raises(DataError, match=r"clips.csv: the expression for path names split, which is a column there"):
        read({"clips.csv": text}, match={"path": r"(?P<split>[a-z]+)-"})


def test_paths_alone_are_enough(read, tmp_path):
    paths = ["train/dog/a.wav", "train/cat/b.flac", "test/dog/c.wav", "test/cat/d.wav"]
    touch(tmp_path / "data" / "set", [*paths, "test/cat/d.mp3", "test/cat/d.txt", "readme.wav", "test/cat/deep/e.wav"])
    found = read({}, files=r"(?P<split>train|test)/(?P<label>[^/]+)/[^/]+\.\w+")
    assert found == {path: (path.split("/")[1], path.split("/")[0], path) for path in paths}


def test_paths_that_do_not_fit_at_all_are_one_clear_error(read, tmp_path):
    touch(tmp_path / "data" / "set", ["a.wav"])
    with pytest.raises(
        DataError, match=r"looked for files whose paths fit \\d\\.wav in .*data/set.*; there is a.wav; "
    ):
        read({}, files=r"\d\.wav")


def test_rows_are_chosen_and_left_out_by_their_values(read):
    text = PLAIN.replace("split\n", "split,ten\n").replace("train\n", "train,True\n").replace("test\n", "test,False\n")
    more = text + "e.wav,z,other,False\n"
    assert read({"clips.csv": more}, where={"ten": [True, False]}, without={"split": "other"}) == EXPECTED
    with pytest.raises(DataError, match=r"clips.csv: column ten never holds 'Yes' \(it holds 'False', 'True'\)"):
        read({"clips.csv": more}, where={"ten": "Yes"})
    with pytest.raises(DataError, match=r"clips.csv: no column tan: did you mean ten\? \(columns there: path, label, "):
        read({"clips.csv": more}, where={"tan": "True"})


def test_a_second_table_is_joined_by_a_key(read):
    files = {
        "clips.csv": "path,split,label\na.wav,train,x\nb.wav,test,y\n",
        "people.tsv": "file\tlabel\tperson\nb.wav\tno\tbob\na.wav\tno\tann\nz.wav\tno\tzoe\n",
    }
    join = {"table": "people.tsv", "by": {"path": "file"}}
    expected = {"a.wav": ("x", "train", "ann"), "b.wav": ("y", "test", "bob")}
    assert read(files, join=join, columns={"group": "person"}) == expected
    assert read(files, join=[join], match={"person": "(?P<group>.)"})["a.wav"] == ("x", "train", "a")
    with pytest.raises(DataError, match=r"people.tsv: no row whose file is 'b.wav', of column path"):
        read({**files, "people.tsv": "file\tperson\na.wav\tann\n"}, join=join)
    with pytest.raises(DataError, match=r"people.tsv: column file holds 'a.wav' twice"):
        read({**files, "people.tsv": "file\tperson\na.wav\tann\na.wav\tbob\n"}, join=join)
    with pytest.raises(DataError, match=r"people.tsv: no column fil: did you mean file\? \(columns there: file, label"):
        read(files, join={"table": "people.tsv", "by": {"path": "fil"}})


def test_names_of_columns_may_take_several_lines_or_be_given(read):
    three = ",set,track\n,split,genre\nid,,\na.wav,train,x\nb.wav,test,y\n"
    expected = {"a.wav": ("x", "train", "a.wav"), "b.wav": ("y", "test", "b.wav")}
    columns = {"path": "id", "split": "set.split", "label": "track.genre"}
    assert read({"clips.csv": three}, header=3, columns=columns) == expected
    assert read({"clips.csv": "a.wav,x,train\nb.wav,y,test\n"}, header=["path", "label", "split"]) == expected


def test_several_tables_say_which_of_them_is_at_fault(read):
    files = {"a.csv": "path,label\na.wav,x\n", "b.csv": "path,label\nb.wav,y\nc.wav,\n"}
    options = {"table": {"train": "a.csv", "test": "b.csv"}, "columns": {"split": "table"}}
    with pytest.raises(DataError, match=r"b.csv: empty label in line 3$"):
        read(files, **options)
    with pytest.raises(DataError, match=r"cannot read .*b.csv: No such file"):
        (lambda: read({"a.csv": files["a.csv"]}, **{**options, "table": {"train": "a.csv", "test": "no/b.csv"}}))()
    with pytest.raises(DataError, match=r"b.csv: a column table of its own"):
        read({**files, "b.csv": "path,label,table\nb.wav,y,1\n"}, **options)


def test_a_table_with_a_name_says_it_also_where_it_is_the_only_one(read):
    found = read({"a.csv": PLAIN}, table={"x": "a.csv"}, columns={"group": "table"})
    assert found == {path: (label, part, "x") for path, (label, part, _) in EXPECTED.items()}


def test_lines_of_json_and_rows_of_json_are_counted_from_one(read):
    rows = [*ROWS, {"path": "e.wav", "label": "", "split": "test"}]
    with pytest.raises(DataError, match=r"t.jsonl: empty label in line 5$"):
        read({"t.jsonl": "\n".join(map(json.dumps, rows))}, table="t.jsonl")
    with pytest.raises(DataError, match=r"t.json: empty label in row 5$"):
        read({"t.json": json.dumps(rows)}, table="t.json")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.json", "{", r"t.json: not JSON: EOF while parsing an object at line 1"),
        ("t.json", "3", r"t.json: not a table: it must hold a list or an object of rows"),
        ("t.json", "[1, 2]", r"t.json: not a table: it must hold a list or an object of rows"),
        ("t.jsonl", '{"path": "a"}\n\n{]\n', r"t.jsonl, line 3: not JSON: key must be a string"),
        ("t.jsonl", '{"path": "a"}\n[1]\n', r"t.jsonl, line 2: not a row: it must hold an object"),
        ("t.json", '[{"path": "a"}]', r"t.json: no column label, split \(columns there: path\)"),
    ],
)
def test_file_that_is_no_table_of_json_names_what_is_wrong(read, name, text, said):
    with pytest.raises(DataError, match=said):
        read({name: text}, table=name)


ASKED = "clip,tag,sure,split\na.wav,x,0.5,train\nb.wav,y,0.9,test\na.wav,y,0.2,train\na.wav,z,1,train\nb.wav,x,,test\n"


def test_rows_of_a_clip_and_a_label_each_are_gathered_by_path(read):
    files = {"clips.csv": ASKED.replace("x,,", "x,0.7,")}
    options = {"columns": {"path": "clip", "labels": "tag"}, "gather": True, "without": {"sure": "0.2"}}
    expected = {"a.wav": (("x", "z"), "train", "a.wav"), "b.wav": (("x", "y"), "test", "b.wav")}
    assert read(files, multi=True, **options) == expected
    options["gather"] = {"value": "sure", "present": 0.7}
    assert read(files, multi=True, **options) == {**expected, "a.wav": (("z",), "train", "a.wav")}


@pytest.mark.parametrize(
    ("old", "new", "options", "said"),
    [
        ("", "", {"gather": {"value": "sure", "present": 0.5}}, r"clips.csv: column sure is not a number in line 6$"),
        ("", "", {"gather": {"value": "sur", "present": 0.5}}, r"clips.csv: no column sur: did you mean sure\?"),
        (
            "a.wav,z,1,train",
            "a.wav,z,1,test",
            {},
            r"clips.csv: rows of one path differ in split: line 5 and an earlier",
        ),
        ("", "", {"columns": {"path": "clip"}}, r"clips.csv: no column labels"),
        (
            ",,test",
            ",0,test\na.wav,x,0,train",
            {"gather": {"value": "sure", "present": 0.5}},
            r"both labels and absent",
        ),
    ],
)
def test_rows_that_cannot_be_gathered_name_what_is_wrong(read, old, new, options, said):
    options = {"columns": {"path": "clip", "labels": "tag"}, "gather": True, **options}
    with pytest.raises(DataError, match=said):
        read({"clips.csv": ASKED.replace(old, new) if old else ASKED}, multi=True, **options)


def test_clips_of_one_label_are_not_gathered(read):
    with pytest.raises(UsageError, match=r"task.yaml: gather is for multi-label tasks"):
        read({"clips.csv": PLAIN}, gather=True)


def test_folds_are_dealt_by_the_group_alone(read, tmp_path):
    def dealt(number):
        return "abc"[int(int(hashlib.sha256(f"s{number}".encode()).hexdigest()[:16], 16) / 2**64 * 3)]

    paths = [f"{label}/s{number}_{take}.wav" for label in "xy" for number in range(20) for take in range(2)]
    touch(tmp_path / "data" / "set", paths)
    options = {"files": r"(?P<label>[xy])/(?P<group>s\d+)_\d\.wav", "deal": True}
    whole = read({}, folds=["a", "b", "c"], **options)
    assert {group: part for _, part, group in whole.values()} == {f"s{n}": dealt(n) for n in range(20)}
    for path in paths[::3]:
        (tmp_path / "data" / "set" / path).unlink()
    some = read({}, folds=["a", "b", "c"], **options)
    assert some.items() < whole.items()


def test_splits_are_dealt_in_the_shares_that_are_given(read, tmp_path):
    touch(tmp_path / "data" / "set", [f"{'xy'[number % 2]}/{number}.wav" for number in range(2000)])
    found = read({}, files=r"(?P<label>[xy])/\d+\.wav", deal={"train": 9, "test": 1})
    share = sum(part == "test" for _, part, _ in found.values()) / len(found)
    assert share == pytest.approx(0.1, abs=0.03)  # three standard deviations are 0.02
    with pytest.raises(UsageError, match=r"task.yaml: deal must give a share of 1 or more to each of train, test, not"):
        read({}, files=r"(?P<label>[xy])/\d+\.wav", deal={"train": 9, "valid": 1})


def test_a_clip_keeps_its_part_when_it_is_converted(read, tmp_path):
    options = {"files": r"(?P<label>[xy])/\d+\.\w+", "deal": {"train": 1, "test": 1}}
    touch(tmp_path / "data" / "set", [f"{'xy'[number % 2]}/{number}.wav" for number in range(20)])
    before = {path[:-4]: part for path, (_, part, _) in read({}, **options).items()}
    for file in (tmp_path / "data" / "set").glob("*/*.wav"):
        file.rename(file.with_suffix(".flac"))
    assert {path[:-5]: part for path, (_, part, _) in read({}, **options).items()} == before


def test_the_folder_that_an_archive_makes_is_found(read, tmp_path):
    folder = tmp_path / "data" / "set" / "set-1.0-main"
    folder.mkdir(parents=True)
    (folder / "clips.csv").write_text(PLAIN)
    assert read({}, nests=["set-*"]) == EXPECTED
    assert find_root(load_task(str(tmp_path / "task.yaml")), tmp_path / "data") == folder


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colums": {}}, r"unknown option of reader table 'colums': did you mean columns"),
        ({"columns": {"lable": "a"}}, r"unknown column in option columns of reader table 'lable': did you mean label"),
        ({"values": {"lable": {"a": "b"}}}, r"unknown column in option values of reader table 'lable'"),
        ({"columns": {"path": "a/{b"}}, r"option columns of reader table, path: 'a/\{b' is no template"),
        ({"columns": {"path": "a/{b:03}"}}, r"must hold columns as \{column\}, plainly, not 'b'"),
        ({"columns": {"path": "a/{}"}}, r"must hold columns as .*, plainly"),
        ({"columns": {"path": "a{{b"}}, r"names no column"),
        ({"columns": {"label": ["a", "b"]}}, r"column label must be one column or a template; a list .* is for labels"),
        ({"match": {"path": "(?P<a>"}}, r"match of path: '\(\?P<a>' is no regular expression"),
        ({"match": {"path": "a(b)"}}, r"match of path: 'a\(b\)' names no column: write \(\?P<label>\.\.\.\)"),
        ({"files": "(?P<path>.*)"}, r"files: .* names path, which is the file's own"),
        ({"table": "../clips.csv"}, r"table must be a file below the task's folder, not '../clips.csv'"),
        ({"table": {}}, r"table names no file"),
        ({"join": {"table": "a.csv"}}, r"join: by is missing"),
        ({"gather": {"value": "a"}}, r"gather: present is missing"),
        ({"gather": {"value": "a", "present": "b"}}, r"gather: present must be a number, not 'b'"),
        ({"gather": {"valeu": "a"}}, r"unknown key of option gather .*'valeu': did you mean value"),
        ({"gather": {"value": "a", "present": 1}, "columns": {"absent": "b"}}, r"gather makes the column absent"),
        (
            {"join": {"table": "a.csv", "by": "a", "hedaer": 2}},
            r"unknown key of option join .*'hedaer': did you mean h",
        ),
        ({"join": {"table": "/a.csv", "by": "a"}}, r"join must be a file below the task's folder, not '/a.csv'"),
        ({"join": {"table": "a.csv", "by": {"a": "b", "c": "d"}}}, r"join is by one column"),
        ({"values": {"label": {"a": ["x", "y"], "b": "y"}}}, r"values of label: 'y' becomes both a and b"),
        ({"deal": True, "columns": {"split": "set"}}, r"deal makes the splits or folds"),
        ({"separator": ""}, r"separator must not be empty"),
        ({"where": {"a": {"b": 1}}}, r"option where must be"),
    ],
)
def test_a_mistake_in_an_option_is_one_line_that_names_the_task_file(tmp_path, options, said):
    task = {"kind": "single-label", "reader": "table", "folder": "set", "options": options, "seconds": 1.0,
            "metric": "accuracy", "splits": ["train", "test"]}  # fmt: skip
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(task))
    with pytest.raises(UsageError, match=said) as caught:
        open_reader(load_task(str(tmp_path / "task.yaml")))
    assert str(caught.value).startswith(str(tmp_path / "task.yaml"))
    assert "\n" not in str(caught.value)
