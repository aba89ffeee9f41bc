"""`evar.evaluate(task, module)`: score a network in memory, from a script, a notebook or a training loop."""

import argparse
import copy
import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from torch import nn

from evar import probes
from evar.base.errors import UsageError, few
from evar.base.spec import split_calls
from evar.cli import options
from evar.cli.arguments import parse
from evar.cli.choice import choose_tasks
from evar.cli.verbs.eval import keep
from evar.data.task import Task
from evar.embeddings import inventory
from evar.embeddings.device import Runtime, choose_device, choose_precision
from evar.encoders.adapter import adapted, identified
from evar.encoders.contract import Encoder
from evar.encoders.outside import unreadable
from evar.leaderboard import table as leaderboard
from evar.nn.memory import enough_memory
from evar.pipeline import evaluate as evaluate_encoder
from evar.preparation import Settings
from evar.probes.shots import DRAWS, checked
from evar.result import Result

log = logging.getLogger(__name__)

Number = TypeVar("Number")


def evaluate(
    task: str | Path | Task,
    module: nn.Module,
    *,
    name: str | None = None,
    probe: str = "logistic",
    results: str | Path | None = None,
    data: str | Path | None = None,
    cache: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str | None = "auto",
    workers: int | None = None,
    seed: int = 42,
    limit: int | None = None,
    min_coverage: float | None = None,
    shots: Sequence[int] = (),
    draws: int = DRAWS,
) -> list[Result]:
    """Score a frozen copy of `module` on a task: one `Result` for each task, probe, output (and shots), in this order.

    task:     a name, a comma list of names, the path of a YAML file, or a `Task`
    module:   an `Encoder`, or any module with a `sample_rate` (Hz) whose forward takes (clip, sample) float32 in
              [-1, 1] and gives (clip, dim), or (clip, frame, dim), of which the mean over frames is taken. It stays as
              it is: its mode, its gradients and its device
    name:     what the rows call it; its class's name, or what its identity says, where not given
    results:  folder of a leaderboard that the rows are appended to; none is written where not given

    All others are the options of `evar eval` and have its defaults. `[result.row() for result in results]` makes a
    table. Embeddings are cached by the module's tensors, its sources, and what it does to a test signal; those of a
    class whose source cannot be read (typed at a prompt) are removed again.
    Raises EvarError for anything that the user can mend.
    """
    tasks = [task] if isinstance(task, Task) else choose_tasks(str(task))
    fits = [probes.open_probe(call) for call in split_calls(probe)]
    if not fits:
        raise UsageError(f"evar.evaluate: probe names no probe (valid: {', '.join(probes.names())})")
    defaults = parse(["eval"])
    assert defaults is not None
    where = choose_device(device)
    clips = _checked("batch_size", batch_size, options.batch_size)
    settings = Settings(
        data=Path(data or defaults.data),
        cache=Path(cache or defaults.cache),
        runtime=Runtime(where, choose_precision(precision, where), clips),
        workers=_checked("workers", workers, options.whole(1)) or defaults.workers,
        seed=_checked("seed", defaults.seed if seed is None else seed, options.whole(0)) or 0,
        limit=_checked("limit", limit, options.whole(1)),
        min_coverage=_checked("min_coverage", min_coverage, options.share),
        shots=checked(shots),
        draws=_checked("draws", draws, options.whole(1)) or DRAWS,
    )
    if results is not None:
        leaderboard.check(Path(results))
    encoder = in_memory(module, name)
    rows = []
    try:
        for each in tasks:
            for evaluation in evaluate_encoder(each, encoder, fits, settings):
                if results is not None:
                    keep(Path(results), evaluation)
                rows.append(evaluation.result)
    finally:
        if hidden := unreadable(encoder):
            log.warning(
                f"{encoder.identity.name}: the source of {few(hidden)} cannot be read, so its embeddings are not kept"
            )
            _forget(settings.cache, encoder.identity.code)
    return rows


def _checked(name: str, value: object, kind: Callable[[str], Number]) -> Number | None:
    """The value of an option, checked as the command line's; None stays None. Raises UsageError."""
    if value is None:
        return None
    try:
        return kind(str(value))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"evar.evaluate: {name} {error}") from error


def in_memory(module: nn.Module, name: str | None = None) -> Encoder:
    """A copy of a module, on the CPU, as a frozen encoder. Raises UsageError where it cannot be one."""
    kind = type(module).__name__
    if not isinstance(module, nn.Module):
        raise UsageError(f"evar.evaluate scores a torch.nn.Module, not a {kind}")
    try:
        copied = copy.deepcopy(module).cpu()
    except Exception as error:  # whatever a class's own way of copying raises
        raise UsageError(f"module {kind} cannot be copied ({error}): give one that copy.deepcopy takes") from error
    encoder = copied if isinstance(copied, Encoder) else adapted(f"module {kind}", copied)
    own = encoder.identity if encoder is copied else None
    with enough_memory(f"module {kind}", "the memory of this machine"):
        encoder = identified(encoder, name or (own.name if own else kind), own.weights if own else "in memory")
    if own is not None:
        encoder.identity = dataclasses.replace(encoder.identity, random=own.random and name is None)
    return encoder


def _forget(cache: Path, code: str) -> None:
    """Remove the cached embeddings of an encoder with this `code`."""
    for item in inventory.inventory(cache):
        if item.code == code:
            inventory.remove(item)
