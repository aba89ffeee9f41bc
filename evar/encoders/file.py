"""file: any Python file that exports `open_encoder(weights, **options)`, like the files of this folder.

It gives an `Encoder`, or any torch.nn.Module with a `sample_rate` (Hz) whose forward takes (clip, sample) and gives
(clip, dim) or (clip, frame, dim), of which the mean over frames is the clip's embedding.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import NonNegativeFloat

from evar.base.errors import UsageError, few
from evar.base.spec import check_options
from evar.encoders.adapter import SHORTEST_SECONDS, opened_outside
from evar.encoders.contract import Encoder
from evar.encoders.outside import import_outside

OPENER = "open_encoder"


def open_encoder(
    weights: Path | None,
    path: str,
    options: dict[str, Any] | None = None,
    shortest: NonNegativeFloat = SHORTEST_SECONDS,
) -> Encoder:
    """What the file's `open_encoder` gives.

    weights:   a file or folder, passed on as a Path, or None where none is given
    path:      of the .py file, or the import name of a module
    options:   passed on, each by its name; checked against the annotations of the file's `open_encoder`
    shortest:  clips below so many seconds are zero-padded to them (not for an `Encoder`, which takes any length)

    Raises UsageError where the file is not there, fails, exports no `open_encoder`, or that does not take the options
    or gives no encoder; CheckpointError for missing weights.
    """
    what = f"encoder file {path}"
    module = import_outside(path, "encoder file")
    function = _opener(what, module)
    in_force = _options(what, function, options or {})
    name = Path(path).stem if path.endswith(".py") else path
    return opened_outside(what, function, weights, in_force, name, roots=[module], shortest=shortest)


def _opener(what: str, module: ModuleType) -> Callable[..., Any]:
    function = getattr(module, OPENER, None)
    if not callable(function):
        defined = few(name for name, value in vars(module).items() if inspect.isfunction(value)) or "none"
        raise UsageError(f"{what} exports no {OPENER}(weights, **options); its functions: {defined}")
    if "weights" not in inspect.signature(function).parameters:
        raise UsageError(f"{what}: its {OPENER} must take weights first: {OPENER}(weights, **options)")
    opener: Callable[..., Any] = function
    return opener


def _options(what: str, function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options in force; a function that takes any (**options) is given them as they are."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return options
    return check_options("encoder", what.removeprefix("encoder "), function, options)
