"""Tasks as data: the schema, its errors, and the facts of the bundled tasks."""

import os

import pytest
import yaml

from evar.base.errors import UsageError
from evar.data.named_tasks import load_tasks
from evar.data.task import BUNDLED, CORE, load_task, local_tasks

CUSTOM = {
    "title": "Spoken digits",
    "kind": "single-label",
    "reader": "table",
    "folder": ".",
    "seconds": 1.0,
    "splits": ["train", "valid", "test"],
    "metric": "accuracy",
    "source": "somebody",
    "licence": "CC0",
}


@pytest.fixture
def write(tmp_path):
    def write_task(file="digits.yaml", **changes):
        content = {key: value for key, value in {**CUSTOM, **changes}.items() if value is not None}
        path = tmp_path / file
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write_task


def test_core_tasks_state_the_official_counts_lengths_metrics_and_least_coverage():
    tasks = {name: load_task(name) for name in CORE}
    assert {
        name: (task.expects.rows, task.expects.classes, task.seconds, task.metric, task.min_coverage)
        for name, task in tasks.items()
    } == {
        "us8k": (8732, 10, 4.0, "accuracy", 0.99),
        "vc1": (153516, 1251, 8.2, "accuracy", 0.99),
        "as20k": (42531, 527, 10.0, "mAP", 0.75),
        "gtzan": (930, 10, 30.0, "accuracy", 0.995),
        "spcv2": (105829, 35, 1.0, "accuracy", 0.99),
    }
    parts = {name: list(task.expects.parts.values()) for name, task in tasks.items()}
    assert parts["us8k"] == [873, 888, 925, 990, 936, 823, 838, 806, 816, 837]
    assert parts["vc1"] == [138361, 6904, 8251]
    assert parts["gtzan"] == [443, 197, 290]
    assert parts["spcv2"] == [84843, 9981, 11005]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"minimum_coverage": 0.5}, r"digits.yaml: minimum_coverage: unknown key; did you mean min_coverage"),
        ({"seconds": "1"}, r"digits.yaml: seconds: must be a number, not '1'"),
        ({"seconds": -1.0}, r"seconds: must be a number of at least 0.01, not -1.0"),
        ({"seconds": 1e9}, r"seconds: must be a number of at most 600, not 1000000000.0"),
        ({"folds": [1, 2, 3], "splits": None}, r"digits.yaml: folds: each must be text in quotes, not 1$"),
        ({"classes": ["a", True, False]}, r"digits.yaml: classes: each must be text in quotes, not True$"),
        ({"classes": "a"}, r"classes: must be a list, not 'a'"),
        ({"classes": ["a", "a"]}, r"classes must be at least two different names"),
        ({"classes": ["a"]}, r"classes must be at least two different names"),
        ({"options": ["csv"]}, r"options: must be names with their values, not \['csv'\]"),
        ({"folder": 3}, r"folder: must be text in quotes, not 3"),
        ({"folder": None, "kind": None, "reader": None}, r"digits.yaml: kind, reader, folder: missing"),
        ({"folder": ""}, r"folder: must be text that is not empty, not ''"),
        ({"expects": 3}, r"expects: must be names with their values, not 3"),
        ({"expects": {"rows": 0, "classes": 2, "parts": {}}}, r"expects.rows: must be a number above 0, not 0$"),
        (
            {"expects": {"rows": 1, "classes": 2, "parts": {1: 1}}},
            r"expects.parts: each name must be text in quotes, not 1$",
        ),
        ({"folds": ["1", "2", "3"]}, r"digits.yaml: give either splits or folds"),
        ({"splits": None}, r"give either splits or folds"),
        ({"splits": ["train", "valid"]}, r"splits must hold train and test"),
        ({"splits": None, "folds": ["1", "2"]}, r"at least three different names"),
        ({"splits": None, "folds": ["1", "2", "2"]}, r"at least three different names"),
        ({"metric": "lwlrap"}, r"metric lwlrap goes with another kind, single-label with accuracy or mAP"),
        (
            {"kind": "multi-label"},
            r"metric accuracy goes with another kind, multi-label with mAP or macro_auc",
        ),
        ({"kind": "multi-label", "metric": "mAP", "pitches": True}, r"pitches goes with kind single-label"),
        ({"metric": "acuracy"}, r"metric: must be 'accuracy', 'mAP', 'macro_auc' or 'lwlrap', not 'acuracy'"),
        ({"expects": {"rows": 3, "classes": 2, "parts": {"train": 1}}}, r"expects: parts add up to 1, rows says 3"),
        ({"split_file": "none.csv"}, r"split_file: no none.csv in "),
        ({"splits": ["train", "test", "test"]}, r"each once"),
        (
            {"expects": {"rows": 2, "classes": 2, "parts": {"trian": 1, "test": 1}}},
            r"expects.parts must name train, valid",
        ),
        ({"expects": {"rows": 3, "classes": 2, "parts": {"train": 3}, "of_class": {"a": 1}}}, r"of_class add up to 1"),
        ({"name": "other"}, r"digits.yaml: name: a task is named by its file; remove this key"),
        (
            {"name": "a", "kind": None, "seconds": "1", "sauce": "x", "metric": "mAP", "classes": ["a", "a"]},
            r"name: a task .*; kind: missing; seconds: must .*; sauce: unknown key; .* source.*; classes must be",
        ),
    ],
)
def test_fault_in_a_task_names_file_and_key(write, changes, said):
    with pytest.raises(UsageError, match=said):
        load_task(write(**changes))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"broken.yaml: expected a line `key: value` for each key, found nothing"),
        ("a: 1\nb: {c: 1, c: 2}\n", r"broken.yaml, line 2: not valid YAML: c is given twice"),
        ("title: [", r"line 1: not valid YAML"),
        ("- a", r"expected a line `key: value` for each key, found a list"),
        ("a: \x00", r"not valid YAML"),
    ],
)
def test_broken_yaml_is_one_clear_error(tmp_path, text, said):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        load_task(str(path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("us9k", r"unknown task 'us9k': did you mean us8k\? "),
        ("xxxxxxxxxxxxxxxx.yml", r"no task file x+.yml: no YAML file near that name is in /"),
        ("gone/none.yaml", r"no task file gone/none.yaml: there is no folder gone"),
        ("US8K", r"unknown task 'US8K': did you mean us8k\? "),
        ("digits", r"unknown task 'digits': did you mean digits.yaml\? "),
        ("Digit", r"unknown task 'Digit': did you mean digits.yaml or dtd\? "),
        ("digits.yml", r"no task file digits.yml: did you mean digits.yaml\?"),
        ("Digtis.yaml", r"no task file Digtis.yaml: did you mean digits.yaml\?"),
        ("FSDD/clips.csv", r"task FSDD/clips.csv is no YAML file, a task is a YAML file: did you mean digits.yaml\?"),
        ("FSDD", r"task FSDD is a folder, a task is a YAML file: did you mean digits.yaml\?"),
        ("nul\0", r"unknown task 'nul"),
        ("long" * 2000, r"unknown task 'long"),
    ],
)
def test_what_is_no_task_names_what_was_meant(write, tmp_path, monkeypatch, name, said):
    write()
    (tmp_path / "FSDD").mkdir()
    (tmp_path / "FSDD" / "clips.csv").write_text("path,label,split\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        load_tasks(name, tmp_path)


def test_a_table_without_a_task_file_says_how_to_get_one(tmp_path, monkeypatch):
    (tmp_path / "clips.csv").write_text("path,label,split\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"clips.csv is no YAML file, .* in docs/datasets.md; `evar new-task FOLDER`"):
        load_tasks("clips.csv", tmp_path)


def test_a_task_of_ones_own_needs_no_title_source_or_licence(write):
    task = load_task(write(title=None, source=None, licence=None))
    assert (task.name, task.title, task.source, task.licence) == ("digits", "digits", None, None)


def test_a_task_that_bears_the_name_of_an_official_one_is_reported(write, tmp_path, notes):
    load_tasks("us8k", tmp_path)
    assert notes == []
    (copy := tmp_path / "us8k.yaml").write_text((BUNDLED / "us8k.yaml").read_text())
    load_tasks(str(copy), tmp_path)
    assert notes == []
    load_tasks(write("us8k.yaml"), tmp_path)
    assert notes == [
        f"task us8k: {copy} is not the us8k that comes with evar, so its rows stand in no ranking: name the file "
        "otherwise to have a column of its own"
    ]


def test_tasks_of_the_working_folder_come_first(tmp_path, monkeypatch, write):
    (tmp_path / "tasks").mkdir()
    write("tasks/us8k.yaml", title="My own")
    monkeypatch.chdir(tmp_path)
    assert load_task("us8k").title == "My own"
    assert local_tasks() == ["us8k"]
    assert load_task("gtzan").file.parent == BUNDLED.resolve()


def test_digest_changes_with_what_decides_a_score_only(write):
    plain = load_task(write())
    assert load_task(write(title="Other", licence="MIT", pitfalls=["beware"])).digest == plain.digest
    assert load_task(write(seconds=2.0)).digest != plain.digest
    assert load_task(write(metric="accuracy", min_coverage=0.5)).digest != plain.digest


def test_digest_changes_with_the_listed_split(write, tmp_path):
    (tmp_path / "split.csv").write_text("clip,split\na,train\n")
    before = load_task(write(split_file="split.csv")).digest
    assert load_task(write(split_file="split.csv")).digest == before
    (tmp_path / "split.csv").write_text("clip,split\na,test\n")
    assert load_task(write(split_file="split.csv")).digest != before


def test_task_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_task("us8k").seconds = 1.0


BOMB = "\n".join(["a0: &a0 {x: 1}", *(f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 9)}]}}" for k in range(1, 12))])
HOSTILE = {
    "a merge bomb": (BOMB, r"line 2: not valid YAML: an alias \(\*name\): write out what it stands for"),
    "a long list": (f"folds: [{'1, ' * 10**6}]", r"it has 3,000,009 bytes, more than 262,144"),
    "many keys": ("\n".join(f"k{k}: 1" for k in range(10**3)), "k0: unknown key .*; and 992 more$"),
    "brackets": ("[" * 2000, "nested too deep"),
    "dashes": ("- " * 10**4, "nested too deep"),
    "an endless number": (f"seconds: {'9' * 10**4}", "not valid YAML: Exceeds the limit"),
    "an endless number of sixties": (f"seconds: {'1:' * 10**4}1.5", "not valid YAML: int too large"),
    "an endless number in hexadecimal": (f"seconds: 0x{'f' * 10**5}", "seconds: must be a number"),
    "a date that is none": ("seconds: 2001-99-99", "not valid YAML: month must be in"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_file_is_one_short_line(tmp_path, hostile):
    text, said = HOSTILE[hostile]
    (tmp_path / "task.yaml").write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        load_task(str(tmp_path / "task.yaml"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "device"])
def test_what_is_no_regular_file_is_one_line(tmp_path, kind):
    path = tmp_path / "task.yaml"
    if kind in ("loop", "device"):
        path.symlink_to("task.yaml" if kind == "loop" else "/dev/zero")
    else:
        os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(UsageError, match=r"cannot read .*task\.yaml: (it is no regular file|Too many levels)"):
        load_task(str(tmp_path / "task.yaml"))
