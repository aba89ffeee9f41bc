"""Model cards for the Hugging Face Hub, ENCODER/README.md: the metadata `model-index`, and a table with intervals.

Scores are shares in the metadata, per cent in the table. Datasets of the Hub have their names; others have names of our
own, `evar/us8k`, for the protocols (splits, selection, cropping) are not theirs. Source of the shape:
https://github.com/huggingface/hub-docs/blob/main/modelcard.md, huggingface_hub 1.0, repocard_data.py.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from evar.base.tables import Text, TextTable
from evar.base.yaml_file import yaml_text
from evar.leaderboard.formats import Format
from evar.leaderboard.formats.markdown import pipe_table
from evar.leaderboard.formats.other_harnesses import by_encoder, task_name
from evar.leaderboard.read import Leaderboard
from evar.leaderboard.text_tables import per_cent
from evar.result import FINE_TUNING, Result

MARK = "<!-- made by evar export, format model_card -->"
FROZEN, TUNED = "Linear evaluation of the frozen encoder", "Fine-tuning"
HEADER = ("task", "probe", "metric", "score, %", "95 % interval", "test clips", "run")
OF_FROZEN = (
    "A probe was fitted on the frozen encoder's embeddings of the training clips, its setting chosen on validation "
    "clips."
)
OF_TUNED = "In rows of finetune a copy of the encoder was trained with a head, its epoch chosen on validation clips."
NOTE = "The interval is over the test clips, and allows for those of one recording or speaker."


def write(leaderboard: Leaderboard, width: int) -> dict[PurePosixPath, str]:
    """A card for each encoder, with its weights and options; ranked rows alone."""
    return {PurePosixPath(folder, "README.md"): _card(rows) for folder, rows in by_encoder(leaderboard).items()}


def _card(rows: Sequence[Result]) -> str:
    encoder = rows[0].encoder
    modalities = sorted({row.modality for row in rows})
    metadata = {"tags": modalities, "model-index": [{"name": encoder, "results": _results(rows)}]}
    lines = tuple(
        tuple(map(Text, (row.task, _probe(row), row.metric, per_cent(row.score), _interval(row), str(row.n), row.run)))
        for row in rows
    )
    versions = ", ".join(sorted({f"evar {row.evar}, protocol {row.protocol_version}" for row in rows}))
    kinds = [OF_FROZEN] * any(not _is_tuned(row) for row in rows) + [OF_TUNED] * any(map(_is_tuned, rows))
    notes = (
        " ".join([*kinds, NOTE]),
        f"{versions}; weights: {rows[0].weights or 'its own'} {rows[0].weights_digest[:16]}".rstrip(),
    )
    table = TextTable(f"Scores of {encoder}", HEADER, lines, notes)
    return f"---\n{yaml_text(metadata)}---\n\n{MARK}\n\n{pipe_table(table)}\n"


def _results(rows: Sequence[Result]) -> list[dict[str, Any]]:
    """An entry a dataset, and one where its encoder was trained too, with a metric a row."""
    of_dataset: dict[tuple[str, str, bool], list[Result]] = {}
    for row in rows:
        of_dataset.setdefault((row.task, row.dataset_revision, _is_tuned(row)), []).append(row)
    return [
        {
            "task": {"type": f"{own[0].modality}-classification", "name": TUNED if _is_tuned(own[0]) else FROZEN},
            "dataset": _dataset(own[0]),
            "metrics": [_metric(row) for row in own],
        }
        for own in of_dataset.values()
    ]


def _is_tuned(row: Result) -> bool:
    return row.probe == FINE_TUNING


def _dataset(row: Result) -> dict[str, str]:
    name, _, revision = row.dataset_revision.partition("@")
    dataset = {"name": row.task, "type": name or task_name(row), "split": "test"}
    return {**dataset, "revision": revision} if revision else dataset


def _metric(row: Result) -> dict[str, Any]:
    args = {"low": round(row.low, 6), "high": round(row.high, 6), "n": row.n, "probe": row.probe_call, "run": row.run}
    return {"type": row.metric, "value": round(row.score, 6), "name": f"{row.metric}, {_probe(row)}", "args": args}


def _probe(row: Result) -> str:
    return row.probe if row.output == "last" else f"{row.probe} on {row.output}"


def _interval(row: Result) -> str:
    return f"{per_cent(row.low)} to {per_cent(row.high)}"


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: MARK.encode() in content, place=None, folder=True)
