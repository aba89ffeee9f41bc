"""Whatever lies in place of a file of the cache or of results, and wherever a run is killed: the same score or a line.

The files are those that a run opens, found by listening to it: a new one is covered without a new test.
"""

import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evar.base.files import UNFINISHED
from tests import forked
from tests.faults import child
from tests.tones import write_tones

OWN_NAMES = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}|[0-9a-f]{12,}")  # ids of runs, digests of what is cached
KILLS = 8  # of those that are possible


@dataclass(frozen=True)
class World:
    """A folder with a cache and results of finished runs, and `twin`, another one of other clips; see `case`."""

    root: Path

    @property
    def command(self) -> list[str]:
        return ["eval", "--task", str(self.root / "tones.yaml"), "--data", str(self.root / "data"),
                "--cache", "cache", "--encoder", "logmel", "--probe", "centroid", "--again"]  # fmt: skip

    @cached_property
    def logits(self) -> np.ndarray:
        """Of the finished run."""
        (run,) = records(self.root / "whole" / "results")
        return logits(self.root / "whole" / "results", run)

    @property
    def check(self) -> list[str]:
        return ["check", "--near-duplicates", *self.command[1:7]]

    def case(self, place: Path, *parts: str) -> Path:
        """A new folder with a copy of these parts of the world."""
        place.mkdir()
        for part in parts:
            shutil.copytree(self.root / "whole" / part, place / part)
        return place


def made(root: Path) -> World:
    """Tones with labels that are not all right, so that scores are neither 0 nor 1."""
    write_tones(root, clips=3)
    table = root / "data" / "tones" / "clips.csv"
    table.write_text(table.read_text().replace("test-low-000.wav,low", "test-low-000.wav,high"))
    world = World(root)
    for name, more in (("whole", []), ("twin", ["--limit", "5"])):
        folder = root / name
        folder.mkdir()
        for command in (world.command + more, world.check, ["leaderboard", "--format", "html"]):
            done = child.run(folder, command)
            assert (done.code, done.errors) == (0, []), done.err
    return world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return made(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def files(world, tmp_path_factory):
    """Every file that a command opens which begins with an empty cache, or with a whole one."""
    again = world.case(tmp_path_factory.mktemp("again") / "case", "cache", "results")
    first = world.case(tmp_path_factory.mktemp("first") / "case", "results")
    events = child.run(again, world.command).events + child.run(first, world.command).events
    events += child.run(again, ["leaderboard"]).events
    there = {str(file.relative_to(world.root / "whole")) for file in (world.root / "whole").rglob("*")}
    of_new_runs = re.compile(r"results/runs/.+")
    lasting = {name for name in events if not UNFINISHED.fullmatch(Path(name).name)}
    return sorted(lasting & there | {name for name in lasting if not of_new_runs.match(name)})


def records(results: Path) -> dict[str, bytes]:
    """Run -> its record, of those in a results folder."""
    return {file.stem: file.read_bytes() for file in (results / "runs").glob("*.json") if file.is_file()}


def logits(results: Path, run: str) -> np.ndarray:
    with np.load(results / "runs" / f"{run}.npz") as kept:
        return kept["logits"]


def replace(path: Path) -> None:
    """Take away what lies at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def pipe(path, twin):
    replace(path)
    os.mkfifo(path)


def folder(path, twin):
    replace(path)
    path.mkdir()


def loop(path, twin):
    replace(path)
    path.symlink_to(path.name)


def empty(path, twin):
    replace(path)
    path.write_bytes(b"")


def unreadable(path, twin):
    path.chmod(0)


def flipped(path, twin):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path, twin):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def exchanged(path, twin):
    path.write_bytes(twin.read_bytes())


INSTEAD = (pipe, folder, loop, empty)  # also where no file is yet
DAMAGE = (flipped, cut, exchanged, *([] if os.geteuid() == 0 else [unreadable]))  # root reads all


@pytest.mark.parametrize("fault", [*INSTEAD, *DAMAGE], ids=lambda fault: fault.__name__)
def test_next_run_gives_the_same_score_or_one_line_and_loses_no_row(world, files, tmp_path, fault):
    def fails(name: str) -> list[str]:
        whole, place = world.root / "whole", world.case(tmp_path / name.replace("/", " "), "cache", "results")
        twins = sorted((world.root / "twin").glob(OWN_NAMES.sub("*", name)))
        if fault in DAMAGE and not ((whole / name).is_file() and (whole / name).stat().st_size and twins):
            return []
        fault(place / name, twins[0] if twins else None)
        hurt = {run for run in records(whole / "results") if name == "results/runs" or Path(name).stem == run}
        return [f"{name}: {fail}" for fail in wrong(world, place, hurt, of_results=name.startswith("results"))]

    with ThreadPoolExecutor() as pool:
        found = [fail for each in pool.map(fails, files) for fail in each]
    assert not found, "\n".join(found)


def wrong(world: World, place: Path, hurt: set[str], *, of_results: bool) -> list[str]:
    """What is not as it should be after a fault in `place`, and a run there."""
    before, results = records(world.root / "whole" / "results"), place / "results"
    done = child.run(place, world.command)
    commands = {"eval": done} | ({"leaderboard": child.run(place, ["leaderboard"])} if of_results else {})
    fails = [f"{verb} ended with {each.code}: {each.err[-1500:]}" for verb, each in commands.items()
             if each.code not in (0, 2) or len(each.errors) != (each.code == 2) or "Traceback" in each.err]  # fmt: skip
    if not (results / "runs").is_dir():
        return fails
    for file in (results / "runs").iterdir():
        if file.is_file() and not os.access(file, os.R_OK):
            file.chmod(0o600)  # what the fault made unreadable
    after = records(results)
    if any(after.get(run) != record for run, record in before.items() if run not in hurt):
        fails.append("a record changed or went")
    new = set(after) - set(before)
    if done.code == 0:
        if len(new) != 1 or not np.array_equal(logits(results, *new), world.logits):
            fails.append(f"{len(new)} runs came, or other logits")
        rows = pd.read_csv(results / "leaderboard.csv")["run"].tolist()
        if sorted(set(rows) - hurt) != sorted((set(before) | new) - hurt) or len(set(rows)) < len(rows):
            fails.append(f"the table has the rows {rows}")
    elif new:
        fails.append(f"a run was kept, and yet: {done.errors}")
    return fails


def test_killed_anywhere_a_run_leaves_nothing_behind_and_the_next_one_scores_the_same(world, tmp_path):
    whole = child.run(world.case(tmp_path / "whole", "results"), world.command)
    assert len(whole.events) > 5 * KILLS

    def fails(kill_at: int) -> list[str]:
        place = world.case(tmp_path / str(kill_at), "results")
        killed = child.run(place, world.command, kill_at=kill_at)
        assert killed.code == -9
        kept = set(records(place / "results"))
        done = child.run(place, world.command)
        found = [] if done.code == 0 else [f"ended with {done.code}: {done.err[-1500:]}"]
        runs = set(records(place / "results"))
        found += [] if len(runs) == len(kept) + 1 else [f"{len(kept)} runs, then {len(runs)}"]
        other = [run for run in runs if not np.array_equal(logits(place / "results", run), world.logits)]
        found += [f"other logits: {other}"] if other else []
        rows = pd.read_csv(place / "results" / "leaderboard.csv")["run"].tolist()
        found += [] if sorted(rows) == sorted(runs) else [f"the table has {rows}"]
        child.run(place, ["cache", "prune", "--cache", "cache"])
        left = [file.name for file in place.rglob("*") if UNFINISHED.fullmatch(file.name)]
        left += [file.name for file in (place / "results" / "runs").glob("*.npz") if file.stem not in runs]
        found += [f"left behind: {left}"] if left else []
        return [f"killed at {kill_at}, {whole.events[kill_at]}: {fail}" for fail in found]

    with ThreadPoolExecutor() as pool:
        places = [(2 * number + 1) * len(whole.events) // (2 * KILLS) for number in range(KILLS)]
        found = [fail for each in pool.map(fails, places) for fail in each]
    assert not found, "\n".join(found)


def prune_for_ever(folder: Path) -> None:
    from evar.cli import main

    os.chdir(folder)
    os.dup2(os.open("pruned", os.O_WRONLY | os.O_CREAT), 1)
    while main(["cache", "prune", "--all", "--cache", "cache"]) == 0:
        sys.stdout.flush()


def test_whatever_is_pruned_meanwhile_runs_succeed(world, tmp_path):
    place = world.case(tmp_path / "case", "cache")
    pruner = forked.context.Process(target=prune_for_ever, args=(place,))
    pruner.start()
    done = [child.run(place, world.command) for _ in range(3)]
    assert pruner.is_alive()
    pruner.kill()
    pruner.join()
    assert [(each.code, each.errors) for each in done] == [(0, [])] * 3
    assert all(np.array_equal(logits(place / "results", run), world.logits) for run in records(place / "results"))
    assert (place / "pruned").read_text().count("removed embeddings") > 1
