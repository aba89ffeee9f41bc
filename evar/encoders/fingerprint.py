"""What tells two networks apart that no weights file and no name tells apart: their tensors, and what they do."""

import hashlib

import torch
from torch import Tensor, nn

from evar.base.threads import one_thread
from evar.encoders.checks import require_vectors
from evar.encoders.contract import Encoder

CLIPS, SECONDS = 2, 1.0


def digest_of_tensors(module: nn.Module) -> str:
    """sha256 over names, types, shapes and bytes of everything in a module's state dict; "" where it holds nothing."""
    state = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest() if state else ""


def behaviour_of(encoder: Encoder) -> str:
    """sha256 over names, shapes and bytes of an encoder's embeddings of two seeded clips.

    Settings that are neither tensors nor options (an attribute of the user's module, a file that it reads) show here.
    An encoder that gives other numbers each time is another one each time, so that nothing of it is ever read again.
    One thread computes it, for sums in another order round differently; another kind of machine may still do so.
    Raises ContractBroken for what is no embedding of two clips.
    """
    samples = round(SECONDS * encoder.sample_rate)
    noise = 0.1 * torch.randn(CLIPS, samples, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with one_thread():
            embedded = encoder.embed(noise, torch.full((CLIPS,), samples))
    finally:
        torch.set_num_threads(threads)
    require_vectors(encoder, noise, embedded)
    digest = hashlib.sha256()
    for output, values in sorted(embedded.items()):
        digest.update(f"{output} {tuple(values.shape)}\0".encode())
        digest.update(values.cpu().contiguous().numpy().data)
    return digest.hexdigest()
