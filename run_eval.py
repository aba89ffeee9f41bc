"""The door: `python run_eval.py --task gtzan` is `evar eval --task gtzan`."""

import sys

from evar.cli import main

if __name__ == "__main__":
    sys.exit(main())
