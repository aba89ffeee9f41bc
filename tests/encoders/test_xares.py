"""xares: the class in a file, its frames averaged, and what is said of files without one."""

from pathlib import Path

import pytest
import torch

from evar import encoders
from evar.base.errors import UsageError
from tests.encoders import written


def spec(file: Path) -> str:
    return f"xares(file={str(file)!r})"


def test_embedding_is_the_mean_over_frames(tmp_path: Path) -> None:
    encoder = encoders.open_encoder(spec(written.write(tmp_path, "mine", written.XARES)))
    assert (encoder.sample_rate, encoder.identity.name) == (8000, "SmallEncoder")
    audio = 0.1 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    expected = torch.tanh(audio.unfold(1, 400, 160) @ next(encoder.parameters())).mean(1)
    torch.testing.assert_close(encoder.embed(audio, torch.tensor([4000, 4000]))["last"], expected)


def test_classes_that_a_file_imports_are_not_meant(tmp_path: Path) -> None:
    text = written.XARES.replace("class Small", "from torch.nn import TransformerEncoder\n\nclass Small")
    assert encoders.open_encoder(spec(written.write(tmp_path, "mine", text))).identity.name == "SmallEncoder"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("from net import Net", "must define one .* class whose name ends with Encoder; classes: Net"),
        ("{xares}\nclass OtherEncoder(Net): ...", "classes: SmallEncoder, OtherEncoder"),
        ("{xares}\nSmallEncoder.sampling_rate = None", "its sampling_rate is None"),
        ("{xares}\ndel Net.output_dim", "has no output_dim"),
        (
            "{xares}\nSmallEncoder.forward = lambda self, audio: audio[:, :6]",
            r"gives \(2, 6\) .* expected .*frame, dim",
        ),
        ("{xares}\nSmallEncoder.__init__ = lambda self, path: None", r"SmallEncoder\(\) raised TypeError: "),
    ],
)
def test_what_is_wrong_with_a_file_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        encoders.open_encoder(spec(written.write(tmp_path, "mine", text.replace("{xares}", written.XARES))))
