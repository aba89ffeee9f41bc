"""What other packages bring: plug-ins and task folders that they declare as entry points of the groups `evar.*`.

    [project.entry-points."evar.encoders"]
    loudness = "evar_garden.loudness"        # the module that defines `open_encoder`, or "module:function"

    [project.entry-points."evar.tasks"]
    garden = "evar_garden.tasks"             # a package, whose folder holds NAME.yaml

Listing them imports nothing but, for task folders, the package that they lie in.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import logging
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

from evar.base.errors import UsageError, did_you_mean, printable

log = logging.getLogger(__name__)

GROUPS = {
    "encoder": "evar.encoders",
    "probe": "evar.probes",
    "reader": "evar.readers",
    "format": "evar.formats",
    "task": "evar.tasks",
}
"""Kind of plug-in -> the group of entry points that holds them."""


@dataclass(frozen=True)
class Declared:
    """One entry point of another package, "NAME VERSION"; summary: what the package says of itself in a line."""

    entry: EntryPoint
    package: str
    summary: str

    def import_object(self) -> Any:
        """What the entry point names. Raises UsageError, in one line, for whatever goes wrong in that."""
        entry = self.entry
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return entry.load()
        except (Exception, SystemExit) as error:  # whatever somebody's package raises
            if entry.pattern.match(entry.value) is None:
                why = "that is no MODULE or MODULE:NAME"
            else:
                why = printable(f"{type(error).__name__}: {error}")
            raise UsageError(f"{entry.name} of the package {self.package} cannot be imported: {entry.group} names "
                             f"{entry.value!r}: {why}") from error  # fmt: skip


def declared(kind: str) -> list[Declared]:
    """What other packages declare of this kind, by name and package."""
    found = [each for each in _all(tuple(sys.path)) if each.entry.group == GROUPS[kind]]
    return sorted(found, key=lambda each: (each.entry.name, each.package))


def misplaced(name: str) -> str:
    """Which package declares this name in a group that is none of ours, and which may be meant; "" for none."""
    for each in _all(tuple(sys.path)):
        if each.entry.name == name and each.entry.group not in GROUPS.values():
            hint = (
                did_you_mean(each.entry.group, GROUPS.values(), cutoff=0.8)
                or f"the groups are {', '.join(GROUPS.values())}"
            )
            return f"the package {each.package} declares it in the unknown group {each.entry.group}: {hint}"
    return ""


def source_of(plugin: Declared) -> str:
    """Package, version, and sha256 of all its Python files, of which an editable install changes without a version."""
    module = plugin.entry.value.partition(":")[0].strip()
    imported = (sys.modules.get(name) for name in (module.partition(".")[0], module))
    place = next((Path(file) for each in imported if (file := getattr(each, "__file__", None))), Path())
    files = sorted(place.parent.rglob("*.py")) if place.name == "__init__.py" else [place] * place.is_file()
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{plugin.package} (sources {digest.hexdigest()[:16]})"


def task_folders() -> dict[Path, str]:
    """Folder of task files -> the package that it is of. Notes, in one line and once, one that is not to be found."""
    return _task_folders(tuple(sys.path))


@functools.cache
def _task_folders(path: tuple[str, ...]) -> dict[Path, str]:
    """See `task_folders`; path: where Python looks for packages."""
    folders: dict[Path, str] = {}
    for each in declared("task"):
        try:
            places = _places(each)
        except UsageError as error:
            log.warning(f"tasks {error}")
            continue
        if not any(file for place in places for file in place.glob("*.yaml")):
            log.warning(f"tasks {each.entry.name} of the package {each.package}: no .yaml file in {each.entry.value}")
        folders |= dict.fromkeys(places, each.package)
    return folders


def _places(tasks: Declared) -> list[Path]:
    found = tasks.import_object()
    places = getattr(found, "__path__", ())
    if not isinstance(found, ModuleType) or not places:
        raise UsageError(f"{tasks.entry.name} of the package {tasks.package}: {tasks.entry.value} is no package, whose "
                         "folder could hold tasks")  # fmt: skip
    return [Path(place) for place in places]


@functools.cache
def _all(path: tuple[str, ...]) -> list[Declared]:
    """Every entry point of a group that begins as ours do. path: where Python looks for packages."""
    found: dict[tuple[str, str, str, str], Declared] = {}
    for distribution in importlib.metadata.distributions(path=list(path)):
        entries = [entry for entry in distribution.entry_points if entry.group.startswith("evar.")]
        for entry in entries:
            package = f"{distribution.metadata['Name']} {distribution.version}"
            summary = str(distribution.metadata.json.get("summary", ""))
            found.setdefault((entry.group, entry.name, entry.value, distribution.metadata["Name"]),
                             Declared(entry, package, summary))  # fmt: skip
    return list(found.values())
