"""`make gpu`: parts that die or run on cost nothing but themselves, and tables say what was found."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import __main__ as command
from benchmarks.gpu.decisions import compare
from benchmarks.gpu.report import Report, markdown, read
from benchmarks.gpu.runner import Part, run_parts

ROW = 'open(sys.argv[1], \'a\').write(\'{"table": "rates", "row": {"clips/s": 3.5}}\\n\')\n'
RATES = {"rates": [{"clips/s": 3.5}]}


def part(name: str, script: str, seconds: float = 60.0) -> Part:
    """A part whose process runs `script` with the file for its rows as its argument."""
    code = f"import os, subprocess, sys, time\n{script}"
    return Part(name, seconds, lambda rows, limit: [sys.executable, "-c", code, str(rows)])


def states(*parts: Part, seconds: float = 60.0) -> dict[str, str]:
    return {each["part"]: each["state"] for each in run_parts(parts, seconds, os.environ, lambda outcomes: None)}


@pytest.mark.parametrize(
    ("end", "state"),
    [
        ("raise ValueError('no such thing')", "failed: ValueError: no such thing"),
        ("import no_such_thing", "failed: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("os.kill(os.getpid(), 11)", "failed: killed by SIGSEGV"),
        ("os._exit(3)", "failed: exit code 3"),
        ("time.sleep(600)", "failed: over its limit of 2 s"),
    ],
)  # fmt: skip
def test_part_that_ends_badly_keeps_its_rows_and_the_others_theirs(end: str, state: str) -> None:
    kept: list[int] = []
    parts = [part("first", ROW), part("bad", ROW + end, seconds=2.0 if "sleep" in end else 60.0), part("last", ROW)]
    outcomes = run_parts(parts, 60.0, os.environ, lambda outcomes: kept.append(len(outcomes)))
    assert [each["state"] for each in outcomes] == ["done", state, "done"]
    assert [each["tables"] for each in outcomes] == [RATES] * 3
    assert kept == [1, 2, 3]


def test_processes_of_a_part_end_with_it(tmp_path: Path) -> None:
    child = f"import time; time.sleep(2); open({str(tmp_path / 'alive')!r}, 'w')"
    script = f"subprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(600)"
    assert states(part("parent", script, seconds=1.0)) == {"parent": "failed: over its limit of 1 s"}
    time.sleep(2)
    assert list(tmp_path.iterdir()) == []


def test_parts_together_keep_to_their_time() -> None:
    found = states(part("long", "time.sleep(600)"), part("next", ""), seconds=2.0)
    assert found == {"long": "skipped: no time left", "next": "skipped: no time left"}


def test_faults_and_reasons_make_the_state() -> None:
    say = "open(sys.argv[1], 'a').write('{\"%s\": \"%s\"}\\n')\n"
    wrong = say % ("failed", "bits differ") + say % ("failed", "too slow") + "sys.exit(1)"
    found = states(part("wrong", wrong), part("absent", say % ("skipped", "no GPU")))
    assert found == {"wrong": "failed: bits differ; too slow", "absent": "skipped: no GPU"}


def test_row_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    report = Report(tmp_path / "rows", 1.0, quick=True)
    report.row("rates", {"clips/s": 3.5})
    (tmp_path / "rows").write_text((tmp_path / "rows").read_text() + '{"table": "rates", "row": {"cli')
    assert read(tmp_path / "rows") == (RATES, [], [])


def test_rows_are_strict_json(tmp_path: Path) -> None:
    report = Report(tmp_path / "rows", 1.0, quick=True)
    report.row("gaps", {"gap": float("inf"), "other": float("nan"), "count": 2})
    assert json.loads((tmp_path / "rows").read_text())["row"] == {"gap": "inf", "other": "nan", "count": 2}


def test_markdown_has_date_machine_commit_command_and_every_table() -> None:
    place = {"machine": [{"device": "cuda X", "torch": "2"}]}
    parts = [
        {"part": "machine", "state": "done", "seconds": 3.0, "tables": place},
        {"part": "speed", "state": "failed: a | b", "seconds": 12.25, "tables": {"Forward": [
            {"clip": "1 s", "clips/s": 12345.6, "off": 1.24e-6}, {"clip": "4 s", "clips/s": 3.14159, "same bits": True},
        ]}},
        {"part": "tasks", "state": "skipped: no time left", "seconds": 0.0, "tables": {}},
    ]  # fmt: skip
    results = {"date": "2026-01-01", "commit": "abc", "command": "make gpu", "quick": False, "seconds": 15.3}
    assert markdown({**results, "parts": parts}) == (
        "## On a GPU: `make gpu`\n\n"
        "2026-01-01, cuda X, torch 2, commit abc. `make gpu`: 15 s in all.\n\n"
        "| part | state | seconds |\n| --- | --- | --- |\n"
        "| machine | done | 3 |\n| speed | failed: a \\| b | 12.2 |\n| tasks | skipped: no time left | 0 |\n\n"
        "### speed: `python -m benchmarks.gpu --only speed`\n\n"
        "Forward:\n\n"
        "| clip | clips/s | off | same bits |\n| --- | --- | --- | --- |\n"
        "| 1 s | 12,346 | 1.2e-06 |  |\n| 4 s | 3.14 |  | yes |\n"
    )


def test_tiny_shapes_are_said_to_be_tiny() -> None:
    results = {"date": "", "commit": "", "command": "", "quick": True, "seconds": 1.0, "parts": []}
    assert "these rates say nothing about the device" in markdown(results)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_only_tiny_shapes_run(tmp_path: Path) -> None:
    for name in ("speed", "machine"):
        command.run_here(name, Report(tmp_path / name, 60.0, quick=False))
    assert read(tmp_path / "speed") == ({}, [], ["no CUDA device"])
    assert "QUICK=1 runs the same with tiny shapes on a CPU" in read(tmp_path / "machine")[1][0]


def test_variant_that_fails_is_left_and_the_next_ones_still_run(tmp_path: Path) -> None:
    report = Report(tmp_path / "rows", 60.0, quick=True)
    today = torch.ones(4).clone

    def make():
        raise NotImplementedError("not on this machine")

    compare(report, "broken", today, make, 1.1, 1e-5)
    compare(report, "whole", today, lambda: torch.full((4,), 2.0).clone, 1.1, 1e-5)
    broken, whole = read(tmp_path / "rows")[0]["Variants"]
    assert broken["outcome"] == "leave it: NotImplementedError: not on this machine"
    assert (whole["off"], whole["same bits again"]) == (1.0, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "sped"], "unknown part 'sped': did you mean speed?"),
        (["--wheels", "{tmp}/none"], "holds no wheels: CONTRIBUTING.md says how to get them"),
        (["--wheels", "{tmp}"], "cannot be installed"),
    ],
)
def test_mistake_is_one_line_and_exit_code_2(tmp_path: Path, options: list[str], message: str) -> None:
    (tmp_path / "broken-1-py3-none-any.whl").write_text("no wheel")
    line = [each.format(tmp=tmp_path) for each in options]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--out", str(tmp_path / "out"), *line], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr.splitlines()[-1]


def test_whole_command_writes_both_files(tmp_path: Path) -> None:
    line = ["--quick", "--only", "correct", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", "benchmarks.gpu", *line], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "gpu.json").read_text())
    assert [part["state"] for part in results["parts"]] == ["done"]
    assert (tmp_path / "gpu.md").read_text() == markdown(results)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["gpu.json", "gpu.md"]
