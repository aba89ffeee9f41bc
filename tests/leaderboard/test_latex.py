"""The LaTeX table: compiled by a LaTeX where there is one, else read by its grammar."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from evar.leaderboard.formats.latex import ESCAPED
from evar.leaderboard.published import read_published
from evar.testing.made_rows import make_row
from tests.leaderboard.test_formats import EVIL, leaderboard

NAMES = [EVIL, "[1ex]", "*", "&amp; \\input{/etc/passwd} $x^2_3$", "tab\there", "étude # 50 %", *ESCAPED]
NAMES += ["音響 cafe\u0301 → “x”", "".join(map(chr, range(0xA1, 0x180)))]
TASKS = ("us8k", "my_task", "50 % {x}")


@pytest.fixture(params=[{}, {"ranks": True}, {"history": True}], ids=str)
def text(request: pytest.FixtureRequest) -> str:
    rows = [make_row(run=f"{name} {task}", encoder=name, task=task) for name in NAMES for task in TASKS]
    apart = make_row(run="apart", encoder=EVIL, limit=3, ranked=False)
    made: str = leaderboard(*rows, apart, published=read_published(), **request.param).text("latex")
    return made


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX (Debian: apt install texlive-latex-recommended)")
def test_it_compiles(text: str, tmp_path: Path) -> None:
    lines = (r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}", text, r"\end{document}")
    (tmp_path / "paper.tex").write_text("\n".join(lines), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "-draftmode", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-3000:]


def test_it_is_of_the_grammar_of_latex(text: str) -> None:
    """Groups and environments are closed, each row has as many cells as there are columns, and no name is a command."""
    walker = pytest.importorskip("pylatexenc.latexwalker", reason="pylatexenc is not installed")
    nodes, _, _ = walker.LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    tables = [each for node in nodes if env(node) == "table" for each in node.nodelist if env(each) == "tabular"]
    columns = re.findall(r"\\begin{tabular}{([lr]+)}", text)
    assert len(tables) == len(columns) > 0
    commands = {"toprule", "midrule", "bottomrule", "\\", "textbf", "approx", "pm", "evarletter", *"&%$#_{}"}
    commands |= {sign[1:].removesuffix("{}") for sign in ESCAPED.values() if sign.endswith("{}")}
    for table, its_columns in zip(tables, columns, strict=True):
        ampersands, used = [0], set()
        for node in walked(table.nodelist):
            if node.isNodeType(walker.LatexMacroNode):
                used.add(node.macroname)
                if node.macroname == "\\":
                    ampersands.append(0)
            elif node.isNodeType(walker.LatexSpecialsNode) and node.specials_chars == "&":
                ampersands[-1] += 1
        assert used <= commands
        assert set(ampersands[:-1]) == {len(its_columns) - 1}


def env(node: Any) -> str:
    return getattr(node, "environmentname", "")


def walked(nodes: Any) -> Any:
    """The nodes, and those within them."""
    for node in nodes or ():
        yield node
        yield from walked(getattr(node, "nodelist", None))
        arguments = getattr(node, "nodeargd", None)
        yield from walked([each for each in arguments.argnlist if each is not None] if arguments else ())
