"""`python -m benchmarks.jackknife`: 2,000 times the mAP of parts of 20,000 clips x 527 labels, beside scikit-learn's.

Label frequencies are spread as AudioSet's are, about 130 positives a class on average. scikit-learn's side is an even
sample of (class, part) pairs, extrapolated to all, on one core; the two must agree to 1e-12. `--metric macro_auc`
and others of multi-label tasks work too, without scikit-learn's side.
"""

import argparse
import time

import numpy as np
from sklearn.metrics import average_precision_score

from evar.base.machine import cores
from evar.probes.predictions import Predictions
from evar.scoring.intervals import score_predictions
from evar.scoring.jackknife import MOST_PARTS
from evar.scoring.multi_label import average_precision_by_class

CLIPS, CLASSES = 20_000, 527
SAMPLED_CLASSES, SAMPLED_PARTS = 8, 4


def make_predictions() -> Predictions:
    """Seeded logits that tell something about seeded labels, every clip its own group."""
    draws = np.random.default_rng(0)
    frequencies = np.minimum(0.5, 0.004 * np.exp(draws.normal(size=CLASSES)))
    targets = draws.random((CLIPS, CLASSES)) < frequencies
    logits = (draws.normal(size=(1, CLIPS, CLASSES)) + 1.5 * targets).astype(np.float32)
    rows = np.arange(CLIPS)
    return Predictions(logits, targets, rows, rows.astype(str), np.full(CLIPS, "test"))


def main(metric: str) -> None:
    """Print both sides and the ratio."""
    predictions = make_predictions()
    print(f"{CLIPS:,} x {CLASSES}, {int(predictions.targets.sum()):,} positives, {MOST_PARTS:,} parts, {cores()} cores")
    wall, busy = time.perf_counter(), time.process_time()
    found = score_predictions(predictions, metric, seed=0)
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    print(f"{metric} {found.value:.4f} [{found.low:.4f}, {found.high:.4f}]  {wall:.1f} s, {busy:.1f} CPU s")
    if metric == "mAP":
        theirs = scikit_learn(predictions)
        print(f"scikit-learn, extrapolated  {theirs:,.0f} CPU s, {theirs / busy:,.0f} times as much")


def scikit_learn(predictions: Predictions) -> float:
    """CPU seconds for all classes and parts; AssertionError where a sampled one differs."""
    numbers = np.linspace(0, CLASSES - 1, SAMPLED_CLASSES).astype(int)
    logits, targets = predictions.logits[0][:, numbers], predictions.targets[:, numbers]
    draws = np.random.default_rng(1)
    weights = draws.multinomial(CLIPS, np.full(CLIPS, 1 / CLIPS), size=SAMPLED_PARTS).T.astype(np.float32)
    begin = time.process_time()
    theirs = [
        [average_precision_score(targets[:, k], logits[:, k], sample_weight=column) for column in weights.T]
        for k in range(len(numbers))
    ]
    took = time.process_time() - begin
    np.testing.assert_allclose(average_precision_by_class(logits, targets)(weights), theirs, atol=1e-12)
    return took * CLASSES * MOST_PARTS / weights.shape[1] / len(numbers)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", default="mAP", help="metric of multi-label tasks (default: mAP)")
    main(parser.parse_args().metric)
