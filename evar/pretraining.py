"""Pre-training from audio, or images, to a scored encoder: the library's side of `evar pretrain`.

    evar.pretrain_encoder(["audio"], recipe="tiny", out="runs/tiny")

`pretrain/` trains and knows neither tasks nor scores; what is drawn and scored at its checkpoints is connected here.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evar import encoders, plots
from evar.base.errors import EvarError, UsageError
from evar.base.progress import hidden, hidden_progress
from evar.callbacks.scorer import at_step
from evar.callbacks.undisturbed import undisturbed
from evar.config import Config, config_of
from evar.data.manifest import read_manifest
from evar.data.named_tasks import load_tasks
from evar.data.task import Task
from evar.embeddings.device import PRECISIONS, choose_device, choose_precision
from evar.leaderboard import leaderboard_csv, outputs
from evar.nn import releases
from evar.pipeline import Evaluator
from evar.pretrain.journal import journal_in
from evar.pretrain.loop import Saved, TrainingRun, train
from evar.pretrain.recipe import Recipe, make_recipe
from evar.pretrain.sources import Source, prepare_sources, source_of_folder
from evar.pretrain.start import StartingPoint, load_start
from evar.probes import open_probes
from evar.training.numerics import require_trainable
from evar.training.run_folder import alone, require_no_other_run
from evar.training.team import is_first, joined, own_device

log = logging.getLogger(__name__)

PROBE = "logistic"
CURVE = "loss.svg"


@dataclass(frozen=True)
class Scoring:
    """What an encoder is scored on while it trains, by the logistic probe.

    tasks:         names, separated by commas
    every_epochs:  epochs between scores
    limit:         clips per split; None for all
    results:       folder of the leaderboard that the rows are appended to
    """

    tasks: str
    every_epochs: int = 10
    limit: int | None = None
    results: str | Path = "results"


def pretrain_encoder(
    folders: Sequence[str | Path] = (),
    *,
    task: str | None = None,
    recipe: Recipe | str = "base",
    out: str | Path | None = None,
    start: str | Path | None = None,
    resume: bool = False,
    checkpoint_minutes: float = 10.0,
    save_as: Literal["float32", "float16"] = "float32",
    scoring: Scoring | None = None,
    config: Config | None = None,
    **settings: Any,
) -> Path:
    """Train an M2D encoder without labels. Returns the checkpoint; the encoder alone lies beside it (.safetensors).

    folders:             of audio, or where the recipe has an image_size of images, at any depth
    task:                a comma list of tasks whose training clips are read too
    recipe:              a `Recipe`, or the name of a preset
    out:                 folder of the run's files, runs/ and the model's name where not given
    start:               a checkpoint's file, folder or name to start from, whose encoder's shape the recipe takes
    resume:              go on from the folder's checkpoint; with more epochs than planned by a new plan
    checkpoint_minutes:  between checkpoints, the most that a kill can lose
    save_as:             precision of the weights in the encoder's own file
    config:              the settings; `settings` are settings by name, which go before

    Raises EvarError for anything that the user can fix, TrainingError where the numbers are lost.
    """
    config = config_of(settings, config)
    point = None if start is None else starting_point(start, config.cache)
    if not isinstance(recipe, Recipe):
        recipe = make_recipe(recipe, point.settings({}) if point else {})
    device = choose_device(own_device(config.device))
    precision = choose_precision(config.precision, device)
    require_trainable(precision)
    folder = Path(out) if out is not None else Path("runs") / recipe.name
    require_own(folder, recipe.name)
    limit = scoring.limit if scoring else None
    config = dataclasses.replace(config, device=str(device), precision=precision, seed=recipe.seed, limit=limit)
    how = TrainingRun(
        recipe,
        folder,
        device,
        precision,
        minutes=checkpoint_minutes,
        every_epochs=scoring.every_epochs if scoring else None,
        resume=resume,
        encoder_dtype=PRECISIONS[save_as],
        start=point,
    )
    tasks = _tasks(scoring.tasks, recipe, config) if scoring else []
    with contextlib.nullcontext() if is_first() else hidden():
        sources = _sources(folders, task, recipe, config)
        for each in tasks:
            read_manifest(each, config.data)  # one that is not there is an error now, not after hours
        if scoring:
            leaderboard_csv.require_writable(Path(scoring.results))
        with alone(folder, "pretrain") if is_first() else contextlib.nullcontext(), joined(device) as team:
            store = prepare_sources(sources, recipe.rate, config.cache, recipe.modality, workers=config.workers)

            def on_checkpoint(saved: Saved) -> None:
                draw_loss(saved)
                if scoring and saved.encoder is not None:
                    for each in tasks:
                        score(each, saved, config, Path(scoring.results))

            file = train(store, how, team, on_checkpoint=on_checkpoint)
        log.info(f"trained: {file} and, the encoder alone, {file.with_suffix('.safetensors')}")
    return file


def starting_point(weights: str | Path, cache: Path) -> StartingPoint:
    """The checkpoint that `weights` means. Raises UsageError and CheckpointError where there is none."""
    file = releases.named_or_file(weights, cache)
    assert file is not None
    return load_start(file)


def require_own(folder: Path, name: str) -> None:
    """Raise UsageError where a run of that name would write into a results folder or over another's file."""
    outputs.require_no_results(folder)
    if not (folder / f"{name}.pth").exists():
        require_no_other_run(folder)
    header, title = journal_in(folder).header.encode(), f"<dc:title>{name}</dc:title>".encode()
    outputs.output_file(journal_in(folder).path, lambda content: content.startswith(header), folder)
    outputs.output_file(folder / CURVE, lambda content: title in content, folder)


def draw_loss(saved: Saved) -> None:
    """Draw log.csv as loss.svg beside it."""
    rows = journal_in(saved.journal.parent).read()
    plots.loss_curve(
        saved.journal.with_name(CURVE), saved.file.stem, [row.step for row in rows], [row.loss for row in rows]
    )


def score(task: Task, saved: Saved, config: Config, results: Path) -> None:
    """Append a row for the encoder as it is at this step; what goes wrong is noted and does not end the training."""
    assert saved.encoder is not None
    try:
        with undisturbed(), hidden_progress():
            encoder, probes = encoders.open_encoder("m2d", saved.encoder), open_probes(PROBE, config.device)
            for evaluation in Evaluator(encoder, probes, config).evaluations(task):
                evaluation = at_step(evaluation, saved.steps, last=saved.steps == saved.total)
                evaluation.save(results)
                log.info(f"epoch {saved.epoch:g}, step {saved.steps:,}: {evaluation.result.line}")
    except EvarError as error:
        log.warning(f"not scored at step {saved.steps:,}: {error}")


def _tasks(names: str, recipe: Recipe, config: Config) -> list[Task]:
    """The tasks of these names. Raises UsageError for one of another modality than the recipe's."""
    tasks = load_tasks(names, config.data)
    for each in tasks:
        if each.modality != recipe.modality:
            said = ("audio", "images", "leave --image-size out"), ("images", "audio", "say --image-size PIXELS")
            theirs, own, how = said[recipe.image_size is None]
            raise UsageError(f"task {each.name} is of {theirs}, and the recipe of {own}: {how}")
    return tasks


def _sources(folders: Sequence[str | Path], task: str | None, recipe: Recipe, config: Config) -> list[Source]:
    """Folders and tasks' training clips. Raises UsageError where neither is named."""
    sources = [source_of_folder(Path(folder), recipe.modality) for folder in folders]
    for each in _tasks(task, recipe, config) if task else []:
        clips = read_manifest(each, config.data)
        rows = clips.clips["part"] == "train"
        if each.folds:
            rows[:] = True
            log.warning(f"{each.name}: each fold is a test fold in turn, so test clips are trained on too (unlabelled)")
        sources.append(Source(clips.root, clips.clips["path"][rows].tolist()))
    if not sources:
        raise UsageError("say what to train on: evar pretrain FOLDER, or --task NAME")
    return sources
