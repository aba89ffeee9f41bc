"""`python -m benchmarks.learning_rate SHARED/data`: what the papers' probe owes to its learning rate.

The probe `m2d_paper` at nine learning rates, 3e-6 to 3e-2, beside `logistic`, whose strength is chosen on validation
rows, on a slice of UrbanSound8K (folds 1, 2, 3, 10; 780 clips) for three encoders: log-mel statistics, a pretrained
speaker encoder, and a ViT-Base whose weights follow the recipe in `tests/recipe.py`. Prints a line a fit and draws
docs/learning_rate.svg; no leaderboard is touched.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reference import MODEL
from evar import encoders, plots, probes
from evar.base.progress import show_progress
from evar.config import Config
from evar.data.task import load_task
from evar.embeddings.device import choose_device
from evar.encoders.contract import Encoder
from evar.pipeline import Evaluator
from tests import recipe

RATES = (3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
PICTURE = Path(__file__).parents[1] / "docs" / "learning_rate.svg"


def main(data: Path, picture: Path, cache: Path) -> None:
    """Fit, print, draw."""
    config = Config(data=data, cache=cache, workers=2, min_coverage=0.05)
    curves = [measure(name, encoder, config) for name, encoder in open_encoders(cache)]
    title = "m2d_paper on UrbanSound8K, 780 clips"
    plots.rate_curves(picture, title, "accuracy", curves, other="logistic, C chosen on validation")
    print(f"drawn in {picture}")


def open_encoders(folder: Path) -> Iterator[tuple[str, Encoder]]:
    """The encoders with their names in the picture."""
    yield "log-mel statistics", encoders.open_encoder("logmel")
    yield "GE2E speaker encoder, pretrained", encoders.open_encoder("ge2e")
    yield "M2D ViT-Base, random by recipe", encoders.open_encoder("m2d", recipe.write(folder, MODEL))


def measure(name: str, encoder: Encoder, config: Config) -> plots.RateCurve:
    """The scores of one encoder."""
    calls, device = [*(f"m2d_paper(lr={rate})" for rate in RATES), "logistic"], str(choose_device(config.device))
    fits = [probes.open_probe(call, device) for call in calls]
    points = []
    for evaluation in Evaluator(encoder, fits, config).evaluations(load_task("us8k")):
        result = evaluation.result
        print(f"{evaluation.result.line}  {result.probe_options.get('lr', '')}", flush=True)
        points.append(plots.CurvePoint(name, result.score, result.low, result.high))
    return plots.RateCurve(name, RATES, tuple(points[:-1]), points[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds UrbanSound8K")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="where to draw (default: docs/learning_rate.svg)")
    parser.add_argument("--cache", type=Path, help="keep decoded audio and embeddings here (default: nowhere)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as nowhere, show_progress():
        main(arguments.data, arguments.picture, arguments.cache or Path(nowhere))
