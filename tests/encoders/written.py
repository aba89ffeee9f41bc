"""Small files as users write them, for the encoders that run outside code."""

import textwrap
from pathlib import Path

NET = """
import torch

class Net(torch.nn.Module):
    sample_rate = sampling_rate = 8000
    scene_embedding_size = output_dim = 6
    hop_size_in_ms = 20

    def __init__(self, seed=0):
        super().__init__()
        drawn = torch.randn(400, 6, generator=torch.Generator().manual_seed(seed))
        self.filters = torch.nn.Parameter(0.1 * drawn)

    def forward(self, audio):
        return torch.tanh(audio.unfold(1, 400, 160) @ self.filters)
"""

HEAR = """
import torch
from net import Net

def load_model(model_file_path=""):
    model = Net()
    if model_file_path:
        model.load_state_dict(torch.load(model_file_path, weights_only=True))
    return model

def get_scene_embeddings(audio, model):
    return model(audio).mean(1)
"""

XARES = """
from net import Net

class SmallEncoder(Net):
    pass
"""

FILE = """
from net import Net

def open_encoder(weights, *, seed: int = 0):
    return Net(seed)
"""

LEVELS = """
import torch

class Net(torch.nn.Module):
    sample_rate = 16000

    def forward(self, waveforms):
        return waveforms.reshape(len(waveforms), 8, -1).abs().mean(2)

def open_encoder(weights):
    return Net()
"""


def write(folder: Path, name: str, text: str, **others: str) -> Path:
    """Write `folder`/`name`.py, net.py and `others` beside it; gives the first."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, content in {"net": NET, name: text, **others}.items():
        (folder / f"{stem}.py").write_text(textwrap.dedent(content))
    return folder / f"{name}.py"
