"""Fine-tuning from a task to a leaderboard row: Task x Encoder x Recipe, Config -> Results; beside `pipeline.py`.

    evar.finetune("spcv2", weights="checkpoint.pth", results="results")
    evar.finetune("mytask.yaml", weights="tiny", options={"epochs": 20, "lr": 1e-4})

The encoder is trained on a task's training clips with a new head. The epoch is chosen on validation clips (the official
ones, else a tenth of the training clips in whole groups, drawn anew for each seed); test clips are read once.
"""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evar import plots
from evar.base.errors import UsageError, unknown
from evar.base.progress import hidden
from evar.config import Config, config_of
from evar.data.manifest import Round
from evar.data.named_tasks import load_tasks
from evar.data.task import Task
from evar.embeddings.device import choose_device, choose_precision, describe
from evar.embeddings.extract import Embeddings
from evar.encoders.m2d import M2D
from evar.encoders.m2d_images import M2DImages
from evar.fitting import ProbeFit
from evar.leaderboard import leaderboard_csv, outputs
from evar.pipeline import Evaluation, kept, of_modality, open_encoder
from evar.preparation import Prepared, prepare_task, require_coverage
from evar.probes.contract import Chosen
from evar.probes.holdout import grouped_tenth
from evar.probes.predictions import of_rounds
from evar.result import FINE_TUNING, PAPER, Result
from evar.row import make_result
from evar.scoring import intervals, metrics
from evar.training.journal import Journal, StepRow
from evar.training.numerics import require_trainable
from evar.training.run_folder import alone
from evar.training.team import is_first, joined, own_device
from evar.tuning.clips import LabelledClips
from evar.tuning.loop import FineTuningJob, TrainingPlace, file_name, fit
from evar.tuning.network import Tunable
from evar.tuning.recipe import FineTuningRecipe, make_recipe, table

log = logging.getLogger(__name__)

PROTOCOLS = {
    "honest": "the epoch is chosen on validation clips",
    PAPER: "the best epoch on test, where the authors took that; never ranked",
}


def finetune(
    task: str | Path | Task,
    encoder: str = "m2d",
    *,
    weights: str | Path | None = None,
    recipe: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    protocol: str = "honest",
    out: str | Path | None = None,
    resume: bool = False,
    checkpoint_minutes: float = 10.0,
    results: str | Path | None = None,
    config: Config | None = None,
    **settings: Any,
) -> list[Result]:
    """Fine-tune an encoder on each task, once a seed and a fold, and score it: one `Result` a task.

    task:                a name, a comma list of names, the path of a YAML file, or a `Task`
    encoder, weights:    as in `evaluate`: m2d with a checkpoint, or random
    recipe:              a name of the table, or a YAML file; the task's own where not given, else `default`
    options:             settings of the recipe by name, which go before: see `FineTuningRecipe`
    protocol:            a key of PROTOCOLS
    out:                 folder, in which each run has one of its own; runs/finetune-TASK-ENCODER where not given
    resume:              go on with what is there
    checkpoint_minutes:  between checkpoints within an epoch, the most that a kill can lose
    results:             folder of a leaderboard that the rows are appended to; none is written where not given
    config:              the settings; `settings` are settings by name, which go before

    Raises EvarError for anything that the user can fix, TrainingError where the numbers are lost.
    """
    config = config_of(settings, config)
    if config.shots:
        raise UsageError("fine-tuning takes all training clips: leave shots out")
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    tasks = load_tasks(task, config.data)
    recipes = [make_recipe(each.name, recipe, options or {}) for each in tasks]
    if protocol == PAPER and (other := [each.name for each in tasks if each.name not in table().best_on_test]):
        raise UsageError(
            f"--protocol {PAPER} repeats {', '.join(table().best_on_test)}, whose authors took the best epoch on test: "
            f"leave it out for {', '.join(other)}"
        )
    device = choose_device(own_device(config.device))
    precision = choose_precision(config.precision, device)
    require_trainable(precision)
    if results is not None and is_first():
        leaderboard_csv.require_writable(Path(results))
    with contextlib.nullcontext() if is_first() else hidden():
        opened, found = _open_m2d(encoder, weights, config), []
        of_modality(tasks, opened)
        for own in recipes:
            _require_for(opened.modality, own)
        with joined(device) as team:
            place = TrainingPlace(device, precision, team, checkpoint_minutes, resume)
            for each, own in zip(tasks, recipes, strict=True):
                folder = Path(out or Path("runs") / file_name(f"finetune-{each.name}-{opened.identity.name}"))
                outputs.require_no_results(folder)
                said = own.differing(make_recipe(each.name, None, {}))
                method = Tuning(said | ({"protocol": protocol} if protocol == PAPER else {}))
                session = FineTuningSession(opened, own, place, protocol, folder, method, config)
                with alone(folder, "finetune") if team.first else contextlib.nullcontext():
                    evaluation = session.evaluation(each)
                if results is not None and team.first:
                    evaluation.save(Path(results))
                found.append(evaluation.result)
    return found


def _open_m2d(encoder: str, weights: str | Path | None, config: Config) -> Tunable:
    """The encoder, as its checkpoint has it. Raises UsageError for another one, and for options that change it."""
    opened = open_encoder(encoder, weights, None, config)
    if isinstance(opened, M2DImages) and opened.outputs == ("cls", "mean"):
        return opened
    if isinstance(opened, M2D):
        options = opened.identity.options
        if opened.outputs == ("last",) and not opened.flat and options.get("frames") is None:
            return opened
    raise UsageError("fine-tuning is of m2d, with its weights, or of random; without layers, flat and frames")


def _require_for(modality: str, recipe: FineTuningRecipe) -> None:
    """Raise UsageError where a recipe has settings of the other modality."""
    of_images = {
        "--smallest-crop": recipe.smallest_crop is not None,
        "--flip": recipe.flip,
        "--features": recipe.features != "mean",
    }
    wrong = [name for name, given in of_images.items() if given] if modality == "audio" else []
    if modality == "image" and recipe.crop:
        wrong = ["--crop"]
    if wrong:
        theirs, own = ("images", "audio") if modality == "audio" else ("audio", "images")
        are, them = ("is", "it") if len(wrong) == 1 else ("are", "them")
        raise UsageError(
            f"{', '.join(wrong)} {are} for {theirs}, and the encoder is of {own}: leave {them} out, or take a --recipe "
            f"without {them}"
        )


@dataclass(frozen=True)
class Tuning:
    """What a row says in place of a probe. options: what differs from the task's own recipe."""

    options: dict[str, Any]
    name: str = FINE_TUNING
    package: str = ""


@dataclass(frozen=True)
class FineTuningSession:
    """An encoder that is fine-tuned by a recipe; folder: of all its runs."""

    encoder: Tunable
    recipe: FineTuningRecipe
    place: TrainingPlace
    protocol: str
    folder: Path
    method: Tuning
    config: Config

    def evaluation(self, task: Task) -> Evaluation:
        """All runs on a task, a row made of them. Raises DataError where the data does not allow it."""
        begin = time.perf_counter()
        prepared = prepare_task(task, self.encoder.rate, self.config)
        require_coverage(prepared, self.config)
        prepared.note_findings()
        clips, rounds = prepared.clips, prepared.clips.rounds()
        data = LabelledClips.of(clips, prepared.store)
        score = metrics.metric(task.metric, clips.pitches)
        seeds = range(self.recipe.seed, self.recipe.seed + self.recipe.seeds)
        jobs = {(each.name, seed): self._job(prepared, each, seed) for each in rounds for seed in seeds}
        runs = {}
        for key, job in jobs.items():
            runs[key] = fit(self.encoder, data, job, self.recipe, score, self.place)
            if self.place.team.first:
                _draw_loss(job)
        logits = [np.stack([runs[each.name, seed].logits for seed in seeds]) for each in rounds]
        predictions = of_rounds(rounds, logits, clips.targets, clips.groups, clips.pitches)
        scored = intervals.score_predictions(predictions, task.metric, self.config.seed)
        chosen = {
            f"{name} seed {seed}": Chosen(
                [], float(run.epoch), at_edge=False, curve={f"{n}": value for n, value in enumerate(run.curve, start=1)}
            )
            for (name, seed), run in runs.items()
        }
        seconds = time.perf_counter() - begin - prepared.seconds
        probe_fit = ProbeFit(self.method, self._output, chosen, predictions, scored, seconds)
        result = make_result(prepared, self.encoder, self._embedded(), probe_fit, self.config)
        if self.protocol == PAPER:
            result = dataclasses.replace(result, ranked=False, protocol=f"{result.protocol}, best epoch on test")
        return Evaluation(result, kept(clips, probe_fit))

    @property
    def _output(self) -> str:
        """Which of the encoder's outputs the head is on."""
        return self.recipe.features if self.encoder.modality == "image" else self.encoder.outputs[0]

    def _job(self, prepared: Prepared, each: Round, seed: int) -> FineTuningJob:
        clips, identity = prepared.clips, self.encoder.identity
        if self.protocol == PAPER:
            train, valid = each.train, each.test
        elif each.valid is not None:
            train, valid = each.train, each.valid
        else:
            train, valid = grouped_tenth(each.train, clips.targets, clips.groups, seed)
        what = {"weights": f"{identity.weights} #{identity.digest[:8]}", "protocol": self.protocol}
        data = f"{prepared.store.digest} {clips.digest}"
        folder = self.folder / file_name(f"{clips.task.name}-{each.name}-seed{seed}")
        return FineTuningJob(train, valid, each.test, seed, folder, data, what)

    def _embedded(self) -> Embeddings:
        """What a row says of how the encoder ran."""
        place = self.place
        return Embeddings(
            {}, "", place.device, describe(place.device), place.precision, self.recipe.batch_size, False, 0.0, 0.0
        )


def _draw_loss(job: FineTuningJob) -> None:
    rows = Journal(job.folder, StepRow).read()
    plots.loss_curve(job.folder / "loss.svg", job.folder.name, [row.step for row in rows], [row.loss for row in rows])
