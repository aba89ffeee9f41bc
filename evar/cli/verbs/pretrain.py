"""`evar pretrain`: train an encoder, draw its loss, and score it on tasks while it learns."""

import argparse
import contextlib
import dataclasses
import logging
from pathlib import Path

import torch

from evar import encoders, plots
from evar.base.errors import EvarError, UsageError
from evar.base.files import locked
from evar.base.progress import hidden, hidden_progress, say
from evar.cli.options import config_from
from evar.cli.verbs.eval import result_line
from evar.config import Config
from evar.data.manifest import read_manifest
from evar.data.task import Task, load_tasks
from evar.embeddings.device import PRECISIONS, choose_device, choose_precision
from evar.leaderboard import outputs
from evar.leaderboard import table as leaderboard
from evar.pipeline import evaluations
from evar.pretrain import journal
from evar.pretrain.audio import AudioSource, prepare_audio, source_of_folder
from evar.pretrain.loop import Saved, TrainingRun, train
from evar.pretrain.recipe import Recipe, make_recipe
from evar.pretrain.team import is_first, joined, local_rank
from evar.probes import open_probes

log = logging.getLogger(__name__)

PROBE = "logistic"
CURVE = "loss.svg"


def run(arguments: argparse.Namespace) -> int:
    """Prepare the audio, train, and tell where the encoder lies."""
    fields = ((name, getattr(arguments, name)) for name in Recipe.model_fields)
    recipe = make_recipe(arguments.preset, {name: text for name, text in fields if text is not None})
    device = choose_device(_own_device(arguments.device))
    precision = choose_precision(arguments.precision, device)
    if precision == "float16":
        raise UsageError("--precision float16 cannot be trained in without loss scaling: take bfloat16 or float32")
    folder = arguments.out or Path("runs") / recipe.name
    require_own(folder, recipe.name)
    tasks = load_tasks(arguments.eval_task) if arguments.eval_task else []
    with contextlib.nullcontext() if is_first() else hidden():
        sources = _sources(arguments)
        for task in tasks:
            read_manifest(task, arguments.data)  # one that is not there is noted now, not after hours
        if tasks:
            leaderboard.check(arguments.results)
        with alone(folder) if is_first() else contextlib.nullcontext(), joined(device) as team:
            store = prepare_audio(
                sources,
                recipe.sample_rate,
                arguments.cache,
                workers=arguments.workers,
            )
            how = TrainingRun(
                recipe,
                folder,
                device,
                precision,
                minutes=arguments.checkpoint_minutes,
                every_epochs=arguments.eval_every if tasks else None,
                resume=arguments.resume,
                encoder_dtype=PRECISIONS[arguments.save_as],
            )
            config = config_from(
                arguments, device=str(device), precision=precision, seed=recipe.seed, limit=arguments.eval_limit
            )

            def on_checkpoint(saved: Saved) -> None:
                draw_loss(saved)
                if saved.encoder is not None:
                    for task in tasks:
                        score(task, saved, config, arguments.results)

            file = train(store, how, team, on_checkpoint=on_checkpoint)
        log.info(f"trained: {file} and, the encoder alone, {file.with_suffix('.safetensors')}")
    return 0


def require_own(folder: Path, name: str) -> None:
    """Raise UsageError where a run of that name would write into a results folder or over another's file."""
    outputs.require_no_results(folder)
    header, title = journal.HEADER.encode(), f"<dc:title>{name}</dc:title>".encode()
    outputs.output_file(folder / journal.NAME, lambda content: content.startswith(header), folder)
    outputs.output_file(folder / CURVE, lambda content: title in content, folder)


def alone(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Keep other pre-trainings out of `folder`, through FOLDER/run.lock, for the block; a killed process frees it.

    Raises UsageError at once where another one is there, StorageError where the folder cannot be written.
    """
    busy = UsageError(f"another evar pretrain is writing into {folder}: wait until it ends, or give another --out")
    return locked(folder / "run", busy=busy)


def draw_loss(saved: Saved) -> None:
    """Draw log.csv as loss.svg beside it."""
    rows = journal.read(saved.journal)
    plots.loss_curve(
        saved.journal.with_name(CURVE), saved.file.stem, [row.step for row in rows], [row.loss for row in rows]
    )


def score(task: Task, saved: Saved, config: Config, results: Path) -> None:
    """Append a row for the encoder as it is at this step; what goes wrong is told and does not end the training."""
    assert saved.encoder is not None
    threads = torch.get_num_threads()
    try:
        encoder = encoders.open_encoder("m2d", saved.encoder)
        with hidden_progress():
            for evaluation in evaluations(task, encoder, open_probes(PROBE), config):
                ranked = evaluation.result.ranked and saved.steps == saved.total
                result = dataclasses.replace(evaluation.result, step=saved.steps, ranked=ranked)
                scored = dataclasses.replace(evaluation, result=result)
                scored.save(results)
                say(f"epoch {saved.epoch:g}, step {saved.steps:,}: {result_line(scored)}")
    except EvarError as error:
        say(f"not scored at step {saved.steps:,}: {error}")
    finally:
        torch.set_num_threads(threads)


def _sources(arguments: argparse.Namespace) -> list[AudioSource]:
    """Folders and tasks' training clips. Raises UsageError where neither is named."""
    sources = [source_of_folder(folder) for folder in arguments.folders]
    for task in load_tasks(arguments.task) if arguments.task else []:
        clips = read_manifest(task, arguments.data)
        rows = clips.clips["part"] == "train"
        if task.folds:
            rows[:] = True
            log.warning(f"{task.name}: each fold is a test fold in turn, so test clips are trained on too (unlabelled)")
        sources.append(AudioSource(clips.root, clips.clips["path"][rows].tolist()))
    if not sources:
        raise UsageError("say what to train on: evar pretrain FOLDER, or --task NAME")
    return sources


def _own_device(name: str) -> str:
    """The device of this process where `torchrun` started one a device."""
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{local_rank()}"
    return str(name)
