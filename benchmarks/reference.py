"""`python -m benchmarks.reference SHARED`: end to end against the scores of the M2D authors' own evaluation package.

SHARED/data holds FSDD and a slice of UrbanSound8K (folds 1, 2, 3, 10; 780 clips). The encoder is a ViT-Base whose
weights follow the recipe in `tests/recipe.py`, run in float32; theirs were measured with the same weights, clips and
splits.
No leaderboard is touched.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from evar import encoders, probes
from evar.base.progress import show_progress
from evar.config import Config
from evar.data.task import load_task
from evar.embeddings.device import choose_device
from evar.pipeline import Evaluator
from tests import recipe

MODEL = "m2d_vit_base-80x608p16x16"
PROBES = ("m2d_paper", "logistic")


@dataclass(frozen=True)
class Theirs:
    """Scores in percent of seeds 42, 43, 44, and how far the mean may be off; their logistic regression beside it."""

    task: str
    seeds: tuple[float, float, float]
    tolerance: float
    logistic: float


REFERENCE = (
    Theirs(str(Path(__file__).with_name("fsdd_reference.yaml")), (95.0, 96.0, 95.3), 1.5, 95.7),
    Theirs("us8k", (43.6, 41.0, 42.4), 3.0, 41.3),
)


def main(shared: Path) -> int:
    """Print a line for each dataset and probe; 0 where all lie within the tolerance."""
    far = 0
    with tempfile.TemporaryDirectory() as name:
        encoder = encoders.open_encoder("m2d", recipe.write(Path(name), MODEL))
        config = Config(data=shared / "data", cache=Path(name), precision="float32", workers=2, min_coverage=0.05)
        fits = [probes.open_probe(probe, str(choose_device(config.device))) for probe in PROBES]
        for theirs in REFERENCE:
            for evaluation in Evaluator(encoder, fits, config).evaluations(load_task(theirs.task)):
                print(evaluation.result.line)
                if evaluation.result.probe == "m2d_paper":
                    far += report(theirs, [100 * score for score in evaluation.result.seeds])
                else:
                    print(f"    their logistic regression {theirs.logistic} %, C chosen otherwise")
    return 1 if far else 0


def report(theirs: Theirs, ours: list[float]) -> bool:
    """Print both sides; True where the means differ by more than the tolerance."""
    mean, reference = sum(ours) / len(ours), sum(theirs.seeds) / len(theirs.seeds)
    far = abs(mean - reference) > theirs.tolerance
    print(f"    ours {', '.join(f'{score:.1f}' for score in ours)}, mean {mean:.1f} %")
    print(f"    theirs {', '.join(map(str, theirs.seeds))}, mean {reference:.1f} %")
    print(f"    {'TOO FAR: ' if far else ''}difference {mean - reference:+.1f}, allowed {theirs.tolerance} points")
    return far


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path, help="folder that holds data/FSDD and data/UrbanSound8K")
    with show_progress():
        sys.exit(main(parser.parse_args().shared))
