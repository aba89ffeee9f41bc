"""Probes: one file for each kind of classifier on frozen embeddings; see `contract.py`.

A file of this folder is a probe where it defines `open_probe`; every other file supports them.
"""

from evar import plugins
from evar.probes.contract import Probe
from evar.spec import check_options, parse_call

PACKAGE = "evar.probes"
OPENER = "open_probe"


def names() -> list[str]:
    """Names of all probes, sorted; imports none of them."""
    return plugins.names(PACKAGE, OPENER)


def open_probe(spec: str) -> Probe:
    """The probe that a call such as "logistic" or "m2d_paper(lr=1e-4)" asks for.

    Raises UsageError, with near names, for an unknown probe or option and for a value that cannot be.
    """
    name, options = parse_call(spec, "probe")
    function = plugins.load(PACKAGE, OPENER, name, "probe")
    probe: Probe = function(**check_options("probe", name, function, options))
    return probe
