"""What probes say about test clips: the only thing that scores are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evar.base.threads import pieces
from evar.data.manifest import Round
from evar.probes.contract import Chosen, Examples, Fitted, Floats, Rows, Targets

BLOCK_ROWS = 1 << 14  # clips whose logits are asked for at a time,
BLOCK_NUMBERS = 1 << 26  # and what they may hold together: of many layers fewer clips


@dataclass(frozen=True)
class Predictions:
    """Logits of every test clip, in the order of rows.

    logits:   (seed, clip, class) float32, finite
    targets:  (clip,) class numbers, or (clip, class), see `contract.Targets`
    rows:     (clip,) int64, rising
    groups:   (clip,) names: recording, speaker, ...
    folds:    (clip,) names of the round that tested the clip
    draws:    of training clips, where few were drawn several times: the seeds lie draw by draw
    pitches:  (class,) MIDI numbers, where the task says that its classes are pitches
    """

    logits: Floats
    targets: Targets
    rows: Rows
    groups: NDArray[np.str_]
    folds: NDArray[np.str_]
    draws: int = 1
    pitches: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where shapes disagree, a row appears twice, or a logit is not finite."""
        if self.logits.ndim != 3 or 0 in self.logits.shape:
            raise ValueError(f"logits must be (seed, clip, class), none of them 0, not {self.logits.shape}")
        seeds, clips, classes = self.logits.shape
        if self.draws < 1 or seeds % self.draws:
            raise ValueError(f"{seeds} seeds are none of {self.draws} draws")
        if self.targets.shape not in {(clips,), (clips, classes)}:
            raise ValueError(f"targets must be ({clips},) or ({clips}, {classes}), not {self.targets.shape}")
        for name in ("rows", "groups", "folds"):
            if getattr(self, name).shape != (clips,):
                raise ValueError(f"{name} must be ({clips},), not {getattr(self, name).shape}")
        if not (np.diff(self.rows) > 0).all():
            raise ValueError("rows must rise, each row tested once")
        if not np.isfinite(self.logits).all():
            raise ValueError("logits must be finite")


def logits(fit: Fitted, x: Floats, rows: Rows) -> Floats:
    """A fit's logits (row, class) of these rows of x (clip, dim), which may be a memory map: gathered by block."""
    block = max(1, min(BLOCK_ROWS, BLOCK_NUMBERS // x.shape[1]))
    return np.concatenate([fit.logits(x[rows[part]]) for part in pieces(len(rows), block)])


def together(draws: Sequence[Predictions]) -> Predictions:
    """Predictions of the same clips by several draws, as one with all their seeds, draw by draw."""
    return replace(draws[0], logits=np.concatenate([each.logits for each in draws]), draws=len(draws))


def predict(examples: Examples, rounds: Sequence[Round], chosen: Sequence[Chosen]) -> Predictions:
    """Read the test rows, once: logits of each round's final fits (one a seed), assembled in the order of rows.

    One of `chosen` a round.
    """
    found = [
        np.stack([logits(fit, examples.x, each.test) for fit in final.fits])
        for each, final in zip(rounds, chosen, strict=True)
    ]
    return of_rounds(rounds, found, examples.y, examples.groups)


def of_rounds(
    rounds: Sequence[Round],
    found: Sequence[Floats],
    y: Targets,
    groups: NDArray[np.str_],
    pitches: NDArray[np.int64] | None = None,
) -> Predictions:
    """Predictions of all rounds' test clips, in the order of rows.

    found: of each round the logits (seed, clip, class) of its test rows; y, groups: of all clips
    """
    rows = np.concatenate([each.test for each in rounds])
    folds = np.concatenate([np.full(len(each.test), each.name) for each in rounds])
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    ordered = np.concatenate(found, axis=1)[:, order]
    return Predictions(ordered, y[rows], rows, groups[rows], folds[order], pitches=pitches)
