"""A fitted probe as arrays and JSON, and back: what `--save-probe` keeps of a run.

Nothing that is read is executed: a fit is one of the kinds of this file, its arrays are numbers. `SavedProbe` in
`estimator.py` is a scikit-learn classifier of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evar.base.errors import UsageError, few
from evar.probes.by_label import ByLabel
from evar.probes.centroid import CentroidFit
from evar.probes.contract import Chosen, Fitted
from evar.probes.layer_sum import LayerSum, LayerSumFit
from evar.probes.linear import LinearFit, Standardiser
from evar.probes.networks import NetworkFit

FITS = (LinearFit, NetworkFit, CentroidFit, LayerSumFit, ByLabel)  # a subclass with logits of its own is none of them
KINDS = ("single-label", "multi-label")  # of a task
Arrays = dict[str, NDArray[Any]]
Layout = dict[str, Any]
"""What a fit is made of, as JSON: its kind, and where its parts are several how many."""


@dataclass(frozen=True)
class PackedProbe:
    """A run's fitted probe.

    arrays: by names, which begin with the numbers of round and seed
    about:  the rest, as JSON takes it, with "rounds": name -> {"output": of the encoder, "fits": a layout a seed}
    """

    arrays: Arrays
    about: dict[str, Any]


@dataclass(frozen=True)
class SavedRound:
    """The fits of a round, one a seed, and the output of the encoder that they read."""

    name: str
    output: str
    fits: tuple[Fitted, ...]
    dim: int


def pack(chosen: Mapping[str, Chosen], outputs: Mapping[str, str], about: Mapping[str, Any]) -> PackedProbe:
    """The final fits of all rounds. outputs: round -> output. Raises UsageError for a kind that cannot be saved."""
    arrays: Arrays = {}
    rounds = {
        name: {
            "output": outputs[name],
            "fits": [_pack(fit, f"{number}.{seed}", arrays) for seed, fit in enumerate(each.fits)],
        }
        for number, (name, each) in enumerate(chosen.items())
    }
    return PackedProbe(arrays, {**about, "rounds": rounds})


def _pack(fit: Fitted | None, place: str, arrays: Arrays) -> Layout:
    """The layout of a fit, whose arrays go to `arrays` by names that begin with `place`."""

    def put(**parts: NDArray[Any]) -> None:
        arrays.update({f"{place}.{name}": np.ascontiguousarray(part) for name, part in parts.items()})

    if fit is not None and not any(type(fit).logits is kind.logits for kind in FITS):
        raise UsageError(f"a fit of class {type(fit).__name__} cannot be saved")
    match fit:
        case None:
            return {"kind": "none"}
        case LinearFit():
            put(mean=fit.standardise.mean, scale=fit.standardise.scale, weights=fit.weights, bias=fit.bias)
            return {"kind": "linear"}
        case NetworkFit():
            put(mean=fit.standardise.mean, scale=fit.standardise.scale)
            for number, (weights, bias) in enumerate(fit.layers):
                put(**{f"weights{number}": weights, f"bias{number}": bias})
            return {"kind": "network", "layers": len(fit.layers)}
        case CentroidFit():
            standardise = fit.standardise
            put(mean=standardise.mean, scale=standardise.scale, centroids=fit.centroids, constant=fit.constant)
            return {"kind": "centroid"}
        case LayerSumFit():
            total = fit.layer_sum
            put(mean=total.standardise.mean, scale=total.standardise.scale, layers=total.weights)
            return {"kind": "layer_sum", "fit": _pack(fit.fit, f"{place}.fit", arrays)}
        case ByLabel():
            fits = [_pack(each, f"{place}.{label}", arrays) for label, each in enumerate(fit.fits)]
            return {"kind": "by_label", "fits": fits}
    raise AssertionError(f"{type(fit).__name__} has the logits of a kind that it is not of")


def _unpack(layout: Layout, place: str, arrays: Mapping[str, NDArray[Any]]) -> Fitted | None:
    """What `_pack` was given. Raises KeyError, TypeError or ValueError for what it did not make."""

    def take(name: str, ndim: int, dtype: type = np.float32) -> NDArray[Any]:
        array = arrays[f"{place}.{name}"]
        if array.dtype != dtype or array.ndim != ndim:
            raise ValueError(f"{place}.{name} cannot be {array.ndim}-dimensional {array.dtype}")
        return array

    kind = layout["kind"]
    if kind == "none":
        return None
    if kind == "by_label":
        fits = [_unpack(each, f"{place}.{label}", arrays) for label, each in enumerate(layout["fits"])]
        return ByLabel(tuple(fits))
    standardise = Standardiser(take("mean", 1, np.float64), take("scale", 1, np.float64))
    match kind:
        case "linear":
            return LinearFit(standardise, take("weights", 2), take("bias", 1), True)
        case "network":
            layers = [(take(f"weights{number}", 2), take(f"bias{number}", 1)) for number in range(layout["layers"])]
            return NetworkFit(standardise, tuple(layers), True)
        case "centroid":
            return CentroidFit(standardise, take("centroids", 2), take("constant", 1))
        case "layer_sum":
            if (fit := _unpack(layout["fit"], f"{place}.fit", arrays)) is None:
                raise ValueError(f"{place} sums layers for nothing")
            return LayerSumFit(LayerSum(standardise, take("layers", 1)), fit)
    raise ValueError(f"no kind of fit is {kind!r}")


def unpack(packed: PackedProbe) -> tuple[SavedRound, ...]:
    """The fits of all rounds. Raises KeyError, TypeError or ValueError for what `pack` did not make."""
    about, rounds = packed.about, []
    classes = about["classes"]
    if about["kind"] not in KINDS or not all(isinstance(name, str) for name in classes):
        raise ValueError("its kind or its classes cannot be")
    for number, (name, each) in enumerate(about["rounds"].items()):
        fits = [_unpack(layout, f"{number}.{seed}", packed.arrays) for seed, layout in enumerate(each["fits"])]
        whole = tuple(fit for fit in fits if fit is not None)
        dims = {len(packed.arrays[key]) for key in packed.arrays if key.startswith(f"{number}.") and _is_input(key)}
        if not whole or len(dims) != 1 or not isinstance(each["output"], str):
            raise ValueError(f"round {name} reads {few(map(str, sorted(dims))) or 'no'} dimensions")
        (dim,) = dims
        for fit in whole:
            if fit.logits(np.zeros((1, dim), dtype=np.float32)).shape != (1, len(classes)):
                raise ValueError(f"round {name} does not fit {len(classes)} classes")
        rounds.append(SavedRound(name, each["output"], whole, dim))
    if not rounds:
        raise ValueError("it holds no fit")
    return tuple(rounds)


def _is_input(key: str) -> bool:
    """Whether an array has an entry a dimension of what the fit reads: not that of a fit on a sum of layers."""
    return key.endswith(".mean") and ".fit." not in key
