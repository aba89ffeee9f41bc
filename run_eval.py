"""The door: `python run_eval.py --task gtzan` is `evar eval --task gtzan`."""

from evar.cli import console

if __name__ == "__main__":
    console()
