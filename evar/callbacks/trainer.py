"""Scores in a training by the Trainer of transformers.

    trainer = Trainer(model, ...)
    trainer.add_callback(TrainerScores(TrainingScorer("esc50", every=1000, encoder=with_frames), trainer))

`with_frames` makes of the model what is scored: a module with a `sample_rate` that takes waveforms.
"""

from typing import TYPE_CHECKING, Any

from evar.base.errors import UsageError, install_hint
from evar.callbacks.scorer import TrainingScorer

if TYPE_CHECKING:
    from typing import Any as TrainerCallback
else:
    try:
        from transformers import TrainerCallback
    except ImportError as missing:
        raise UsageError(f"TrainerScores needs transformers: {install_hint('transformers')}") from missing


class TrainerScores(TrainerCallback):  # type: ignore[misc]
    """Scores the model that is trained, at step 0 and then as often as the scorer says.

    trainer: where it is given, scores go by "evar/TASK" to all that it reports to (`report_to`), as its loss does
    """

    def __init__(self, scorer: TrainingScorer, trainer: Any = None) -> None:
        self.scorer, self.trainer = scorer, trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Before the first step: a mistake is found now."""
        if state.global_step == 0:
            self.on_step_end(args, state, control, **more)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """After each step of the optimizer."""
        scores = self.scorer(more["model"], state.global_step)
        if scores and self.trainer is not None:
            due = control.should_log  # the loss of this step, which logging anything else would cancel
            self.trainer.log({f"evar/{name}": score for name, score in scores.items()})
            control.should_log = due
