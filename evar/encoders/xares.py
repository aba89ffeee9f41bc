"""xares: a Python file with the encoder interface of X-ARES (https://github.com/jimbozhang/xares).

The file defines a torch.nn.Module class whose name ends with Encoder and that needs no arguments; its objects have
`sampling_rate` (Hz), `output_dim`, and `forward(audio (clip, sample)) -> (clip, frame, dim)`; their `hop_size_in_ms`
is not needed for a mean over frames.
"""

from pathlib import Path
from types import ModuleType

from pydantic import NonNegativeFloat
from torch import nn

from evar.base.errors import UsageError, few
from evar.encoders.adapter import SHORTEST_SECONDS, Adapted, identified, network_of
from evar.encoders.contract import Encoder, refuse_weights
from evar.encoders.outside import import_outside, outside_code

ENDING = "Encoder"


def open_encoder(weights: Path | None, file: str, shortest: NonNegativeFloat = SHORTEST_SECONDS) -> Encoder:
    """The X-ARES encoder that `file` defines; a clip's embedding is the mean over its frames.

    file:      path of the .py file
    shortest:  clips below so many seconds are zero-padded to them

    Raises UsageError where the file is not there, fails, or defines no such class, and for weights: an X-ARES encoder
    finds its own.
    """
    refuse_weights("xares", weights)
    module = import_outside(file, "xares file")
    kind = _encoder_class(file, module)
    what = f"xares file {file}: {kind.__name__}"
    with outside_code(f"{what}()"):
        opened = kind()
    network = network_of(what, opened)
    encoder = Adapted(what, network, shortest, rate="sampling_rate", size="output_dim", shapes=("(clip, frame, dim)",))
    return identified(encoder, kind.__name__, "its own weights", roots=[module])


def _encoder_class(file: str, module: ModuleType) -> type[nn.Module]:
    """The one class ...Encoder in a file; those that the file defines come before those that it imports."""
    classes = {
        name: value
        for name, value in vars(module).items()
        if name.endswith(ENDING) and isinstance(value, type) and issubclass(value, nn.Module)
    }
    own = {name: value for name, value in classes.items() if value.__module__ == module.__name__}
    found = own or classes
    if len(found) != 1:
        held = few(found) or few(name for name, value in vars(module).items() if isinstance(value, type)) or "none"
        raise UsageError(
            f"xares file {file} must define one torch.nn.Module class whose name ends with {ENDING}; classes: {held}"
        )
    return next(iter(found.values()))
