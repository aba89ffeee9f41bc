"""Groups of tasks: names that stand for several tasks, read from `tasks/groups.yaml`, where each key is explained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from evar.base.yaml_file import read_yaml_as

FILE = Path(__file__).parents[1] / "tasks" / "groups.yaml"
ALL = "all"  # every task whose data is found; no list, so no group of the file


@dataclass(frozen=True)
class Group:
    """Tasks that are run, and whose scores are averaged, together; see the file."""

    title: str
    tasks: tuple[str, ...]
    differing: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


@cache
def groups() -> dict[str, Group]:
    """Name -> group, in the file's order."""
    return read_yaml_as(FILE, dict[str, Group])


def group_names() -> list[str]:
    """What a group may be named by, `all` included."""
    return [*groups(), ALL]
