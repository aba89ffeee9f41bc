"""An encoder for another process: opened there anew from what it was opened with, else carried there by pickle.

Most encoders from outside cannot be pickled (their classes stand in files that another process has not imported), and
need not be: the call, the weights and the precision make the same one anywhere on this machine.
"""

import pickle
from dataclasses import dataclass

import torch

from evar.base.errors import EvarError
from evar.encoders import open_encoder
from evar.encoders.contract import Encoder, Identity, Origin
from evar.encoders.fingerprint import same_behaviour
from evar.nn.memory import out_of_memory


class CannotTravel(EvarError):
    """An encoder cannot be made in another process; one process can still do all the work."""


@dataclass(frozen=True)
class Handover:
    """What another process makes the encoder from: its origin, or else its pickled bytes."""

    identity: Identity
    precision: torch.dtype
    origin: Origin | None
    pickled: bytes = b""


def hand_over(encoder: Encoder, precision: torch.dtype) -> Handover:
    """Pack an encoder that runs in `precision`. Raises CannotTravel for one without origin that cannot be pickled."""
    if encoder.origin is not None:
        return Handover(encoder.identity, precision, encoder.origin)
    try:
        return Handover(encoder.identity, precision, None, pickle.dumps(encoder))
    except Exception as error:  # pickle raises nearly anything
        raise _cannot(encoder.identity, error) from error


def take_over(handed: Handover) -> Encoder:
    """The encoder, on the CPU. Raises CannotTravel where it cannot be made here, or is not the same one."""
    identity = handed.identity
    if handed.origin is None:
        try:
            carried: Encoder = pickle.loads(handed.pickled)  # our own bytes, from the process that started this one
        except Exception as error:
            raise _cannot(identity, error) from error
        return carried
    try:
        encoder = open_encoder(handed.origin.spec, handed.origin.weights)
    except Exception as error:
        if out_of_memory(error):
            raise
        raise _cannot(identity, error) from error
    if encoder.set_precision(handed.precision) != handed.precision or not same_identity(encoder.identity, identity):
        raise CannotTravel(f"{identity.name} is another encoder when it is opened in another process")
    return encoder


def same_identity(one: Identity, other: Identity) -> bool:
    """Whether two encoders are the same, what they do to a test signal to rounding."""
    if one != other or (one.behaviour is None) != (other.behaviour is None):
        return False
    return one.behaviour is None or other.behaviour is None or same_behaviour(one.behaviour, other.behaviour)


def _cannot(identity: Identity, error: Exception) -> CannotTravel:
    said = " ".join(str(error).split())[:200]
    return CannotTravel(f"{identity.name} cannot be made in another process ({type(error).__name__}: {said})")
