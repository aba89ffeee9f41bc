"""`python -m evar ...` is `evar ...`."""

from evar.cli import console

if __name__ == "__main__":
    console()
