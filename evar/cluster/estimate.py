"""What a sweep will cost, by the rows that there are: nothing is decoded or embedded for it."""

import logging
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from evar.base.byte_size import size
from evar.base.errors import EvarError
from evar.cluster.cells import EncoderCall
from evar.cluster.sweep import Sweep
from evar.data.sample_file import SAMPLE
from evar.data.task import Task, load_task
from evar.leaderboard.runs import read_rows
from evar.pipeline import open_encoder
from evar.result import Result

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimate:
    """The cells of one encoder on one task, before they run.

    clips:         None where the task's data is not found
    decoded:       size of the decoded clips
    embed_seconds: on one device, by the rows of this encoder; None where it has none
    measured_on:   the device of these rows
    """

    encoder: str
    task: str
    probes: str
    clips: int | None
    decoded: str | None
    embed_seconds: float | None
    measured_on: str


def estimates(swept: Sweep) -> list[Estimate]:
    """One for each encoder and task, but for tasks of the other modality, which are noted.

    Raises EvarError for an encoder that cannot be opened.
    """
    rows = read_rows(swept.results) if swept.results is not None and swept.results.is_dir() else []
    lengths = {cell.task.name: _length(cell.task) for cell in swept.cells}
    estimated, speeds = [], dict[EncoderCall, tuple[float | None, str]]()
    rates = dict[EncoderCall, tuple[str, int]]()  # modality, and what clips are prepared at
    for cell in {(cell.encoder, cell.task.name): cell for cell in swept.cells}.values():
        call, task, clips = cell.encoder, cell.task, swept.clips(cell.task) or None
        if call not in speeds:
            encoder = open_encoder(call.encoder, call.weights, None, swept.config)
            same = (encoder.identity.name, encoder.identity.digest)
            own = [row for row in rows if (row.encoder, row.weights_digest) == same]
            speeds[call], rates[call] = _speed(own, lengths), (encoder.modality, encoder.rate)
        modality, rate = rates[call]
        if modality != task.modality:
            log.warning(
                f"{call} is of modality {modality}, and task {task.name} of {task.modality}: it cannot be scored"
            )
            continue
        speed, device = speeds[call]
        cost = clips * _length(task) / speed if clips and speed else None
        decoded = size(clips * task.samples(rate) * SAMPLE.itemsize) if clips else None
        estimated.append(Estimate(str(call), task.name, swept.probes, clips, decoded, cost, device))
    return estimated


def _speed(rows: list[Result], lengths: Mapping[str, float]) -> tuple[float | None, str]:
    """Seconds of audio, or images, that the encoder embeds in a second, the median of its rows on the latest device.

    lengths: of a clip of tasks; of others as their own files say
    """
    if not rows:
        return None, ""
    device = rows[-1].device
    there = [row for row in rows if row.device == device]
    speeds = [row.embed_clips_per_second * (lengths.get(row.task) or _length_of(row.task)) for row in there]
    return statistics.median(speeds) or None, device


def _length(task: Task) -> float:
    """Seconds of a clip; an image counts as one."""
    return task.seconds or 1.0


def _length_of(task: str) -> float:
    try:
        return _length(load_task(task))
    except EvarError:  # of a task file that is elsewhere
        return 0.0
