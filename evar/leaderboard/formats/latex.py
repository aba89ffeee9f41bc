r"""A `table` with booktabs rules for each table; the preamble needs \usepackage{booktabs}."""

from evar.base.errors import printable
from evar.base.tables import Text, TextTable
from evar.leaderboard.formats import LEGEND, Format
from evar.leaderboard.read import Leaderboard

ESCAPED = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "≈": r"$\approx$",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "*": "{*}",  # which a line's end before them would take as its option
}  # fmt: skip
START = "% needs \\usepackage{booktabs}\n"
# What pdfLaTeX typesets by itself, tried with LaTeX 2022-11-01: other letters need another font or encoding
KNOWN = {chr(code) for code in range(0x180)} - set("«»ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ") | set("–—‘’“”†‡•…‰€™")
LETTER = r"\evarletter"
DEFINED = f"\\DeclareRobustCommand{LETTER}[1]{{\\ifdefined\\Umathchar#1\\else?\\fi}} % XeLaTeX and LuaLaTeX know it\n"


def write(leaderboard: Leaderboard, width: int) -> str:
    """Each table, its notes and what the marks say in its caption."""
    tables = "\n\n".join(map(_table, leaderboard.text_tables())) + "\n"
    return START + (DEFINED if LETTER in tables else "") + tables


def _table(table: TextTable) -> str:
    columns = "".join("r" if table.numeric(k) else "l" for k in range(len(table.header)))
    caption = ". ".join([table.title, *table.notes, LEGEND.format(best="Bold:")])
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(_escaped, table.header)) + r" \\",
        r"\midrule",
        *(" & ".join(map(_marked, row)) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    letters = printable(text, mark="?")
    return "".join(ESCAPED.get(each) or (each if each in KNOWN else f"{LETTER}{{{each}}}") for each in letters)


def _marked(cell: Text) -> str:
    text = _escaped(cell.text)
    return rf"\textbf{{{text}}}" if cell.best else rf"$\approx$ {text}" if cell.tied else text


def open_format() -> Format:
    """The format."""
    return Format(write, lambda content: content.startswith(START.encode()), tables=True)
