"""What a sweep will cost, by the rows that there are: nothing is decoded or embedded for it."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from evar.base.byte_size import size
from evar.base.errors import EvarError
from evar.cluster.cells import EncoderCall
from evar.cluster.sweep import Sweep
from evar.data.task import load_task
from evar.leaderboard.runs import read_rows
from evar.pipeline import open_encoder
from evar.result import Result


@dataclass(frozen=True)
class Estimate:
    """The cells of one encoder on one task, before they run.

    clips:         None where the task's data is not found
    audio:         size of the decoded clips
    embed_seconds: on one device, by the rows of this encoder; None where it has none
    measured_on:   the device of these rows
    """

    encoder: str
    task: str
    probes: str
    clips: int | None
    audio: str | None
    embed_seconds: float | None
    measured_on: str


def estimates(swept: Sweep) -> list[Estimate]:
    """One for each encoder and task. Raises EvarError for an encoder that cannot be opened."""
    rows = read_rows(swept.results) if swept.results is not None and swept.results.is_dir() else []
    lengths = {cell.task.name: cell.task.seconds for cell in swept.cells}
    estimated, speeds, rates = [], dict[EncoderCall, tuple[float | None, str]](), dict[EncoderCall, int]()
    for cell in {(cell.encoder, cell.task.name): cell for cell in swept.cells}.values():
        call, task, clips = cell.encoder, cell.task, swept.clips(cell.task) or None
        if call not in speeds:
            encoder = open_encoder(call.encoder, call.weights, None, swept.config)
            own = [row for row in rows if _same(row, encoder.identity.name, encoder.identity.digest)]
            speeds[call], rates[call] = _speed(own, lengths), encoder.sample_rate
        speed, device = speeds[call]
        seconds = clips and clips * task.seconds
        cost = seconds / speed if seconds and speed else None
        audio = size(round(2 * rates[call] * seconds)) if seconds else None
        estimated.append(Estimate(str(call), task.name, swept.probes, clips, audio, cost, device))
    return estimated


def _same(row: Result, name: str, digest: str) -> bool:
    return row.encoder == name and row.weights_digest == digest


def _speed(rows: list[Result], lengths: Mapping[str, float]) -> tuple[float | None, str]:
    """Seconds of audio that the encoder embeds in a second, the median of its rows on the latest one's device.

    lengths: seconds of a clip of tasks; of others as their own files say
    """
    if not rows:
        return None, ""
    device = rows[-1].device
    there = [row for row in rows if row.device == device]
    speeds = [row.embed_clips_per_second * (lengths.get(row.task) or _seconds(row.task)) for row in there]
    return statistics.median(speeds) or None, device


def _seconds(task: str) -> float:
    try:
        return load_task(task).seconds
    except EvarError:  # of a task file that is elsewhere
        return 0.0
