"""The commands in README.md and docs/, and their blocks that show output: `python -m tests.documents` writes them anew.

The runs of the examples are measured ones; their predictions are not committed, so what is not separable is read from
the intervals alone.
"""

import contextlib
import io
import os
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

from evar.cli import main

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES.append(ROOT / "docs" / "plugin-template" / "README.md")
WIDTH = 100  # characters
BLOCK = re.compile(r"(?m)^    \$ (evar .*)\n(?:    (?!\$ ).*\n|\n(?=    (?!\$ )))*")
CODE = re.compile(r"(?m)^```(?:bash|yaml)?\n(?s:.*?)^```$|^    .*$")
# Behind `python`, `srun` and the like too
COMMAND = re.compile(r"(?m)^ *(?:[$\w=.:-]+ )*?(?:evar|run_eval\.py) (?! )(.+)$")


def place(page: Path) -> Path:
    """The folder in which a page's commands are run."""
    return ROOT / "docs" / "example" / "tutorial" if page == TUTORIAL else ROOT


def block(command: str, folder: Path) -> str:
    """A command and what it prints, at a width of 100 characters; notes are wrapped, as a terminal does."""
    said = io.StringIO()
    before, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), str(WIDTH)
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            assert main(shlex.split(command)[1:]) in (0, 2)
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    lines = [f"$ {command}"]
    for line in said.getvalue().splitlines():
        lines += textwrap.wrap(line, WIDTH) if line.startswith("evar: ") else [line]
    return "".join(f"    {line}\n" if line else "\n" for line in lines)


def written_anew(page: Path) -> str:
    """The page's text, with each block as its command prints it now."""
    return BLOCK.sub(lambda found: block(found[1], place(page)), page.read_text(encoding="utf-8"))


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `evar` or `run_eval.py` in a page's code."""
    for code in CODE.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
        for line in COMMAND.findall(code):
            yield shlex.split(line, comments=True)


if __name__ == "__main__":
    for each in PAGES:
        each.write_text(written_anew(each), encoding="utf-8")
