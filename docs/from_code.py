"""What the pages take from the code when they are built, so that it is never older than the code.

A line `<!-- from the code: NAME -->` of a page is replaced by the Markdown that the function NAME of this file gives.
Pictures come from the page of the leaderboard and from `evar.plots`: of the measured runs in docs/example, and of the
demo's sounds, which `make docs` has scored in build/demo.
"""

import argparse
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from types import FunctionType
from typing import Any

import evar
from evar import plots
from evar.cli.arguments import make_parser, verb_names
from evar.config import Config
from evar.data.groups import FILE as GROUPS
from evar.data.task import BUNDLED, Expects, Task
from evar.leaderboard.page import pictures
from evar.leaderboard.page.inline_svg import inline
from evar.leaderboard.page.render import render_page
from evar.pretrain.recipe import OF_OBJECTIVE, PRESETS, Recipe
from evar.result import PARTS
from evar.tuning.recipe import FineTuningRecipe, table

EXAMPLE = Path(__file__).parent / "example"
DEMO = Path(__file__).parents[1] / "build" / "demo"
MOST_FIELDS = 8  # that a class is shown with
MOST_LETTERS = 28  # of an example
MARKER = re.compile(r"<!-- from the code: (\w+) -->")
OUTSIDE = {"../NOTICE.md": "project/licences.md", "../benchmarks/RESULTS.md": "project/measured.md"}
CONTRACTS = {
    "evar.encoders.contract": ("Encoder", "ImageEncoder", "Identity"),
    "evar.probes.contract": ("Probe", "Examples", "Problem", "Fitted"),
    "evar.data.readers.contract": ("Reader", "Reading"),
}


def setup(app: Any) -> None:
    """The extension, as Sphinx asks for it."""
    app.connect("source-read", fill_in)
    app.connect("build-finished", add_leaderboard)


def fill_in(app: Any, page: str, source: list[str]) -> None:
    """Replace the markers of a page, and links to files outside of this folder by links to the pages that hold them."""
    source[0] = MARKER.sub(lambda found: globals()[found[1]](), source[0])
    for file, held_by in OUTSIDE.items():
        source[0] = source[0].replace(f"]({file}", f"]({held_by}")


def add_leaderboard(app: Any, failed: Exception | None) -> None:
    """Put the leaderboard's page of the example beside the site's pages."""
    if failed is None:
        page = render_page(evar.read_leaderboard(EXAMPLE))
        (Path(app.outdir) / "leaderboard.html").write_text(page, encoding="utf-8")


def escaped(text: str) -> str:
    """Text whose signs mean nothing to Markdown, but for what stands in backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(each if each[:1] == "`" else re.sub(r"([*_<|\[])", r"\\\1", each) for each in parts)


def documented(thing: Any, *, fields: bool = True) -> str:
    """A docstring as Markdown: lines `name: what` become a list, or are left out; indented blocks stay as they are."""
    texts = []
    for text in (inspect.getdoc(thing) or "").split("\n\n"):
        named = _named(text)
        if not named:
            texts.append(text if text.startswith("    ") else escaped(text))
        elif fields:
            texts.append("\n".join(f"- `{name}`: {escaped(what)}" for name, what in named.items()))
    return "\n\n".join(texts)


def _named(text: str) -> dict[str, str]:
    """Name -> what, of a paragraph of such lines; empty for any other."""
    items = [re.fullmatch(r"(\w+(?:, \w+)*):\s+(.*)", item, re.DOTALL) for item in re.split(r"\n(?! )", text)]
    return {found[1]: " ".join(found[2].split()) for found in items if found} if all(items) else {}


def described(thing: Any) -> dict[str, str]:
    """Name -> what the docstring says of it, for each field."""
    return {name: what for text in (inspect.getdoc(thing) or "").split("\n\n") for name, what in _named(text).items()}


def kind_of(schema: dict[str, Any]) -> str:
    """The kind of value that a JSON schema asks for, in words."""
    if "anyOf" in schema:
        return " or ".join(kind_of(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return " or ".join(schema["enum"])
    words = {
        "array": "list",
        "object": "mapping",
        "string": "text",
        "integer": "whole number",
        "boolean": "true or false",
    }
    inside = f" of {kind_of(schema['items'])}" if "items" in schema else ""
    return words.get(schema.get("type", "object"), "number") + inside


def in_table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table of Markdown."""
    names = list(header)
    lines = [names, ["---"] * len(names), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(value: Any) -> str:
    """A value in backticks; nothing where there is none."""
    return "" if value is None or value == "" else f"`{value}`"


def public_names() -> str:
    """Every public name of `evar` with its signature and docstring."""
    return "\n\n".join(_described(f"evar.{name}", getattr(evar, name)) for name in sorted(evar._PUBLIC))


def contracts() -> str:
    """What a plug-in keeps."""
    texts = []
    for name, members in CONTRACTS.items():
        module = importlib.import_module(name)
        texts += [f"## `{name}`", documented(module)]
        texts += [_described(f"{name}.{each}", getattr(module, each)) for each in members]
    return "\n\n".join(texts)


def _described(name: str, thing: Any) -> str:
    kind, texts = "class" if inspect.isclass(thing) else "function", [documented(thing)]
    for each, member in vars(thing).items() if kind == "class" else ():
        if isinstance(member, property) and not each.startswith("_"):
            texts.append(f":::{{py:property}} {each}\n\n{documented(member)}\n:::")
        elif isinstance(member, FunctionType | classmethod) and not each.startswith("_"):
            shown = _signature(getattr(thing, each), bound=isinstance(member, FunctionType))
            texts.append(f":::{{py:method}} {each}{shown}\n\n{documented(member)}\n:::")
    return "\n\n".join([f"::::{{py:{kind}}} {name}{_signature(thing)}", *texts, "::::"])


def _signature(thing: Any, *, bound: bool = False) -> str:
    signature = inspect.signature(thing)
    if inspect.isclass(thing) and len(signature.parameters) > MOST_FIELDS:
        return ""
    parameters = list(signature.parameters.values())[bound:]
    plain = [each.replace(annotation=each.empty) for each in parameters]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


def options() -> str:
    """Every verb with its options, as its parser has them."""
    return "\n\n".join(f"## `evar {verb}`\n\n{_verb(verb)}" for verb in verb_names())


def _verb(verb: str) -> str:
    parser = make_parser(verb)
    lines = [escaped(str(parser.description))]
    for group in parser._action_groups:
        if group.description:
            lines += [escaped(line) for line in group.description.splitlines()]
        lines += [_option(parser, each) for each in group._group_actions if each.help and each.dest != "help"]
    return "\n\n".join(lines)


def _option(parser: argparse.ArgumentParser, option: argparse.Action) -> str:
    formatter = parser._get_formatter()
    name = formatter._format_action_invocation(option).strip()
    return f"`{name}`\n: {escaped(formatter._expand_help(option))}"


def number_of_tasks() -> str:
    """How many tasks come with evar, the demo aside."""
    return str(len([file for file in BUNDLED.glob("*.yaml") if file.stem not in ("demo", GROUPS.stem)]))


def settings() -> str:
    """Every field of `Config`."""
    rows = [(code(each.name), each.metadata) for each in dataclasses.fields(Config)]
    return in_table(("setting", "unit", "what"), [(name, code(of["unit"]), escaped(of["help"])) for name, of in rows])


def columns() -> str:
    """Every column of the leaderboard, as a run of the example has it, part by part."""
    latest = evar.read_rows(EXAMPLE)[-1].row()
    texts = []
    for name, part in PARTS.items():
        what = described(part)
        rows = [
            (code(field.name), escaped(what[field.name]), code(latest[field.name][:MOST_LETTERS]))
            for field in dataclasses.fields(part)
        ]
        texts += [f"## {name}", documented(part, fields=False), in_table(("column", "what", "example"), rows)]
    return "\n\n".join(texts)


def task_fields() -> str:
    """Every key of a task's YAML file."""
    return f"{_fields(Task)}\n\n## `expects`\n\n{_fields(Expects)}"


def _fields(model: Any) -> str:
    what, schema = described(model), model.model_json_schema()
    rows = [
        (code(name), escaped(what[name]), kind_of(schema["properties"][name]), _default(name, field))
        for name, field in model.model_fields.items()
        if name not in ("name", "file")  # the file's own
    ]
    return f"{documented(model, fields=False)}\n\n{in_table(('key', 'what', 'kind', 'default'), rows)}"


def _default(name: str, field: Any) -> str:
    if field.is_required():
        return "the file's name" if name == "title" else "needed"
    value = field.get_default(call_default_factory=True)
    return "none" if value in (None, [], {}) else code(value)


def recipes() -> str:
    """The settings of both trainings, and what presets and recipes change."""
    changed = {f"preset {name}": values for name, values in PRESETS.items()}
    changed |= {f"objective {name}": values for name, values in OF_OBJECTIVE.items()}
    tuned = {f"recipe {name}": values for name, values in table().recipes.items()}
    return f"## Pre-training\n\n{_recipe(Recipe, changed)}\n\n## Fine-tuning\n\n{_recipe(FineTuningRecipe, tuned)}"


def _recipe(model: Any, changed: dict[str, dict[str, Any]]) -> str:
    rows = [
        (code(name), escaped(field.description), code("auto" if field.default is None else field.default))
        for name, field in model.model_fields.items()
    ]
    shown = {
        who: ", ".join(f"{n} {'auto' if v is None else v}" for n, v in each.items()) for who, each in changed.items()
    }
    changes = in_table(("", "changes"), [(who, code(values) or "nothing") for who, values in shown.items()])
    return f"{in_table(('setting', 'what', 'default'), rows)}\n\n{changes}"


def leaderboard_picture() -> str:
    """The example's scores, as the leaderboard's page draws them, and the way to that page."""
    link = '<p><a href="leaderboard.html">The leaderboard of this example, as a page</a></p>'
    return f"{_page_pictures(EXAMPLE, 'by-task')}\n\n{_html(link)}"


def layers_picture() -> str:
    """The score of each layer of the bundled encoder on the demo's sounds."""
    return _page_pictures(DEMO / "layers", "layers")


def comparison_picture() -> str:
    """What the bundled encoder has more than each other one on the demo's sounds, paired on the clips."""
    bundled, *others = evar.read_rows(DEMO / "results")
    found = [evar.compare(bundled.run, other.run, DEMO / "results")[0].found for other in others]
    points = [plots.CurvePoint(row.encoder, f.difference, f.low, f.high) for row, f in zip(others, found, strict=True)]
    lines = [f"more than {row.encoder}" for row in others]
    title = f"demo: accuracy of {bundled.encoder} less that of others"
    svg = plots.dot_plot("difference in accuracy", lines, [plots.Series("", tuple(points), tuple(range(len(points))))])
    said = "; ".join(f"{p.name}: {100 * p.value:.1f} points [{100 * p.low:.1f}, {100 * p.high:.1f}]" for p in points)
    return _html(inline(svg, "paired", title, said))


def _page_pictures(results: Path, section: str) -> str:
    found = evar.read_leaderboard(results, published="none")
    names = {row.run: row.encoder for row in found.rows}
    sections = pictures.sections(found.rows, found.board, names, ())
    return "\n\n".join(_html(each.svg) for one in sections if one.name == section for each in one.pictures)


def _html(text: str) -> str:
    return f"```{{raw}} html\n{text}\n```"
