"""Plug-ins named as a call with Python literals: `m2d`, `random(seed=3)`, `logistic(grid=[0.1, 1.0])`.

The text is parsed, never evaluated: a name, then options as `name=literal`. Holds the parser, the splitter of
comma lists, and the check of options against a plug-in's signature (names, types, those that must be given).
"""

import ast
import inspect
import re
import typing
import warnings
from collections.abc import Callable
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from evar.base.errors import UsageError, shortened, unknown, wanted

CALL = re.compile(r"\s*(?P<name>[\w.-]+)\s*(?P<arguments>\(.*\))?\s*", re.DOTALL)

NOT_OPTIONS = {"weights"}
"""Parameters of a plug-in that have an option of the command line of their own."""


def parse_call(text: str, kind: str) -> tuple[str, dict[str, Any]]:
    """Split "NAME(option=literal, ...)" into its name and options; `kind` ("encoder", "probe") is for the error.

    >>> parse_call("m2d(layers=[3, 7], flat=True)", "encoder")
    ('m2d', {'layers': [3, 7], 'flat': True})

    Raises UsageError for anything else than a name with literal keyword options.
    """
    match = CALL.fullmatch(text)
    if match is None:
        raise UsageError(f"{kind} {text!r} is not a name or NAME(option=value, ...)")
    name = match["name"]
    options: dict[str, Any] = {}
    for keyword in _keywords(match["arguments"] or "()", text, kind):
        if keyword.arg is None or keyword.arg in options:
            raise UsageError(f"{kind} {text!r}: every option is given once, as option=value")
        options[keyword.arg] = _literal(keyword.value, keyword.arg, text, kind)
    return name, options


def _keywords(arguments: str, text: str, kind: str) -> list[ast.keyword]:
    """The keyword arguments of "(...)"; the placeholder `f` stands for the plug-in, whose name may hold hyphens."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python comments on odd escapes in strings; the user wrote no program
            call = ast.parse(f"f{arguments}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UsageError(f"{kind} {text!r} is not NAME(option=value, ...): {reason}") from error
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise UsageError(f"{kind} {text!r} is not a single NAME(option=value, ...)")
    if call.args:
        raise UsageError(f"{kind} {text!r}: name the option of {ast.unparse(call.args[0])}, as option=value")
    return call.keywords


def _literal(node: ast.expr, option: str, text: str, kind: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"{kind} {text!r}: {option} must be a Python literal (a number, a text in quotes, True, None, or a list "
            f"of these), not {ast.unparse(node)}"
        ) from error


def split_calls(text: str) -> list[str]:
    """Split a comma list of calls at the commas that stand outside brackets and quotes; each call once.

    >>> split_calls("logistic(grid=[1, 2]), m2d_paper")
    ['logistic(grid=[1, 2])', 'm2d_paper']
    """
    parts, depth, quote, start = [], 0, "", 0
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote and text[place - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return list(dict.fromkeys(part.strip() for part in [*parts, text[start:]] if part.strip()))


def check_options(kind: str, name: str, function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """All options of `function` that are in force: those given, checked, and the defaults of the others.

    function:  the plug-in's opener; its keyword parameters, except `weights`, are the options, and their annotations
               are the types that values must have (strictly: a text is never read as a number)

    Raises UsageError, with the valid options, for an unknown or missing option or a value of another type.
    """
    parameters = {key: value for key, value in inspect.signature(function).parameters.items() if key not in NOT_OPTIONS}
    for option in options:
        if option in NOT_OPTIONS:
            raise UsageError(f"{kind} {name}: {option} are no option of it; give them beside it: --{option}")
        if option not in parameters:
            raise unknown(f"option of {kind} {name}", option, parameters)
    hints = typing.get_type_hints(function, include_extras=True)
    in_force: dict[str, Any] = {}
    for option, parameter in parameters.items():
        if option in options:
            in_force[option] = _typed(options[option], hints.get(option, Any), f"{kind} {name}: option {option}")
        elif parameter.default is parameter.empty:
            raise UsageError(f"{kind} {name} needs the option {option}: {name}({option}=...)")
        else:
            in_force[option] = parameter.default
    return in_force


def _typed(value: Any, hint: Any, place: str) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError as error:
        right = " or ".join(dict.fromkeys(map(_right, error.errors())))
        raise UsageError(f"{place} must be {right}, not {shortened(value)}") from error


def _right(fault: Any) -> str:
    """What would be right where pydantic found this fault."""
    words = wanted(fault) or str(fault["msg"])
    return f"a list with {words} in each place" if any(isinstance(step, int) for step in fault["loc"]) else words
