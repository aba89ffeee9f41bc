"""Every picture; the only door to matplotlib, which is imported when a picture is asked for.

points.py   what is drawn: points, series, colours that colour-blind readers distinguish
saved.py    pictures in files of their own
inline.py   pictures inside a page
"""

from evar.plots.inline import curve_plot, dot_plot, speed_plot
from evar.plots.points import COLOURS, GREY, CurvePoint, RateCurve, Series
from evar.plots.saved import layer_curve, loss_curve, rate_curves, shots_curve

__all__ = [
    "COLOURS",
    "GREY",
    "CurvePoint",
    "RateCurve",
    "Series",
    "curve_plot",
    "dot_plot",
    "layer_curve",
    "loss_curve",
    "rate_curves",
    "shots_curve",
    "speed_plot",
]
