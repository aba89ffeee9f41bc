"""`python -m benchmarks.gpu`, see the package. Exit code 1 where a part failed, 2 where nothing could be run."""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gpu.report import Report, Skipped, markdown
from benchmarks.gpu.runner import Outcome, Part, run_parts
from evar.base import provenance
from evar.base.errors import UsageError, unknown

ROOT = Path(__file__).parents[2]
SECONDS = 520.0  # for all parts
PARTS = {
    "machine": ("others", 60.0),
    "correct": ("correct", 80.0),
    "tests": ("others", 90.0),
    "speed": ("speed", 60.0),
    "embed": ("others", 80.0),
    "probes": ("others", 120.0),
    "pretrain": ("others", 60.0),
    "finetune": ("others", 45.0),
    "decisions": ("decisions", 90.0),
    "tasks": ("others", SECONDS),  # fits its work into what is left
}
"""Part -> (file that holds its function, most seconds on a GPU); what matters most comes first."""
QUICK_FACTOR = 10  # a CPU that does other work too must not end a part


def main(arguments: argparse.Namespace) -> int:
    """Run the parts and write what they found."""
    names = arguments.only.split(",") if arguments.only else list(PARTS)
    for name in names:
        if name not in PARTS:
            raise unknown("part", name, PARTS)
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    about = {"date": provenance.now(), "commit": commit(arguments.commit), "quick": arguments.quick}
    about["command"] = " ".join(["python -m benchmarks.gpu", *sys.argv[1:]])

    def keep(outcomes: list[Outcome]) -> None:
        results = about | {"seconds": time.monotonic() - begin, "parts": outcomes}
        for file, text in (("gpu.json", json.dumps(results, indent=1) + "\n"), ("gpu.md", markdown(results))):
            (out / f".{file}").write_text(text, encoding="utf-8")
            (out / f".{file}").replace(out / file)

    with tempfile.TemporaryDirectory() as site:
        path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        if arguments.wheels:
            install(arguments.wheels, site)
            path.insert(0, site)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
        if arguments.quick:
            environment["OMP_NUM_THREADS"] = "1"  # for tiny shapes more threads only wait for each other
        factor = QUICK_FACTOR if arguments.quick else 1
        parts = [part(name, factor, quick=arguments.quick) for name in names]
        outcomes = run_parts(parts, factor * arguments.seconds, environment, keep)
    print(f"{out / 'gpu.md'} and {out / 'gpu.json'} are written", flush=True)
    return int(any(outcome["state"].startswith("failed") for outcome in outcomes))


def part(name: str, factor: float, *, quick: bool) -> Part:
    """The part as a process of this module."""

    def command(rows: Path, seconds: float) -> list[str]:
        how = ["--part", name, "--rows", str(rows), "--seconds", str(seconds), *(["--quick"] if quick else [])]
        return [sys.executable, "-m", "benchmarks.gpu", *how]

    return Part(name, factor * PARTS[name][1], command)


def run_here(name: str, report: Report) -> int:
    """The other side: run one part in this process."""
    if report.quick:
        importlib.import_module("benchmarks.limits").TRIES = 1
    try:
        if report.device.type == "cpu" and not report.quick and name != "machine":
            raise Skipped("no CUDA device")
        getattr(importlib.import_module(f"benchmarks.gpu.{PARTS[name][0]}"), name)(report)
    except Skipped as why:
        report.skip(str(why))
    return int(report.failed)


def install(wheels: Path, site: str) -> None:
    """Put every wheel of a folder into `site`, without a network."""
    files = sorted(map(str, wheels.glob("*.whl")))
    if not files:
        raise UsageError(f"{wheels} holds no wheels: CONTRIBUTING.md says how to get them")
    how = ["--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    if subprocess.run([sys.executable, "-m", "pip", "install", *how, "--target", site, *files]).returncode:
        raise UsageError(f"the wheels in {wheels} cannot be installed for {sys.executable}: see pip's lines above")


def commit(given: str) -> str:
    """The commit of this checkout; what is given where git does not know."""
    known, changed = provenance.commit()
    return f"{known[:12]}{' + changes' if changed else ''}" if known else given or "unknown"


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny shapes, on a CPU too")
    parser.add_argument("--only", metavar="PARTS", help=f"names with commas between, of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"for all parts (default: {SECONDS:g})")
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="of gpu.json and gpu.md (default: results)")
    parser.add_argument("--wheels", type=Path, help="folder of wheels of what this Python lacks")
    parser.add_argument("--commit", default="", help="commit of this copy, where it is no git checkout")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = parsed()
    if given.part:
        sys.exit(run_here(given.part, Report(given.rows, given.seconds, quick=given.quick)))
    try:
        sys.exit(main(given))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
