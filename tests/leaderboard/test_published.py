"""The published rows: facts with sources, beside one's own only where split, metric and kind of probe are the same."""

import csv
import dataclasses
import re
from collections import Counter

import pytest

from evar.data.task import CORE, load_task, task_files
from evar.leaderboard.published import beside, beside_fine_tuned, dataset_of, of_same_datasets, read_published
from evar.leaderboard.read import read_leaderboard
from evar.leaderboard.text_tables import SAME_PROTOCOL, published_tables
from evar.testing.made_results import add
from evar.testing.made_rows import make_row

ROWS = read_published()
BY_REPOSITORY = {
    "Audio-WestlakeU/audiossl": 2, "RetroCirce/HTS-Audio-Transformer": 1, "RicherMans/CED": 80,
    "SarthakYadav/mwmae-jax-official": 10, "YuanGongND/ast": 2, "aurianworld/matpac": 105, "cwx-worst-one/EAT": 4,
    "facebookresearch/AudioMAE": 1, "beta.hyper.ai": 2, "huggingface.co": 7, "jimbozhang/xares": 72,
    "microsoft/unilm": 25, "nttcslab/byol-a": 9, "nttcslab/composing-general-audio-repr": 12,
    "nttcslab/eval-audio-repr": 306, "nttcslab/m2d": 171, "nttcslab/msm-mae": 27, "ta012/SSLAM": 2,
}  # fmt: skip
BY_TASK = {"us8k": 78, "vc1": 73, "as20k": 31, "gtzan": 63, "spcv2": 81, "esc50": 90, "cremad": 49}
BY_TASK |= {"nsynth_instrument": 64, "surge_evar": 49, "voxforge_evar": 49, "fsd50k": 20, "gtzan_hear": 4}
SURVEY = ("published_missing_core.csv", "published_new_tasks.csv")
NAMED = {"nsynth": "nsynth_instrument", "spc": "spcv2", "beehive_avg": "beehive_states"}  # what the survey calls ours


def repository(source):
    return re.sub(r"https://([^/]+).*|(.+?):.*", r"\1\2", source)


def titled(tables):
    return {table.title: table for table in tables}


def test_counts_of_each_source_and_task_are_those_counted_there():
    assert Counter(repository(row.source) for row in ROWS) == BY_REPOSITORY
    counts = Counter(row.task for row in ROWS)
    assert {task: counts[task] for task in BY_TASK} == BY_TASK
    assert len(ROWS) == 838


def test_no_row_is_there_twice():
    keys = Counter((row.task, row.model, row.kind, row.protocol, row.source) for row in ROWS)
    assert max(keys.values()) == 1


def test_each_row_of_the_survey_is_there_with_its_value_spread_dataset_and_source(shared):
    if not (shared / "survey").is_dir():
        pytest.skip("no survey among the reference files")
    surveyed = Counter()
    for name in SURVEY:
        with (shared / "survey" / name).open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                dataset = dataset_of(row["task"])
                half = row["ci95"] and f"{float(row['ci95']):.4g}"
                value = f"{float(row['value']):.5g}"
                surveyed[row["source"].partition("@")[0], NAMED.get(dataset, dataset), value, half] += 1
    ours = Counter(
        (
            row.source.partition("@")[0],
            dataset_of(row.task),
            f"{100 * row.value:.5g}",
            "" if row.high is None else f"{100 * (row.high - row.value):.4g}",
        )
        for row in ROWS
    )
    assert surveyed.total() == 580
    assert not surveyed - ours
    assert {dataset for _, dataset, _, _ in ours - surveyed} == set(CORE)


def test_every_row_has_a_share_a_split_a_protocol_and_a_source():
    assert all(0 < row.value < 1 and row.source and row.protocol and row.split for row in ROWS)
    assert {row.metric for row in ROWS if row.task in ("as20k", "as2m", "fsd50k")} == {"mAP"}


def test_no_fine_tuned_row_counts_as_frozen_and_no_kit_of_hidden_layers_as_linear():
    for row in ROWS:
        assert ("fine-tune" in row.protocol or "scratch" in row.protocol) <= (row.kind == "trained")
        assert (row.kind == "linear") <= ("linear" in row.protocol)
        assert ("HEAR kit" in row.protocol) <= (row.kind == "frozen")


def test_spreads_lie_around_the_value():
    with_spread = [row for row in ROWS if row.low is not None]
    assert len(with_spread) > 400
    assert all(row.low <= row.value <= row.high for row in with_spread)
    m2d = next(row for row in with_spread if row.model == "M2D/0.7" and row.task == "us8k")
    assert (m2d.value, m2d.low, m2d.high) == pytest.approx((0.876, 0.874, 0.878))


def test_a_model_has_one_spelling():
    spelt = {}
    for row in ROWS:
        spelt.setdefault(re.sub(r"[\s_-]", "", row.model.casefold()), set()).add(row.model)
    assert [names for names in spelt.values() if len(names) > 1] == []


def test_rows_named_as_a_task_have_its_metric_and_one_split():
    named = beside(ROWS, [])
    assert {row.task for row in named} == {*CORE, "cremad", "esc50", "nsynth_instrument"} - {"as20k"}
    facts = {(row.task, row.metric, row.split) for row in named}
    assert len(facts) == len({row.task for row in named})
    assert all(load_task(task).metric == metric for task, metric, _ in facts)


@pytest.mark.parametrize("task", sorted(task_files()))
def test_beside_own_rows_stand_those_of_the_same_split_alone_and_others_under_other_protocols(task):
    own = [make_row(task=task, metric=load_task(task).metric)]
    tables = titled(published_tables(of_same_datasets(ROWS, [task]), own))
    same = tables.pop(SAME_PROTOCOL, None)
    assert (same is not None) == (task in {"us8k", "vc1", "gtzan", "spcv2", "cremad", "esc50", "nsynth_instrument"})
    if same:
        assert same.header == ("model", task, "source")
    assert all(title.startswith("Published under other protocols: ") for title in tables)
    if task in ("cremad_tfds", "cremad_hear", "surge_own", "voxforge_own", "libricount_own", "voxlingua33_own"):
        assert tables


def test_a_split_of_ones_own_or_another_metric_has_no_published_rows_beside():
    ravdess = [row for row in ROWS if row.task == "ravdess"]
    assert {row.kind for row in ravdess} == {"linear"}
    for own in (
        make_row(task="ravdess"),
        make_row(metric="macro_f1"),
        make_row(task_digest="edited"),
        make_row(ranked=False),
    ):
        assert beside(ROWS, [own]) == []


def test_the_best_published_row_stands_first():
    rows = [row for row in read_published() if row.task == "us8k"]
    (table,) = [each for each in published_tables(rows, [make_row()]) if each.title == SAME_PROTOCOL]
    scores = [float(row[1].text.split()[0]) for row in table.rows]
    assert len(scores) > 10
    assert scores == sorted(scores, reverse=True)


def test_a_view_of_one_task_shows_what_others_made_of_its_dataset(tmp_path):
    shown = read_leaderboard(tmp_path, published="frozen", task=["cremad_hear"])
    assert {row.task for row in shown.published} == {"cremad", "cremad_hear", "cremad_paper", "cremad_xares"}


def test_fine_tuned_rows_have_published_fine_tuned_ones_beside_them_and_frozen_rows_have_not(tmp_path):
    tuned = make_row(task="spcv2", probe="finetune")
    frozen = make_row(task="vc1", probe="logistic")
    found = beside_fine_tuned(ROWS, [tuned, frozen])
    assert {(row.task, row.kind) for row in found} == {("spcv2", "trained")}
    assert any(row.model == "M2D/0.6" and row.value == pytest.approx(0.985) for row in found)
    assert {row.task for row in beside(ROWS, [tuned, frozen])} == {"vc1"}
    assert beside_fine_tuned(ROWS, [dataclasses.replace(tuned, ranked=False, limit=3)]) == []
    for row in (tuned, frozen):
        add(tmp_path, row)
    said = read_leaderboard(tmp_path).text("markdown")
    assert "fine-tuned: encoder and head trained on the task" in said
    assert "Published: encoders that were fine-tuned on the task" in said
    assert "encoders trained on the task (fine-tuned)" not in said


def test_epoch_chosen_on_test_is_never_ranked_whatever_the_record_says():
    row = make_row(task="esc50", probe="finetune", probe_options={"protocol": "paper"})
    assert dataclasses.replace(row, ranked=False).why_unranked == "epoch chosen on test clips, as its authors did"
    assert row.why_unranked
