"""Scores in a training by Lightning, installed as `lightning` or as `pytorch_lightning`.

    Trainer(callbacks=[LightningScores(TrainingScorer("esc50", every=1000, encoder="encoder"))])

The scores have the Trainer's own steps.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from evar.base.errors import UsageError
from evar.callbacks.scorer import TrainingScorer

if TYPE_CHECKING:
    from typing import Any as Callback
else:

    def _package() -> Any:
        """The one of both names that the training has imported, else that is installed: their classes are not alike."""
        names = ["lightning.pytorch", "pytorch_lightning"]
        for name in sorted(names, key=lambda name: name not in sys.modules):
            try:
                return importlib.import_module(name)
            except ImportError as error:
                missing = error
        raise UsageError("LightningScores needs Lightning: pip install lightning") from missing

    Callback = _package().Callback


class LightningScores(Callback):  # type: ignore[misc]
    """Scores the module that is trained, at step 0 and then as often as the scorer says; steps are the optimizer's.

    Scores go to every logger of the Trainer, and by "evar/TASK" to what monitors metrics, as `ModelCheckpoint` does.
    """

    def __init__(self, scorer: TrainingScorer) -> None:
        super().__init__()
        self.scorer = scorer

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Before the first step: a mistake is found now."""
        if trainer.global_step == 0:
            self._score(trainer, pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """After each batch."""
        for name, score in self._score(trainer, pl_module).items():
            pl_module.log(name, score, on_step=True, on_epoch=False, logger=False, rank_zero_only=True, batch_size=1)

    def _score(self, trainer: Any, pl_module: Any) -> dict[str, float]:
        scores = self.scorer(pl_module, trainer.global_step) or {}
        named = {f"evar/{name}": score for name, score in scores.items()}
        for logger in trainer.loggers if named else ():
            logger.log_metrics(named, trainer.global_step)
        return named
