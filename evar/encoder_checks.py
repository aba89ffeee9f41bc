"""Does an encoder keep the contract that all encoders keep? The library's side of `evar check-encoder`.

evar.check_encoder("m2d")                       # {"opens": "", "is frozen": "", ...}
evar.check_encoder("file(path='my_encoder.py')")
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evar import encoders
from evar.base.errors import EvarError, printable
from evar.config import Config, config_of
from evar.embeddings.device import choose_device
from evar.encoders.checks import ContractBroken, checks_of
from evar.encoders.contract import Encoder
from evar.encoders.outside import one_line
from evar.nn.memory import enough_memory
from evar.nn.releases import named_or_file

OPENS = "opens"


def check_encoder(
    encoder: str, weights: str | Path | None = None, config: Config | None = None, **settings: Any
) -> dict[str, str]:
    """Run every check of the contract on an encoder: check -> what is wrong, "" where nothing is.

    encoder:  a call such as "m2d" or "file(path='my.py')"; where it does not open, "opens" is the only check
    weights:  a checkpoint file or folder, or a checkpoint's name
    config:   the settings, of which cache and device count; `settings` are settings by name, which go before

    Raises UsageError, with near names, for an encoder or a checkpoint that there is not.
    """
    done = run_checks(encoder, weights, config_of(settings, config))
    return {check.name: check.problem for check in done}


@dataclass(frozen=True)
class CheckedEncoder:
    """One check of an encoder, by its name in words. encoder: None where it does not open."""

    name: str
    encoder: Encoder | None
    error: Exception | None = None

    @property
    def problem(self) -> str:
        """What the encoder does wrong, with the line of its own code where that raised; "" for nothing."""
        if self.error is None:
            return ""
        known = isinstance(self.error, EvarError | ContractBroken)
        return printable(str(self.error)) if known else f"raises {one_line(self.error)}"


def run_checks(encoder: str, weights: str | Path | None, config: Config) -> Iterator[CheckedEncoder]:
    """Each check as it is done, the first whether the encoder opens; see `check_encoder`."""
    device, file = choose_device(config.device), named_or_file(weights, config.cache)
    encoders.opener_of(encoder)  # a typo is no check that fails
    try:
        with enough_memory(encoder, f"the memory of {device}"):
            opened = encoders.open_encoder(encoder, file).to(device)
    except Exception as error:  # whatever someone's own encoder raises is what they want to know
        yield CheckedEncoder(OPENS, None, error)
        return
    yield CheckedEncoder(OPENS, opened)
    for check in checks_of(opened):
        name = check.__name__.replace("_", " ")
        try:
            check(opened)
        except Exception as error:  # as above
            yield CheckedEncoder(name, opened, error)
        else:
            yield CheckedEncoder(name, opened)
