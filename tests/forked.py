"""Processes that start at once: forked from one that has imported the harness and has run nothing."""

import multiprocessing
import os
import socket
import sys
import threading
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import tqdm

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["pytest", "tests.faults.child", "evar.cli.verbs.eval", "evar.pipeline",
                                "evar.data.readers.table", "evar.leaderboard.read", "evar.encoders.logmel",
                                "evar.probes.centroid", "sklearn.linear_model"])  # fmt: skip


def start(folder: Path, command: list[str], said: str, **environment: object) -> ForkServerProcess:
    """Run a command of `evar` in `folder`; all that it says is added to the file `said` there."""
    process = context.Process(target=_work, args=(folder, command, said, environment))
    process.start()
    return process


def team(folder: Path, command: list[str], said: str) -> list[ForkServerProcess]:
    """Two processes that train together, as torchrun starts them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": 2}
    return [start(folder, command, said, RANK=rank, LOCAL_RANK=rank, **where) for rank in range(2)]


def _work(folder: Path, command: list[str], said: str, environment: dict[str, object]) -> None:
    os.chdir(folder)
    os.environ |= {name: str(value) for name, value in environment.items()}
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    tqdm.tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system's, which a kill would leave behind
    from evar.cli import main

    code = main(command)
    sys.stdout.flush()
    sys.exit(code)
