"""A command in a process of its own, and a record of what it opens, renames and deletes below `cache` and `results`."""

import os
import resource
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

import tqdm

from tests import forked

SECONDS = 60  # after which a command counts as one that hangs
MEMORY_BYTES = 16 << 30  # addresses, not memory in use: torch alone takes some
EVENTS = {"open": 1, "os.rename": 2, "os.remove": 1, "os.truncate": 1, "os.mkdir": 1}
"""Audit event -> how many of its first arguments are paths."""

FILES = ("out", "err", "events", "code")  # that a child writes into its folder


@dataclass(frozen=True)
class Done:
    """What came of a command: its exit code, None where it hung; events: the paths that it touched, one by one."""

    code: int | None
    out: str
    err: str
    events: list[str]

    @property
    def errors(self) -> list[str]:
        """The lines that say what went wrong."""
        return [line for line in self.err.splitlines() if line.startswith("evar: error: ")]


def run(folder: Path, command: list[str], *, kill_at: int | None = None) -> Done:
    """Run a command of `evar` in `folder`, and kill it at the event of this number (from 0).

    The child writes its code: where several threads start processes, multiprocessing reads one's twice and says 255.
    """
    process = forked.context.Process(target=_work, args=(folder, command, kill_at))
    process.start()
    process.join(SECONDS)
    if hangs := process.exitcode is None:
        process.kill()
        process.join()
    out, err, events, code = ((folder / name).read_text(errors="replace") for name in FILES)
    return Done(None if hangs else int(code or process.exitcode), out, err, events.splitlines())


def _work(folder: Path, command: list[str], kill_at: int | None) -> None:
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    files = [os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666) for name in FILES]
    os.dup2(files[0], 1)
    os.dup2(files[1], 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    tqdm.tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system's, which a kill would leave behind
    count = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        for path in arguments[: EVENTS.get(event, 0)]:
            place = os.path.relpath(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else ""
            if place.startswith(("cache/", "results/")):
                if count == kill_at:
                    os.write(files[3], str(-signal.SIGKILL).encode())
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1
                os.write(files[2], f"{place}\n".encode())

    sys.addaudithook(watch)
    from evar.cli import main

    try:
        code = main(command)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(files[3], str(code).encode())
    sys.exit(code)
