"""Labels that are unknown for some clips, for probes that know of no such thing: one fit a label, on clips that say it.

So each label has training and validation rows of its own, those whose entry is known, and features are standardised on
those. A label of which no training clip says anything gets one low logit for all clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evar.base.progress import advance, hidden_progress, progress
from evar.probes.contract import Examples, Fitted, Floats, Probe, Problem, ScoreFunction, known

LOWEST = np.float32(-1e30)  # as of a class without a training clip


@dataclass(frozen=True)
class ByLabel:
    """A fit of one logit for each label, None where nothing was known."""

    fits: tuple[Fitted | None, ...]

    @property
    def converged(self) -> bool:
        """Whether all of them are."""
        return all(fit.converged for fit in self.fits if fit is not None)

    def logits(self, x: Floats) -> Floats:
        """(clip, dim) -> (clip, class)."""
        nothing = np.full((len(x), 1), LOWEST)
        return np.concatenate([nothing if fit is None else fit.logits(x) for fit in self.fits], axis=1)


def fit(probe: Probe, examples: Examples, problems: Sequence[Problem], score: ScoreFunction) -> Sequence[Fitted]:
    """Fit every problem by this probe: as they are where it can, else label by label; the open bar advances by each."""
    if probe.takes_unknown or (there := known(examples.y)) is None:
        return probe.fit(examples, problems, score)
    columns = []
    for label in range(examples.classes):
        own = replace(examples, y=examples.y[:, [label]] == 1, classes=1)
        some = [
            replace(each, train=each.train[there[each.train, label]], valid=each.valid[there[each.valid, label]])
            for each in problems
        ]
        with hidden_progress(), progress("labels", total=len(problems), unit="fit"):
            fitted = iter(probe.fit(own, [each for each in some if len(each.train)], score))
        columns.append([next(fitted) if len(each.train) else None for each in some])
        advance(len(problems) * (label + 1) // examples.classes - len(problems) * label // examples.classes)
    return [ByLabel(fits) for fits in zip(*columns, strict=True)]
