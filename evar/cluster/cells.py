"""What a sweep is made of: cells, each an encoder on a task by a probe, named in a file or by options."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from evar.base import plugins
from evar.base.errors import UsageError, printable
from evar.base.spec import split_calls
from evar.base.yaml_file import read_yaml_as
from evar.data.task import Task
from evar.result import Result

State = Literal["waits", "done", "there", "failed"]


@dataclass(frozen=True)
class EncoderCall:
    """An encoder as it is named: a call such as "m2d", and the checkpoint that it is opened with."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    encoder: str = "m2d"
    weights: str | None = None

    def __str__(self) -> str:
        return f"{self.encoder} {self.weights}" if self.weights else self.encoder


Listed = Annotated[EncoderCall, BeforeValidator(lambda given: {"encoder": given} if isinstance(given, str) else given)]


class SweepFile(BaseModel):
    """A sweep's file; see docs/clusters.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoders: list[Listed] = Field(default_factory=list)
    tasks: list[str] = Field(default_factory=list)
    probes: list[str] = Field(default_factory=list)


@dataclass
class SweepCell:
    """One encoder on one task by one probe, and what became of it.

    state:   waits; done; there: had its rows before; failed
    results: its rows: one, or one for each output or number of shots
    seconds: that it took, with the embedding where that was computed for it
    error:   why it failed
    """

    encoder: EncoderCall
    task: Task
    probe: str
    state: State = "waits"
    results: list[Result] = field(default_factory=list)
    seconds: float = 0.0
    error: Exception | None = None

    @property
    def why(self) -> str:
        """Why it failed, in a line; "" where it did not."""
        if self.error is None:
            return ""
        return printable(str(self.error) if type(self.error).__module__ == "evar.base.errors" else repr(self.error))


def read_sweep(path: Path) -> SweepFile:
    """The sweep that a YAML file names. Raises UsageError that names the file and every key at fault."""
    return read_yaml_as(path, SweepFile)


def encoder_calls(encoders: Sequence[str | EncoderCall], weights: Sequence[str] = ()) -> list[EncoderCall]:
    """Each encoder once; where weights are given, each with each of them.

    A file's place is written in full, for workers run elsewhere. Raises UsageError for what names no encoder.
    """
    named = [part for each in encoders for part in (split_calls(each) if isinstance(each, str) else [each])]
    calls = [each if isinstance(each, EncoderCall) else EncoderCall(each) for each in named]
    if weights:
        if clash := [each for each in calls if each.weights]:
            raise UsageError(f"{clash[0]}: weights are given twice")
        calls = [EncoderCall(each.encoder, file) for each in calls for file in weights]
    if not calls:
        raise UsageError("a sweep needs an encoder: name one or more")
    for each in calls:
        plugins.require_calls("encoder", each.encoder)
    return list(dict.fromkeys(EncoderCall(each.encoder, _in_full(each.weights)) for each in calls))


def _in_full(weights: str | None) -> str | None:
    return os.path.abspath(weights) if weights and os.path.exists(weights) else weights  # noqa: PTH100, PTH110
