"""Remakes the golden numbers: `python -m tests.golden.make [FOLDER]`.

FOLDER holds `reference/` with the authors' files (default: $EVAR_SHARED, else `shared` beside the repository). First
every number of those files is compared with ours; where one is too far off, nothing is written.
"""

import os
import sys
from pathlib import Path

import numpy as np

from tests.golden import numbers

SHARED = Path(os.environ.get("EVAR_SHARED", Path(__file__).parents[2].parent / "shared"))


def main(shared: Path) -> None:
    for configuration in numbers.CONFIGURATIONS:
        errors = dict(numbers.reference_errors(configuration, shared))
        worst = max(errors, key=lambda what: errors[what])
        print(f"{configuration}: {len(errors)} arrays, worst relative error {errors[worst]:.1e} ({worst})")
        if not errors[worst] <= numbers.tolerance(configuration):
            sys.exit(f"{configuration} does not reproduce the reference; nothing written for it")
        np.savez_compressed(numbers.FOLDER / f"{configuration}.npz", **numbers.seeded(configuration))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED)
