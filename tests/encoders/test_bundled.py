"""The bundled encoder is what the table says, stands where no weights are given, and has learned something."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import safe_open

from evar import encoders
from evar.base.errors import CheckpointError
from evar.cli import main
from evar.cli.verbs.demo import ENCODERS
from evar.nn import releases

MOST_BYTES = 15_000_000
BUNDLED = releases.releases().bundled


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_checkpoint_is_small_and_says_how_it_was_trained(name: str) -> None:
    file = releases.bundled_checkpoint(name)
    assert file.stat().st_size <= MOST_BYTES
    with safe_open(file, "pt") as opened:
        training = json.loads(opened.metadata()["training"])
        versions = json.loads(opened.metadata()["versions"])
    assert training["recipe"]["objective"] == "m2d"
    assert training["steps"] > 0
    assert versions["commit"]


def test_m2d_without_weights_is_the_bundled_one() -> None:
    waveforms, lengths = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0)), torch.full((2,), 16_000)
    default, named = encoders.open_encoder("m2d"), encoders.open_encoder("m2d", releases.bundled_checkpoint("tiny"))
    assert default.identity == named.identity
    assert not default.identity.random
    assert torch.equal(default.embed(waveforms, lengths)["last"], named.embed(waveforms, lengths)["last"])


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (b"version https://git-lfs", "is damaged")])
def test_bundled_checkpoint_that_is_another_file_is_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    monkeypatch.setattr(releases, "TABLE", tmp_path / "sources.yaml")
    if content is not None:
        (tmp_path / BUNDLED["tiny"].file).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"the bundled encoder tiny, {said}.*restore it"):
        encoders.open_encoder("m2d")


def test_demo_shows_it_ahead_of_the_untrained_and_of_log_mel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paired on the clips, with all of the 95 % interval above 0.

    The demo has 15 groups, which support no claim to people; they do show that nothing is broken.
    """
    assert main(["demo", "--folder", str(tmp_path)]) == 0
    first, *others = pd.read_csv(tmp_path / "results" / "leaderboard.csv")["run"]
    assert len(others) == len(ENCODERS) - 1 == 2
    for other in others:
        capsys.readouterr()
        assert main(["compare", first, other, "--results", str(tmp_path / "results"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["low"] > 0
