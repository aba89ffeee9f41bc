"""Tasks that are made of a dataset of the Hugging Face Hub by its name, without a file of their own.

    hub:OWNER/NAME@REVISION(label='genre', seconds=5.0)     options of the reader `hub`, and seconds
    mteb:ESC50                                              a classification task of MTEB, from the table mteb.yaml

The dataset must lie in the Hub's cache; `evar prepare --download` puts it there. What it holds decides the rest: splits
train and test (and valid) where there are such, else five folds; lists of labels make a task multi-label.

Of MTEB come the dataset, its revision, columns and splits. How they are scored is evar's: all training clips, and a
probe whose settings are chosen. MTEB draws a few clips a class several times, so its scores are not comparable.
"""

import inspect
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from evar.base.errors import DataError, UsageError, did_you_mean, unknown
from evar.base.spec import check_options, parse_call
from evar.base.yaml_file import read_yaml_as
from evar.data.downloads import hub
from evar.data.new_task import PROBED_CLIPS, common_seconds
from evar.data.parquet import require_pyarrow
from evar.data.readers.hub import FOLDS, HubReader, open_reader
from evar.data.readers.hub_layout import by_number, read_card
from evar.data.task import Strict, Task, Text, make_task

log = logging.getLogger(__name__)

TABLE = Path(__file__).with_name("mteb.yaml")
NAMED = re.compile(r"hub:(?P<repo>[^/@(\s]+/[^/@(\s]+)(?:@(?P<revision>[^(\s]+))?(?P<options>\(.*\))?", re.DOTALL)
NOT_MTEB = "the protocol is evar's: MTEB draws a few training clips a class, several times, so its scores are others"
DEALT = "folds are dealt clip by clip: clips of one speaker or recording may be on both sides"
SHOWN_DIGITS = 8  # of a commit, in a task's name


class MtebTask(Strict):
    """A classification task of MTEB: its dataset, and the options of the reader `hub`. reference: for people."""

    repo: Text
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    licence: Text
    reference: Text | None = None
    seconds: float
    label: Text = "label"
    options: dict[str, Any] = Field(default_factory=dict)
    pitfalls: list[Text] = Field(default_factory=list)


def hub_task(name: str, *, fetch: bool = False) -> Task:
    """The task of this name. fetch: first have its dataset in the Hub's cache.

    Raises UsageError for a wrong name or option (with near ones) and without the packages, DataError where the dataset
    is not in the cache, cannot be had or cannot be read.
    """
    hub.require_package()
    require_pyarrow()
    return _of_mteb(name, fetch) if name.startswith("mteb:") else _of_hub(name, fetch)


def mteb_tasks() -> dict[str, MtebTask]:
    """Name -> task, of all classification tasks of MTEB that have an entry."""
    return read_yaml_as(TABLE, dict[str, MtebTask])


def _of_hub(name: str, fetch: bool) -> Task:
    match = NAMED.fullmatch(name.strip())
    if match is None:
        raise UsageError(f"task {name!r} is not hub:OWNER/NAME, hub:OWNER/NAME@REVISION or either with (option=value)")
    repo, revision, given = match["repo"], match["revision"], match["options"] or ""
    options, seconds = _options(given, name)
    commit = _commit(name, repo, revision, options, fetch)
    if revision is None or not commit.startswith(revision):
        log.warning(f"{name}: revision {revision or 'main'} is commit {commit}: hub:{repo}@{commit}{given} pins it")
    called = f"hub:{repo}@{commit[:SHOWN_DIGITS]}{given}"
    return _task(called, name, {"repo": repo, "revision": commit, **options}, seconds, title=repo)


def _of_mteb(name: str, fetch: bool) -> Task:
    known = mteb_tasks()
    called, bracket, rest = name.strip().removeprefix("mteb:").partition("(")
    given = bracket + rest
    if called not in known:
        hint = f": {hint}" if (hint := did_you_mean(called, list(known))) else ""
        raise UsageError(f"unknown task mteb:{called}{hint} (valid: {', '.join(known)})")
    entry = known[called]
    options, seconds = _options(given, name)
    options = {"label": entry.label, **entry.options, **options}
    _commit(name, entry.repo, entry.revision, options, fetch)
    more = {"licence": entry.licence, "pitfalls": [*entry.pitfalls, NOT_MTEB]}
    options = {"repo": entry.repo, "revision": entry.revision, **options}
    return _task(f"mteb:{called}{given}", name, options, seconds or entry.seconds, title=f"{called} (MTEB)", **more)


def _options(text: str, name: str) -> tuple[dict[str, Any], float | None]:
    """Options of the reader, and seconds, of "(option=value, ...)"."""
    _, options = parse_call(f"hub{text}", "task")
    valid = [*(inspect.signature(open_reader).parameters.keys() - {"repo", "revision"}), "seconds"]
    for option in options:
        if option not in valid:
            raise unknown("option of a task of the Hub", option, valid)
    seconds = options.pop("seconds", None)
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise UsageError(f"task {name}: option seconds must be a number, not {seconds!r}")
    check_options("reader", "hub", open_reader, options)
    return options, None if seconds is None else float(seconds)


def _commit(name: str, repo: str, revision: str | None, options: dict[str, Any], fetch: bool) -> str:
    """The commit, whose files are in the cache."""
    reader = open_reader(**options)
    assert isinstance(reader, HubReader)
    reader = replace(reader, repo=repo)  # for errors
    if fetch:
        return hub.fetch(repo, revision, reader.choose)
    commit = hub.commit_in_cache(repo, revision)
    if commit is None:
        which = f"{repo}@{revision}" if revision else repo
        raise DataError(f'{which} is not in the Hub\'s cache: `evar prepare --download --task "{name}"` fetches it')
    return commit


def _task(called: str, name: str, options: dict[str, Any], seconds: float | None, **facts: Any) -> Task:
    reader = open_reader(**options)
    assert isinstance(reader, HubReader)
    root = hub.cached(options["repo"], options["revision"])
    assert root is not None
    layout = reader.layout(root)
    parts = reader.parts(layout, root)
    modality = reader.modality(root, layout)
    table = reader.rows(root, parts, layout, modality).table
    if table.empty:
        raise DataError(f"{options['repo']}: no clip has a label")
    several = any(type(cell) is tuple for cell in table["label"])
    folds = sorted(table["fold"].unique(), key=by_number) if reader.columns.fold else FOLDS
    if modality == "image" and seconds is not None:
        raise UsageError(f"task {name}: images have no seconds: leave that option out")
    if modality == "audio" and seconds is None:
        paths = sorted(table["path"])
        first = paths[:PROBED_CLIPS] if layout.kind == "parquet" else paths  # of one or two row groups
        seconds = common_seconds(root, first)
        log.info(f"{called}: clips are cut or padded to {seconds:g} s, by the length of some; option seconds sets it")
    dealt = "" in parts and not (reader.columns.fold or reader.columns.group)
    content: dict[str, Any] = {
        "name": called,
        "kind": "multi-label" if several else "single-label",
        "reader": "hub",
        "folder": options["repo"].replace("/", "--"),
        "options": options,
        **({"seconds": seconds} if modality == "audio" else {"modality": "image"}),
        "folds" if "" in parts else "splits": folds if "" in parts else list(parts),
        "metric": "mAP" if several else "accuracy",
        "source": f"https://huggingface.co/datasets/{options['repo']}/tree/{options['revision']}",
        "licence": read_card(root).licence,
        "file": Path(name),
        **facts,
        "pitfalls": [DEALT] * dealt + facts.get("pitfalls", []),
    }
    return make_task(content, name)
