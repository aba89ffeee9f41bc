"""Several processes filling one array: one a device of this machine, or shares of it on machines with one file system.

The blocks are the same static ones that a single process computes, in the same shapes, so the bits are the same too.
Each keeps a log of its own, and nobody writes what another one does.
"""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from evar.base.errors import DataError, EvarError
from evar.base.progress import Advance
from evar.embeddings.batches import Plan
from evar.embeddings.cache import Entry, Shape
from evar.embeddings.device import fix_numerics
from evar.embeddings.forward import embed_blocks
from evar.embeddings.handover import Handover, take_over
from evar.embeddings.share import Share
from evar.nn.memory import out_of_memory

PROCESS = "evar embeds"
"""How the names of the processes begin."""


def fill_with_processes(
    entry: Entry,
    shape: Shape,
    handed: Handover,
    plan: Plan,
    blocks: Sequence[int],
    devices: Sequence[torch.device],
    advance: Advance,
) -> None:
    """Compute `blocks` of an entry that is laid out, one process a device; returns when all are there.

    Raises what a process raised: CannotTravel where it cannot make the encoder, another EvarError, MemoryError where a
    batch did not fit, RuntimeError with its traceback for anything else; DataError where one ends without a word.
    """
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, BaseProcess] = {}
    try:
        for index, device in enumerate(devices):
            ours, theirs = context.Pipe(duplex=False)
            share = Share(index, len(devices))
            work = (theirs, entry, shape, handed, plan, share.of(blocks), device, share.log)
            process: BaseProcess = context.Process(target=_work, name=f"{PROCESS} {index}", args=work, daemon=True)
            try:
                process.start()
            except BrokenPipeError:
                raise _ended(process) from None
            theirs.close()
            processes[ours] = process
        _follow(processes, advance)
    finally:
        for process in processes.values():
            process.terminate()
            process.join()


def _follow(processes: dict[Connection, BaseProcess], advance: Advance) -> None:
    """Hand on what the processes tell until each has said that it is done."""
    going = set(processes)
    while going:
        for connection in wait(list(going)):
            assert isinstance(connection, Connection)
            try:
                told = connection.recv()
            except EOFError:
                raise _ended(processes[connection]) from None
            if isinstance(told, BaseException):
                raise told
            if told is None:
                going.discard(connection)
            else:
                advance(told)


def _ended(process: BaseProcess) -> DataError:
    process.join()
    return DataError(
        f"a process that embeds ended with exit code {process.exitcode}, for a reason that it may have printed, or for "
        f"want of memory; name one device, such as cuda:0, to do without more processes"
    )


def _work(
    tell: Connection,
    entry: Entry,
    shape: Shape,
    handed: Handover,
    plan: Plan,
    blocks: list[int],
    device: torch.device,
    log: str,
) -> None:
    """One process: embed its blocks, telling after each how many clips it held, then None, or what went wrong."""
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        fix_numerics()
        encoder = take_over(handed).to(device).eval()
        arrays = entry.arrays(shape, writable=True)
        if arrays is None:
            raise RuntimeError(f"{entry.folder} is not laid out")
        for block, values in embed_blocks(encoder, plan, blocks, shape.batch_size, device):
            entry.write(shape, arrays, block, values, log)
            tell.send(plan.clips_of(block, shape.batch_size))
        tell.send(None)
    except EvarError as error:
        tell.send(error)
    except BaseException as error:
        import traceback

        if out_of_memory(error):
            tell.send(MemoryError(str(error)))
        else:
            tell.send(RuntimeError(f"in a process that embeds: {traceback.format_exc()}"))
