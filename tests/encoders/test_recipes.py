"""The recipes of docs/encoders.md for models that are no encoders here: each runs, in shape, where its Python is."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from evar import encoders
from evar.encoders.checks import CHECKS
from tests.encoders.examples import save_transformers

DOCUMENT = (Path(__file__).parents[2] / "docs" / "encoders.md").read_text(encoding="utf-8")


def recipe(name: str, folder: Path) -> Path:
    """Write the document's code of that file name."""
    (text,) = re.findall(rf"```python\n# {name}\n(.*?)```", DOCUMENT, re.DOTALL)
    (folder / name).write_text(text)
    return folder / name


def dasheng(module: Any, weights: Path) -> None:
    config = {"target_length": 64}
    network = module.Dasheng(embed_dim=32, depth=1, num_heads=4, **config)
    torch.save({"model": network.state_dict(), "config": config}, weights)


def beats(module: Any, weights: Path) -> None:
    config = {
        "input_patch_size": 16, "embed_dim": 32, "encoder_layers": 2, "encoder_embed_dim": 48, "conv_pos": 16,
        "encoder_ffn_embed_dim": 96, "encoder_attention_heads": 4, "conv_pos_groups": 3, "deep_norm": True,
        "relative_position_embedding": True, "gru_rel_pos": True,
    }  # fmt: skip
    torch.save({"cfg": config, "model": module.BEATs(module.BEATsConfig(config)).state_dict()}, weights)


@pytest.mark.filterwarnings("ignore")  # of code that is not ours
@pytest.mark.parametrize(
    ("module", "file", "options", "write", "dim"),
    [
        ("dasheng.pretrained.pretrained", "dasheng_encoder.py", ", options={'size': [32, 1, 4]}", dasheng, 32),
        ("BEATs", "beats_encoder.py", ", shortest=0.2", beats, 48),
    ],
    ids=["dasheng", "beats"],
)
def test_recipe_of_a_file_keeps_the_contract(
    tmp_path: Path, module: str, file: str, options: str, write: Callable[[Any, Path], None], dim: int
) -> None:
    written_for = pytest.importorskip(module, reason=f"{module} is not installed: docs/encoders.md says where it is")
    torch.manual_seed(0)
    write(written_for, tmp_path / "weights.pt")
    encoder = encoders.open_encoder(f"file(path={str(recipe(file, tmp_path))!r}{options})", tmp_path / "weights.pt")
    assert encoder.embed(torch.zeros(1, 16000), torch.tensor([16000]))["last"].shape == (1, dim)
    for check in CHECKS:
        check(encoder)


def test_copy_of_a_merts_folder_opens_as_a_hubert(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = save_transformers(tmp_path / "mert", "hubert")
    spec = f"transformers(model={str(folder)!r})"
    clips, lengths = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0)), torch.tensor([8000, 8000])
    hubert = encoders.open_encoder(spec).embed(clips, lengths)["last"]
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mert_model", "auto_map": {"AutoModel": "modeling_MERT.MERTModel"}, "deepnorm": False}
    text = json.dumps(config)
    assert text.count('"mert_model"') == 1
    assert """sed -i 's/"mert_model"/"hubert"/' mert/config.json""" in DOCUMENT
    (folder / "config.json").write_text(text.replace('"mert_model"', '"hubert"'))
    assert torch.equal(encoders.open_encoder(spec).embed(clips, lengths)["last"], hubert)
