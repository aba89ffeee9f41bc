"""Parts as processes, one after the other: each ends by its limit, and whatever it found by then is kept."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.report import read

LEAST_SECONDS = 15.0  # with less left a part is not begun
PATIENCE_SECONDS = 10.0  # for a killed process to be gone
LOG_LINES = 30  # of a part that failed

Outcome = dict[str, Any]
"""part; state: "done", "failed: WHY" or "skipped: WHY"; seconds; tables {title: rows};
log: its last lines where it failed."""


@dataclass(frozen=True)
class Part:
    """command: (file for its rows, seconds that it may take) -> command line; seconds: its own limit."""

    name: str
    seconds: float
    command: Callable[[Path, float], list[str]]


def run_parts(
    parts: Iterable[Part], seconds: float, environment: Mapping[str, str], keep: Callable[[list[Outcome]], None]
) -> list[Outcome]:
    """Run the parts within `seconds` in all; `keep` takes all outcomes after every part."""
    end = time.monotonic() + seconds
    outcomes: list[Outcome] = []
    for part in parts:
        limit = min(part.seconds, end - time.monotonic())
        if limit < min(LEAST_SECONDS, part.seconds):
            outcome = {"part": part.name, "state": "skipped: no time left", "seconds": 0.0, "tables": {}}
        else:
            outcome = run_part(part, limit, environment)
        outcomes.append(outcome)
        keep(outcomes)
        print(f"{part.name}: {outcome['state']}, {outcome['seconds']:.1f} s", flush=True)
        if log := outcome.get("log"):
            print("\n".join(f"    {line}" for line in log), flush=True)
    return outcomes


def run_part(part: Part, limit: float, environment: Mapping[str, str]) -> Outcome:
    """Run one part for at most `limit` seconds."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        rows, log = Path(name) / "rows", Path(name) / "log"
        begin = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                part.command(rows, limit),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment) | {"TMPDIR": name},  # what a killed part leaves behind goes with the folder
                start_new_session=True,
            )
            code = None
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = process.wait(limit)
            finally:
                _kill(process)
        took = time.monotonic() - begin
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        tables, wrong, reasons = read(rows)
    if code is None:
        wrong.append(f"over its limit of {limit:.0f} s")
    elif code < 0:
        wrong.append(f"killed by {signal.Signals(-code).name}")
    elif code and not wrong:
        wrong.append(said[-1].strip() if said else f"exit code {code}")
    state = f"failed: {'; '.join(wrong)}" if wrong else f"skipped: {reasons[0]}" if reasons else "done"
    outcome = {"part": part.name, "state": state, "seconds": round(took, 1), "tables": tables}
    return outcome | {"log": said} if wrong else outcome


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End the part and every process that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)
