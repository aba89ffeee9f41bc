"""How long clips are before they are decoded, as the dataset's own table promises: the room that they will take.

A clip may hold up to `SHORT_SECONDS` less than its table says without a word; one that holds less is found afterwards.
"""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evar.base.byte_size import size
from evar.base.files import require_space
from evar.data.sample_file import SAMPLE

log = logging.getLogger(__name__)

SHORT_SECONDS = 0.5  # how much less than promised a clip may hold before it is worth a word


@dataclass(frozen=True, eq=False)
class Promised:
    """How long clips are.

    seconds: (clip,), NaN where the table says nothing; typical: seconds of such a clip; clip_bytes: what each takes
    where that is known, as of images
    """

    seconds: NDArray[np.float64]
    typical: float
    clip_bytes: int = 0

    def require_room(self, clips: Sequence[int], rate: int, folder: Path, spare: int) -> None:
        """Note how many clips are to be decoded at `rate` into `folder`, and the room that they will take.

        spare: bytes of the folder that decoding frees first. Raises StorageError where the disk surely has too little,
        that is for clips that hold the least which their table allows; where it may have, that is a warning.
        """
        if not len(clips):
            return
        seconds = self.seconds[clips]
        known = np.isfinite(seconds) & (seconds > 0)
        sample_bytes = rate * SAMPLE.itemsize  # a second
        least = np.maximum(seconds[known] - SHORT_SECONDS, 0).sum() * sample_bytes
        room = np.where(known, seconds, self.typical).sum() * sample_bytes
        about = "" if known.all() else f"about {self.typical:g} s each, "
        if self.clip_bytes:
            least, room, about = *[len(clips) * self.clip_bytes] * 2, ""
        purpose, prune = f"decoding {len(clips):,} clips", "`evar cache prune --to SIZE`"
        require_space(folder, int(least) - spare, purpose, f"free some ({prune}) or choose another cache")
        note = f"clips to decode: {len(clips):,}, {about}{size(room)} in {folder}"
        if (free := shutil.disk_usage(folder).free + spare) < room:
            log.warning(f"{note}; {size(free)} are free, which may be too little: {prune} frees some")
        else:
            log.info(note)


def short_clips(index: pd.DataFrame, promised: "pd.Series[float]") -> pd.DataFrame:
    """Usable clips that hold over half a second less than a table promises: path, promised and duration in seconds.

    promised: seconds in the order of `index`; NaN promises nothing.
    """
    table = pd.DataFrame({"path": index["path"], "promised": promised.to_numpy(), "duration": index["duration"]})
    return table[(index["reason"] == "") & (table["promised"] - table["duration"] > SHORT_SECONDS)]
