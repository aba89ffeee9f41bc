"""Probes: one file for each kind of classifier on frozen embeddings; see `contract.py`.

A file of this folder is a probe where it defines `open_probe`; every other file supports them.
`from evar.probes import LogisticRegressionProbe` gives the logistic probe as a scikit-learn classifier.
"""

from typing import Any

from evar.base import plugins
from evar.base.errors import UsageError
from evar.base.spec import check_options, parse_call, split_calls
from evar.probes.contract import Probe


def names() -> list[str]:
    """Names of all probes, sorted; imports none of them."""
    return plugins.names("probe")


def open_probe(spec: str, device: str = "cpu") -> Probe:
    """The probe that a call such as "logistic" or "m2d_paper(lr=1e-4)" asks for, to fit on `device`, as torch names it.

    Raises UsageError, with near names, for an unknown probe or option and for a value that cannot be.
    """
    name, options = parse_call(spec, "probe")
    function = plugins.load("probe", name)
    in_force = check_options("probe", name, function, options)
    probe: Probe = function(**in_force)
    probe.name, probe.device, probe.package = name, device, plugins.source_of("probe", name)
    probe.options = {option: list(value) if isinstance(value, tuple) else value for option, value in in_force.items()}
    return probe


def open_probes(specs: str, device: str = "cpu") -> list[Probe]:
    """The probes of a comma list of calls. Raises UsageError as `open_probe` does, and where none is named."""
    opened = [open_probe(spec, device) for spec in split_calls(specs)]
    if not opened:
        raise UsageError(f"{specs!r} names no probe (valid: {', '.join(names())})")
    return opened


def __getattr__(name: str) -> Any:
    """The scikit-learn classifier, imported when it is asked for: it takes half a second."""
    if name == "LogisticRegressionProbe":
        from evar.probes.estimator import LogisticRegressionProbe

        return LogisticRegressionProbe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
