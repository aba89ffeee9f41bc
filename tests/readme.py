"""The README's blocks that show output: what they must be, and `python -m tests.readme` to write them anew.

The example's runs, `docs/example/runs/`, are measured ones; their predictions are not committed, so what is not
separable is read from the intervals alone.
"""

import contextlib
import io
import os
import re
from pathlib import Path

from evar.cli import main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
COMMAND = "evar leaderboard --results docs/example --published none"
BLOCK = re.compile(rf"(?m)^    \$ {re.escape(COMMAND)}\n(?:    .*\n|\n(?=    ))*")


def block() -> str:
    """The command and its output, each line indented by four blanks, at a width of 100 characters."""
    said = io.StringIO()
    before, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "100"
    try:
        with contextlib.chdir(ROOT), contextlib.redirect_stdout(said):
            assert main(COMMAND.split()[1:]) == 0
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    lines = [f"$ {COMMAND}", *said.getvalue().splitlines()]
    return "".join(f"    {line}\n" if line else "\n" for line in lines)


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda _: block(), text), encoding="utf-8")
