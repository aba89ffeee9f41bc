"""Model cards: what huggingface_hub's own parser reads of them, and the table that people read."""

from pathlib import PurePosixPath

import pytest

from evar.leaderboard.formats import model_card
from evar.testing.made_rows import make_row
from tests.leaderboard.test_formats import EVIL, leaderboard

hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")

M2D = {"encoder": "my m2d", "weights_digest": "0123456789abcdef"}
ROWS = [
    make_row(run="r1", score=0.8123456789, low=0.78, high=0.83, n=40, **M2D),
    make_row(run="r2", output="chosen", score=0.7, low=0.6, high=0.8, **M2D),
    make_row(run="r3", task="esc50", metric="mAP", dataset_revision="owner/esc50@0a1b2c", **M2D),
    make_row(run="r4", encoder="logmel"),
    make_row(run="r5", encoder="logmel", task="gtzan", limit=3, ranked=False),
]


def test_the_hub_s_parser_reads_every_ranked_score_with_its_interval() -> None:
    files = model_card.write(leaderboard(*ROWS), 80)
    assert set(files) == {PurePosixPath("my_m2d-01234567/README.md"), PurePosixPath("logmel/README.md")}
    card = hub.ModelCard(files[PurePosixPath("my_m2d-01234567/README.md")])
    assert card.data.model_name == "my m2d"
    found = {result.metric_args["run"]: result for result in card.data.eval_results}
    assert set(found) == {"r1", "r2", "r3"}
    assert (found["r1"].metric_type, found["r1"].metric_value, found["r1"].metric_args["low"]) == (
        "accuracy", 0.812346, 0.78,
    )  # fmt: skip
    assert (found["r1"].dataset_type, found["r1"].dataset_name, found["r1"].dataset_revision) == (
        "evar/us8k", "us8k", None,
    )  # fmt: skip
    assert (found["r3"].dataset_type, found["r3"].dataset_revision) == ("owner/esc50", "0a1b2c")
    assert found["r2"].metric_name == "accuracy, logistic on chosen"
    again = hub.ModelCard(str(card))  # as the library writes what it has read
    assert again.data.eval_results == card.data.eval_results


def test_the_table_has_a_line_a_score_with_its_interval_and_no_other_row() -> None:
    texts = model_card.write(leaderboard(*ROWS), 80)
    card = texts[PurePosixPath("my_m2d-01234567/README.md")]
    assert "| us8k | logistic | accuracy | 81.2 | 78.0 to 83.0 | 40 | r1 |" in card
    assert "| us8k | logistic on chosen | accuracy | 70.0 | 60.0 to 80.0 | 3 | r2 |" in card
    assert "gtzan" not in texts[PurePosixPath("logmel/README.md")]


def test_a_fine_tuned_score_is_not_said_to_be_of_the_frozen_encoder() -> None:
    rows = (make_row(run="frozen", encoder="m"), make_row(run="tuned", encoder="m", probe="finetune"))
    (text,) = model_card.write(leaderboard(*rows), 80).values()
    found = {each.metric_args["run"]: each.task_name for each in hub.ModelCard(text).data.eval_results}
    assert found == {"frozen": "Linear evaluation of the frozen encoder", "tuned": "Fine-tuning"}
    assert "In rows of finetune a copy of the encoder was trained" in text
    assert "finetune" not in "".join(model_card.write(leaderboard(rows[0]), 80).values())


def test_names_break_neither_the_metadata_nor_the_table() -> None:
    name = f"{EVIL}: '---'\n---\n&x *y"
    (text,) = model_card.write(leaderboard(make_row(encoder=name)), 80).values()
    card = hub.ModelCard(text)
    assert card.data.model_name == name
    assert "<script>" not in card.text.replace("\\<", "")
