"""The command as a user runs it: rows, lines, exit codes, and what happens when something is wrong."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from evar.cli import main
from evar.pipeline import Evaluator
from tests.encoders import written
from tests.leaderboard.test_leaderboard_csv import add
from tests.tones import write_tones

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path):
    """The working folder with a dataset of its own."""
    write_tones(tmp_path)
    return tmp_path


def evaluate(*arguments, task="tones.yaml"):
    encoder = [] if "--encoder" in arguments else ["--encoder", "logmel"]
    return main(["--task", task, *encoder, *arguments])


def rows():
    return pd.read_csv("results/leaderboard.csv")


def test_result_is_a_line_on_stdout_and_a_row(here, capsys):
    assert evaluate() == 0
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    assert line.startswith("tones  logmel  logistic  accuracy ")
    assert "n=36" in line
    assert "row added to results/leaderboard.csv" in err
    (row,) = rows().itertuples()
    assert (row.task, row.encoder, row.probe) == ("tones", "logmel", "logistic")
    assert (row.n, row.coverage, row.ranked) == (36, 1, "yes")
    assert row.score > 0.9
    assert row.low <= row.score <= row.high
    assert Path(f"results/runs/{row.run}.npz").is_file()


def test_every_probe_has_a_row_of_one_embedding_and_several_seeds_their_deviation(here, capsys):
    assert evaluate("--probe", "logistic, m2d_paper(epochs=3), logistic") == 0
    assert rows()["probe"].tolist() == ["logistic", "m2d_paper"]
    assert rows()["embeddings_key"].nunique() == 1
    one, several = capsys.readouterr().out.splitlines()
    assert "seeds" not in one
    seeds = json.loads(rows().loc[1, "seeds"])
    assert len(seeds) == 3
    assert f"3 seeds, deviation {100 * np.std(seeds, ddof=1):.1f}" in several


def test_second_run_reads_the_embeddings_and_scores_the_same(here):
    evaluate()
    evaluate("--again")
    assert rows()["embed_cached"].tolist() == ["no", "yes"]
    assert rows()["score"].nunique() == rows()["store_digest"].nunique() == 1
    assert rows()["run"].nunique() == 2
    assert rows()["prepare_clips_per_second"].notna().tolist() == [True, False]  # of what was decoded now
    assert (rows()["embed_clips_per_second"] > 0).all()


def test_json_is_one_object_a_line(here, capsys):
    assert evaluate("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["task"] == "tones"
    assert 0 <= result["low"] <= result["score"] <= result["high"] <= 1


def test_limit_is_marked_and_never_ranked(here, capsys):
    assert evaluate("--limit", "4") == 0
    assert "limit 4, not ranked" in capsys.readouterr().out
    assert rows().loc[0, ["limit", "ranked", "n"]].tolist() == [4, "no", 4]


def test_fold_task_scores_the_unweighted_mean_over_folds(tmp_path):
    write_tones(tmp_path, folds=4, clips=5)
    assert evaluate() == 0
    parts = json.loads(rows().loc[0, "parts"])
    assert list(parts) == ["0", "1", "2", "3"]
    assert rows().loc[0, "score"] == pytest.approx(np.mean(list(parts.values())), abs=1e-5)


def test_test_clips_of_one_group_are_scored_and_not_ranked(here, capsys):
    table = Path("data/tones/clips.csv")
    table.write_text(re.sub(r",test,.*", ",test,everybody", table.read_text()))
    assert evaluate() == 0
    assert "not ranked" in capsys.readouterr().out
    assert rows().loc[0, ["groups", "ranked", "low", "high"]].tolist() == [1, "no", 0, 1]
    assert main(["leaderboard", "--published", "none"]) == 0
    assert "all test clips are of one group" in capsys.readouterr().out


def test_a_row_is_not_ranked_where_a_fold_has_no_clip_that_can_be_used(tmp_path, capsys):
    file = write_tones(tmp_path, folds=4, clips=5)
    file.write_text(file.read_text() + "min_coverage: 0.5\n")
    for path in Path("data/tones").glob("3-*.wav"):
        path.unlink()
    assert evaluate() == 0
    assert "not ranked: no clips in fold 3" in capsys.readouterr().out
    assert json.loads(rows().loc[0, "empty_folds"]) == ["3"]
    assert rows().loc[0, "ranked"] == "no"


def test_a_row_of_ones_own_task_by_an_official_name_is_not_ranked(here, capsys):
    Path("tones.yaml").rename("us8k.yaml")
    assert evaluate(task="us8k.yaml") == 0
    out, err = capsys.readouterr()
    assert "us8k.yaml is not the us8k that comes with evar, so its rows stand in no ranking" in err
    assert "not ranked" in out
    assert main(["leaderboard", "--published", "none"]) == 0
    assert "not the us8k of this version of evar" in " ".join(capsys.readouterr().out.split())


def test_broken_file_is_quarantined_and_the_row_carries_coverage(here, capsys):
    Path("data/tones/train-low-000.wav").write_bytes(b"")
    assert evaluate("--min-coverage", "0.9") == 0
    out, err = capsys.readouterr()
    assert "1 file quarantined: train-low-000.wav" in err
    assert "coverage 99.1 %" in out
    assert rows().loc[0, "coverage"] == pytest.approx(107 / 108, abs=1e-6)


def test_clips_that_train_and_test_share_are_reported_once_and_counted_in_the_row(here, capsys):
    shutil.copy("data/tones/train-high-000.wav", "data/tones/test-high-003.wav")
    table = Path("data/tones/clips.csv")
    table.write_text(table.read_text().replace("test-low-0\n", "train-low-0\n"))
    assert evaluate() == 0
    err = capsys.readouterr().err
    assert (
        "tones: duplicates: 2 clips in 1 sets of equal sound, 0 of contradicting labels; 1 test clips equal a clip on "
        "the other side of the split: test-high-003.wav (test) = train-high-000.wav (train)\n"
    ) in err
    assert err.count("train-low-0") == 1
    assert "tones: groups: 1 of 53 straddle splits, with 2 test clips: train-low-0 (2 in train + 2 in test)" in err
    assert json.loads(rows().loc[0, "leaks"]) == {"duplicates": 1, "near_duplicates": None, "groups": 2, "silent": 0}


def test_near_duplicates_that_a_check_found_are_reported_and_counted_until_the_clips_change(here, capsys):
    waveform, rate = soundfile.read("data/tones/train-low-001.wav")
    soundfile.write("data/tones/test-low-001.wav", 0.5 * waveform, rate)
    assert main(["check", "--task", "tones.yaml", "--near-duplicates"]) == 0
    assert evaluate() == evaluate("--limit", "10") == 0
    assert capsys.readouterr().err.count("tones: near-duplicates: 1 test clips nearly equal a clip on the other") == 1
    assert [json.loads(leaks)["near_duplicates"] for leaks in rows()["leaks"]] == [1, None]


def test_too_little_coverage_says_how_many_are_missing_which_and_what_to_do(here, capsys):
    for number in range(12):
        Path(f"data/tones/train-low-{number:03}.wav").unlink()
    assert evaluate() == 2
    err = capsys.readouterr().err
    assert "12 of 108 clips are missing or broken" in err
    assert "train-low-000.wav" in err
    assert "--min-coverage 0.888" in err
    assert not Path("results/leaderboard.csv").exists()
    assert evaluate("--min-coverage", "0.888") == 0
    assert rows().loc[0, "ranked"] == "no"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "us9k"], "unknown task 'us9k': did you mean us8k"),
        (["--task", "tones.yml"], "no task file tones.yml: did you mean tones.yaml?"),
        ([], "say what to score: --task NAME"),
        (["--task", ","], "names no task"),
        (["--task", "us8k,list"], "--task list stands alone"),
        (["--task", "tones.yaml", "--weights", "x" * 300], "no checkpoint at"),
        (["--task", "tones.yaml", "--encoder", "logmel", "--results", "/proc/none/x"], "cannot write"),
        (["--task", "tones.yaml", "--encoder", "logmel", "--cache", "y" * 300], "cannot write"),
        (["--task", "tones.yaml", "--encoder", "logmel", "--device", "cuda:²"], "unknown device"),
        (["--task", "tones.yaml", "--encoder", "logmel", "--probe", "m2d_paper(lr=1e30)"], "lr must be above 0"),
        (["--task", "tones.yaml", "--encoder", "random(model='m2d_vit_tiny-80x99999999p16x1')"], "99999999 frames"),
        (["--task", "tones.yaml", "--encoder", "m3d"], "unknown encoder 'm3d': did you mean m2d"),
        (
            ["--task", "tones.yaml", "--encoder", "random(sed=1)"],
            "unknown option of encoder random 'sed': did you mean seed",
        ),
        (["--task", "tones.yaml", "--encoder", "random(seed=open('x'))"], "must be a Python literal"),
        (
            ["--task", "tones.yaml", "--encoder", "logmel", "--probe", "logistik"],
            "unknown probe 'logistik': did you mean logistic",
        ),
        (["--task", "tones.yaml", "--encoder", "logmel", "--probe", ","], "',' names no probe"),
        (
            ["--task", "us8k", "--encoder", "logmel", "--data", "nowhere"],
            "UrbanSound8K not found",
        ),
        (["--task", "tones.yaml", "--weights", "none.pth"], "none.pth"),
        (["--task", "tones.yaml", "--encoder", "logmel", "--weights", "tones.yaml"], "logmel"),
        (["--task", "tones.yaml", "--encoder", "logmel", "--device", "cup"], "unknown device 'cup': did you mean cpu"),
        (["--task", "tones.yaml", "--encoder", "logmel", "--precision", "float23"], "did you mean float32"),
        (["--task", "tones.yaml", "--encoder", "logmel", "--results", "tones.yaml/x"], "cannot write"),
        (["--task", "tones.yaml", "--encoder", "logmel", "--cache", "tones.yaml/x"], "cannot write"),
        (["--task", "vc1"], "VoxCeleb1 (speaker identification) not found: looked for iden_split.txt"),
    ],
)
def test_mistake_gives_one_line_and_exit_code_2(tmp_path, capsys, arguments, said):
    write_tones(tmp_path, clips=1)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("evar: error: ")]
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in err
    assert out == ""


def test_task_that_cannot_be_scored_does_not_stop_the_others(here, capsys):
    assert evaluate(task="us8k,tones.yaml") == 2
    assert "UrbanSound8K not found" in capsys.readouterr().err
    assert rows()["task"].tolist() == ["tones"]


def test_task_list_shows_every_task_and_whether_its_data_is_there(capsys):
    assert main(["--task", "list"]) == 0
    out = capsys.readouterr().out
    for name in ("us8k", "vc1", "as20k", "gtzan", "spcv2", "demo"):
        assert any(line.startswith(f"{name} ") for line in out.splitlines())
    assert "10-fold cross-validation" in out
    assert "not in data" in out
    assert main(["--task", "list", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"task": "us8k", "clips": 8732, "classes": 10}.items() <= listed[0].items()


def test_tasks_of_the_working_folder_come_first_and_that_is_said(here, capsys):
    Path("tasks").mkdir()
    Path("tones.yaml").rename("tasks/tones.yaml")
    assert evaluate(task="tones") == 0
    assert "task tones: taken from" in capsys.readouterr().err


def test_a_row_that_cannot_be_saved_is_shown(here, capsys, monkeypatch):
    from evar.base.errors import StorageError
    from evar.leaderboard import leaderboard_csv

    def full(*_):
        raise StorageError("no space left")

    monkeypatch.setattr(leaderboard_csv, "append", full)
    assert evaluate() == 2
    err = capsys.readouterr().err
    assert 'not saved: {"run":' in err
    assert "no space left" in err


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (KeyboardInterrupt(), "interrupted; what was finished is kept"),
        (KeyboardInterrupt("saved: go on"), "saved: go on"),
    ],
)
def test_interrupt_is_exit_code_130(here, capsys, monkeypatch, raised, said):
    def interrupted(*_, **__):
        raise raised

    monkeypatch.setattr(Evaluator, "evaluations", interrupted)
    assert evaluate() == 130
    assert f"evar: {said}" in capsys.readouterr().err.splitlines()[-1]


def test_fault_of_the_program_is_left_to_python_which_shows_where_and_exits_with_1(here, monkeypatch):
    monkeypatch.setattr(Evaluator, "evaluations", None)
    with pytest.raises(TypeError):
        evaluate()


EVAL = "--task tones.yaml --encoder logmel"


@pytest.mark.parametrize(
    ("line", "closed"), [(EVAL, "2>/dev/full"), ("import theirs", "2> >(exec true)"), ("import theirs", "<&- 2>&-")]
)
def test_no_row_is_lost_where_nobody_reads_stderr(here, line, closed):
    add(Path("theirs"), run="one")
    command = f"{shlex.join([sys.executable, str(ROOT / 'run_eval.py')])} {line} {closed}"
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, text=True)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, line == EVAL)
    assert len(rows()) == 1


def test_run_eval_is_the_same_door(here):
    command = [sys.executable, str(ROOT / "run_eval.py"), "--task", "us9k"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean us8k" in done.stderr


def test_changed_labels_are_another_table_in_the_row(here):
    evaluate()
    table = Path("data/tones/clips.csv")
    table.write_text(table.read_text().replace("test-low-000.wav,low", "test-low-000.wav,high"))
    evaluate()
    assert rows()["table_digest"].nunique() == 2
    assert rows()["store_digest"].nunique() == 1


def test_damaged_store_is_never_embedded(here, capsys):
    assert main(["prepare", "--task", "tones.yaml"]) == 0
    (file,) = (here / "cache" / "stores").glob("*/samples-1.bin")
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.write_bytes(content)
    assert evaluate() == 2
    assert "is damaged: delete the folder" in capsys.readouterr().err
    file.unlink()
    assert evaluate() == 0


def test_split_without_clips_is_reported_before_anything_is_decoded(here, capsys):
    table = Path("data/tones/clips.csv")
    table.write_text("\n".join(line for line in table.read_text().splitlines() if ",test," not in line))
    assert evaluate() == 2
    assert "no clips in split test" in capsys.readouterr().err
    assert not (here / "cache" / "stores").exists()


def test_layer_sweep_gives_a_row_a_layer_and_one_chosen_on_validation(here, capsys):
    tiny = "random(model='m2d_vit_tiny-80x64p16x16', layers='each')"
    assert evaluate("--encoder", tiny, "--probe", "logistic(grid=[0.01])") == 0
    assert rows()["output"].tolist() == [*(f"layer{number:02}" for number in range(12)), "chosen"]
    assert rows()["ranked"].tolist() == ["no"] * 12 + ["yes"]
    assert rows()["embeddings_key"].nunique() == 1
    (chosen,) = json.loads(rows().loc[12, "chosen_output"]).values()
    assert rows().loc[12, "score"] == rows().set_index("output").loc[chosen, "score"]
    out, err = capsys.readouterr()
    assert f"layers {chosen} by validation" in out
    (picture,) = Path("results/plots").glob("*-layers.svg")
    assert str(picture) in err
    assert picture.read_text().startswith("<?xml")


def test_weighted_sum_of_layers_is_one_ranked_row_with_its_weights(here, capsys):
    tiny = "random(model='m2d_vit_tiny-80x64p16x16', layers='each')"
    probes = "mlp(layers='weighted', hidden=[8], lr=[0.01], weight_decay=[0.0], epochs=2), logistic(layers='weighted')"
    assert evaluate("--encoder", tiny, "--probe", probes) == 0
    assert rows()[["output", "probe", "ranked"]].values.tolist() == [
        ["weighted", "mlp", "yes"], ["weighted", "logistic", "yes"],
    ]  # fmt: skip
    for weights in map(json.loads, rows()["layer_weights"]):
        assert list(weights["test"]) == [f"layer{number:02}" for number in range(12)]
        assert sum(weights["test"].values()) == pytest.approx(1, abs=1e-4)
        assert len(set(weights["test"].values())) > 1
    assert "weighted logistic  accuracy" in capsys.readouterr().out
    assert not Path("results/plots").exists()
    assert evaluate("--encoder", tiny, "--probe", "logistic(layers='weighted')", "--shots", "1", "--draws", "2") == 0
    assert list(json.loads(rows().iloc[-1]["layer_weights"])) == ["test draw 1", "test draw 2"]


def test_weighted_sum_of_a_single_layer_is_refused_before_any_work(here, capsys):
    assert evaluate("--probe", "logistic(layers='weighted')") == 2
    assert (
        "logistic(layers='weighted') sums an encoder's layers, and logmel gives one output" in capsys.readouterr().err
    )
    assert evaluate("--probe", "mlp(layers='weigthed')") == 2
    assert "option layers must be " in capsys.readouterr().err
    assert not (here / "cache").exists()


def test_prepare_decodes_what_the_first_run_would(here, capsys):
    assert main(["prepare", "--task", "tones.yaml"]) == 0
    assert "tones  108 of 108 clips (100.0%) at 16000 Hz" in capsys.readouterr().out
    evaluate()
    assert len(list((here / "cache" / "stores").glob("*/"))) >= 1
    assert rows().loc[0, "prepare_seconds"] < 1


def test_a_disk_that_is_surely_too_small_is_one_line_before_anything_is_decoded(here, capsys, small_disk):
    disk, enlarge = small_disk
    table = Path("data/tones/clips.csv")
    header, *lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{header},seconds", *(f"{line},0.8" for line in lines)]))
    for verb in (["prepare"], ["eval", "--encoder", "logmel"]):
        assert main([*verb, "--task", "tones.yaml", "--cache", str(disk)]) == 2
        out, err = capsys.readouterr()
        (said,) = (line for line in err.splitlines() if line.startswith("evar: error: "))
        assert "decoding 108 clips needs 1.0 MB in " in said
        assert "are free: free some (`evar cache prune --to SIZE`) or choose another cache" in said
        assert not out
        assert not list(disk.glob("stores/*/samples*"))
    enlarge()
    assert main(["prepare", "--task", "tones.yaml", "--cache", str(disk)]) == 0
    assert "evar: clips to decode: 108, 2.8 MB in " in capsys.readouterr().err


def test_cache_lists_what_lies_there_and_prunes_what_is_of_no_use(here, capsys):
    evaluate()
    capsys.readouterr()
    assert main(["cache", "list"]) == 0
    out = capsys.readouterr().out
    assert "logmel" in out
    assert "108 clips" in out
    assert main(["cache", "prune"]) == 0
    assert capsys.readouterr().out.startswith("0 B freed")
    assert main(["cache", "prune", "--to", "1MB"]) == 0
    removed, freed = capsys.readouterr().out.splitlines()
    assert removed.startswith("removed embeddings logmel-")
    assert freed.startswith(removed.rpartition("  ")[2] + f" freed in {here / 'cache'}, ")
    evaluate("--again")
    capsys.readouterr()
    Path("data").rename("elsewhere")
    assert main(["cache", "prune"]) == 0
    out = capsys.readouterr().out
    assert "removed store" in out
    assert "removed embeddings" in out
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f"0 B in {here / 'cache'}"]


EVIL = "a\x1b[2J\x9b1m\u202eb\nc"


def test_no_name_moves_the_cursor(here, capsys):
    (here / "data").rename(here / f"data{EVIL}")
    table = here / f"data{EVIL}" / "tones" / "clips.csv"
    shutil.copy(table.with_name("train-low-000.wav"), table.with_name(f"test{EVIL}.wav"))
    lines = table.read_text().replace(",low,", f',"low{EVIL}",').replace("train-low-0\n", f'"{EVIL}"\n')
    table.write_text(f'{lines}"test{EVIL}.wav","low{EVIL}",test,"{EVIL}"\n"gone{EVIL}.wav","low{EVIL}",test,x\n')
    task = yaml.safe_load((here / "tones.yaml").read_text()) | {"title": EVIL, "pitfalls": [EVIL]}
    (here / "tones.yaml").unlink()
    (here / "tasks").mkdir()
    file = here / "tasks" / "tones.yaml"
    file.write_text(yaml.safe_dump(task))
    (here / f"net{EVIL}.py").write_text(written.LEVELS)
    data = ["--data", f"data{EVIL}"]
    whole = ["--task", str(file), *data]
    most = [*whole, "--min-coverage", "0.9"]
    for words in (["eval", *most, "--encoder", f"file(path={f'net{EVIL}.py'!r})"],
                  ["check", *most], ["check", "--near-duplicates", *most], ["prepare", *whole],
                  ["eval", "--task", "list", *data], ["cache", "list"], ["runs", "list"], ["leaderboard"],
                  ["runs", "note", "2", EVIL], ["runs", "show", "2"],
                  ["leaderboard", "--format", "markdown"], ["cache", "prune", "--all"]):  # fmt: skip
        assert main(words) == 0, words
    assert main(["eval", "--task", f"none{EVIL}"]) == 2
    assert main(["new-task", f"data{EVIL}", "--name", f"n{EVIL}"]) == 2
    out, err = capsys.readouterr()
    assert {c for c in out + err if not c.isprintable()} <= {"\n", "\r"}  # \r: a bar's
    assert "a\ufffd[2J" in out
    assert "a\ufffd[2J" in err


def test_what_needs_no_network_imports_no_torch():
    lines = [
        ["leaderboard", "--results", str(ROOT / "docs" / "example")],
        ["--task", "gtzan", "--encoder", "m2dd"],
        ["--task", "gtzan", "--probe", "logistc"],
        ["--task", "gtzan", "--device", "cua"],
        ["--task", "gtzan", "--precision", "float23"],
        ["compare", "m2dd", "logmel", "--results", str(ROOT / "docs" / "example")],
    ]
    program = (
        "import sys; from evar.cli import main\n"
        f"print([(main(line), [name for name in ('torch', 'sklearn') if name in sys.modules]) for line in {lines}])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str([(0, []), *[(2, [])] * 5]), done.stderr
