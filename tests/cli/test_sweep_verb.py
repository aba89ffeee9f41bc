"""`evar sweep` on one device: cells by options or a file, what fails alone, what has its row, what it will cost."""

import contextlib
import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import evar
from evar.base.errors import UsageError
from evar.base.progress import displayed
from tests.tones import write_tones


@pytest.fixture
def here(tmp_path):
    """A working folder with a task, and the command that sweeps two encoders over it and one that is not there."""
    write_tones(tmp_path)
    Path("plan.yaml").write_text(
        "encoders: [logmel, {encoder: m2d, weights: none.pth}, 'logmel']\n"
        "tasks: [tones.yaml]\nprobes: [knn, centroid]\n"
    )
    return "sweep", "--file", "plan.yaml"


def test_a_broken_encoder_fails_its_own_cells_with_one_line(here, call):
    code, out, err = call(*here)
    assert code == 2
    lines = out.splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [["tones", "logmel", "knn"], ["tones", "logmel", "centroid"]]
    assert err.count("evar: error: m2d none.pth: ") == 1
    states = [line.split("tones")[1].split()[:2] for line in lines[-4:]]
    assert states == [["knn", "done"], ["centroid", "done"], ["knn", "failed"], ["centroid", "failed"]]
    assert len(pd.read_csv("results/leaderboard.csv")) == 2
    again = [json.loads(line) for line in call(*here, "--json")[1].splitlines()]
    assert [cell["state"] for cell in again] == ["there", "there", "failed", "failed"]
    assert again[0]["results"][0]["encoder"] == "logmel"


def test_the_rows_are_those_of_single_runs(here, call):
    swept = evar.sweep("logmel", "tones.yaml", "knn, centroid")
    single = evar.evaluate("tones.yaml", "logmel", probe="knn, centroid")
    for cell, row in zip(swept, single, strict=True):
        (other,) = cell.results
        assert (row.score, row.low, row.high, row.metrics) == (other.score, other.low, other.high, other.metrics)


def test_a_probe_that_fails_stops_no_other(here, monkeypatch):
    from evar import pipeline

    fits = pipeline.fits

    def failing(clips, embeddings, outputs, probe, config):
        if probe.name == "knn":
            raise RuntimeError("a bug\nof two lines")
        return fits(clips, embeddings, outputs, probe, config)

    monkeypatch.setattr(pipeline, "fits", failing)
    cells = evar.sweep("logmel", "tones.yaml", "knn, centroid")
    assert [(cell.state, cell.why) for cell in cells] == [
        ("failed", r"RuntimeError('a bug\nof two lines')"),
        ("done", ""),
    ]


def test_a_dry_run_shows_what_it_will_cost_and_scores_nothing(here, call):
    Path("plan.yaml").write_text("encoders: [logmel]\ntasks: [tones.yaml]\n")
    (before,) = [json.loads(line) for line in call(*here, "--dry-run", "--json")[1].splitlines()]
    assert (before["clips"], before["decoded"], before["embed_seconds"]) == (108, "864.0 kB", None)
    assert not list(Path("results/runs").glob("*.json"))
    (lost,) = [json.loads(line) for line in call(*here, "--dry-run", "--json", "--data", "none")[1].splitlines()]
    assert lost["clips"] is None
    assert call(*here)[0] == 0
    (row,) = evar.read_rows(Path("results"))
    (after,) = [json.loads(line) for line in call(*here, "--dry-run", "--json")[1].splitlines()]
    assert after["embed_seconds"] == pytest.approx(108 / row.embed_clips_per_second)
    assert after["measured_on"] == row.device
    assert "embed seconds" in call(*here, "--dry-run")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "tones.yaml"), "plan.yaml lists tasks: leave --task out"),
        (("--probe", "knn"), "plan.yaml lists probes: leave --probe out"),
        (("--weights", "a.pth", "b.pth"), "plan.yaml lists encoders: leave --weights out"),
        (("--clustre", "auto"), "unknown option of evar sweep '--clustre': did you mean --cluster"),
        (("--device", "cuda:0", "--cluster", "auto"), "--device auto, cpu or cuda, not cuda:0"),
        (("--cluster", "127.0.0.1:1"), "--cluster 127.0.0.1:1: nothing answers there"),
        (("--cluster", "atuo"), "--cluster atuo: give auto, or HOST:PORT"),
    ],
)
def test_what_contradicts_itself_is_one_line(here, call, words, said):
    code, _, err = call(*here, *words)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("encoder: [logmel]", "plan.yaml: encoder: is unknown, did you mean encoders?"),
        ("encoders: [{encoder: logmel, weight: a}]\ntasks: [tones.yaml]", "weight"),
        ("encoders: [logmell]\ntasks: [tones.yaml]", "unknown encoder 'logmell': did you mean logmel"),
        ("encoders: [logmel]\ntasks: [tones.yaml]\nprobes: [knm]", "unknown probe 'knm': did you mean knn"),
        ("encoders: [logmel]", "say what to score"),
    ],
)
def test_a_file_that_cannot_be_is_one_line(here, call, text, said):
    Path("plan.yaml").write_text(text)
    code, _, err = call(*here)
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1


def test_without_ray_a_cluster_says_what_to_install(here, call, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = call(*here, "--cluster", "auto")
    assert code == 2
    assert "--cluster needs Ray: pip install 'evar-audio[cluster]'" in err


def test_the_bar_counts_each_clip_of_each_encoder_once(here):
    bars = {}

    @contextlib.contextmanager
    def display(stage, *, total, unit, initial):
        bars.setdefault(stage, [total])
        yield lambda amount, text="", /: bars[stage].append(amount)

    with displayed(display):
        evar.sweep("logmel, random(model='m2d_vit_tiny-80x208p16x16')", "tones.yaml", "knn, centroid", batch_size=5)
    total, *amounts = bars["sweep"]
    assert total == sum(amounts) == 2 * 108
    assert len([amount for amount in amounts if amount == 5]) == 2 * 21
    assert set(bars) == {"sweep", "prepare", "probe knn", "probe centroid"}


def test_each_encoder_is_scored_with_each_checkpoint(here):
    from evar.cluster.cells import EncoderCall, encoder_calls

    Path("a.pth").touch()
    calls = encoder_calls(["m2d, hear(module='x')"], ["a.pth", "small"])
    assert calls[0] == EncoderCall("m2d", str(Path("a.pth").absolute()))
    assert [str(call) for call in calls[1::2]] == ["m2d small", "hear(module='x') small"]
    with pytest.raises(UsageError, match="weights are given twice"):
        encoder_calls([EncoderCall("m2d", "a.pth")], ["b.pth"])


def test_one_of_several_gpus_says_how_all_are_used(here, call, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    one = call("--task", "tones.yaml", "--encoder", "logmel", "--probe", "centroid")[2]
    assert one.count("1 of 2 GPUs is used: `evar sweep --cluster auto` uses all") == 1
