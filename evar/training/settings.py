"""The settings of a training, from wherever they come, made into its recipe; faults are named as options."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from evar.base.errors import UsageError, in_words

Recipe = TypeVar("Recipe", bound=BaseModel)

AUTO = BeforeValidator(lambda value: None if value == "auto" else value)
"""Of a setting that may be None: people say `auto`."""


def validated(recipe: type[Recipe], values: Mapping[str, Any]) -> Recipe:
    """The recipe with these values (field -> value or its text). Raises UsageError that names every fault."""
    try:
        return recipe.model_validate(values)
    except ValidationError as error:
        raise UsageError("; ".join(map(_fault, error.errors()))) from error


def _fault(fault: Any) -> str:
    """One fault for people, under the option's name: `--mask-ratio: must be a number below 1, not '1.2'`."""
    option = f"--{str(fault['loc'][0]).replace('_', '-')}: " if fault["loc"] else ""
    return f"{option}{in_words(fault)}"
