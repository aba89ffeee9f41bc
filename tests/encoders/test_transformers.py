"""transformers: the same numbers as the package's own front ends and models, layers, pieces, and what is refused."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from evar import encoders
from evar.base.errors import CheckpointError, UsageError, install_hint
from evar.encoders.contract import Encoder
from evar.encoders.transformers import Transformers
from evar.encoders.transformers_families import AST, CLAP, Waveform, in_pieces
from tests.encoders.examples import ALIKE, FAMILIES, save_transformers

pytest.importorskip("transformers", reason=f"transformers is not installed: {install_hint('transformers')}")

Saved = Callable[[str], Path]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Gives the folder of a family's small model, written once."""
    folders: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in folders:
            folders[family] = save_transformers(tmp_path_factory.mktemp("models") / family, family)
        return folders[family]

    return folder


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def opened(folder: Path, more: str = "") -> Transformers:
    encoder = encoders.open_encoder(f"transformers(model={str(folder)!r}{more})")
    assert isinstance(encoder, Transformers)
    return encoder


def clips(encoder: Encoder, seconds: float) -> Tensor:
    samples = round(seconds * encoder.sample_rate)
    return 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(0))


def embed(encoder: Encoder, waveforms: Tensor) -> dict[str, Tensor]:
    return encoder.embed(waveforms, torch.full((len(waveforms),), waveforms.shape[1]))


def as_the_package_does(folder: Path, waveforms: Tensor) -> Tensor:
    """The mean over valid frames, by the package's own feature extractor and model."""
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    extractor: Any = transformers.AutoFeatureExtractor.from_pretrained(folder)
    model: Any = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    kind, clips = model.config.model_type, list(waveforms.numpy())
    channels = getattr(extractor, "feature_size", 1) if kind == "encodec" else 1
    given: Any = extractor(
        [np.stack([clip] * channels) for clip in clips] if channels > 1 else clips,
        sampling_rate=extractor.sampling_rate, return_tensors="pt",
        **({"return_attention_mask": True} if kind == "qwen2_audio" else {}),
    )  # fmt: skip
    with torch.inference_mode():
        match kind:
            case "clap":
                shorter = torch.zeros(len(waveforms), 1, dtype=torch.bool)
                pooled: Tensor = model.audio_model(given["input_features"], is_longer=shorter).pooler_output
                return pooled
            case "whisper":
                frames = model.get_encoder()(given["input_features"]).last_hidden_state
                return frames[:, : -(-waveforms.shape[1] // 320)].mean(1)
            case "qwen2_audio":
                return _by_qwen2_audio(model.audio_tower, given)
            case "encodec" | "dac":
                return _before_quantisation(model, given, waveforms.shape[1])
            case "parakeet_ctc":
                frames, mask = model.encoder(**given).to_tuple()
                return (frames * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
            case "wav2vec2-bert":
                frames, mask = model(**given).last_hidden_state, given["attention_mask"]
                return (frames * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        frames = model(given["input_values"]).last_hidden_state
        return frames[:, 2:].mean(1) if "AST" in type(model).__name__ else frames.mean(1)


def _by_qwen2_audio(tower: Any, given: Any) -> Tensor:
    """As Qwen2AudioModel.forward: the encoder with a mask of the clip's frames, then the frames that it counts."""
    from transformers.masking_utils import create_bidirectional_mask

    inside, counted = tower._get_feat_extract_output_lengths(given["attention_mask"].sum(1))
    frames = tower.config.max_source_positions
    mask = create_bidirectional_mask(
        config=tower.config, inputs_embeds=torch.zeros(len(inside), frames, 1),
        attention_mask=(torch.arange(frames) < inside[:, None]).long(),
    )  # fmt: skip
    found = tower(given["input_features"], attention_mask=mask).last_hidden_state
    return torch.stack([clip[:length].mean(0) for clip, length in zip(found, counted.tolist(), strict=True)])


def _before_quantisation(model: Any, given: Any, samples: int) -> Tensor:
    """What the codec's own `encode` hands to its quantiser: the frames that begin within the clip, chunk by chunk."""
    chunks: list[Tensor] = []
    model.encoder.register_forward_hook(lambda module, taken, latents: chunks.append(latents))
    model.encode(**given if model.config.model_type == "encodec" else {"input_values": given["input_values"]})
    stride = getattr(model.config, "chunk_stride", None) or samples
    chunk = getattr(model.config, "chunk_length", None) or samples
    inside = [min(chunk, samples - start) for start in range(0, samples, stride)]
    kept = [latents[:, :, : -(-length // model.config.hop_length)] for latents, length in zip(chunks, inside)]  # noqa: B905
    return torch.cat(kept, dim=2).mean(2)


@pytest.mark.parametrize("family", [*FAMILIES, *ALIKE])
def test_embeddings_are_those_of_the_packages_own_front_end_whatever_lies_beside_them(
    saved: Saved, family: str
) -> None:
    encoder = opened(saved(family))
    waveforms = clips(encoder, 0.61)
    expected = as_the_package_does(saved(family), waveforms)
    ours = embed(encoder, waveforms)["last"]
    assert (ours - expected).norm() <= 1e-5 * expected.norm()
    samples = waveforms.shape[1]
    beside = torch.cat(
        [torch.nn.functional.pad(waveforms, (0, 500), value=0.5), clips(encoder, 1.0)[:, : samples + 500]]
    )
    lengths = torch.tensor([samples, samples, samples + 500, 300])
    assert (encoder.embed(beside, lengths)["last"][:2] - ours).norm() <= 1e-6 * ours.norm()


@pytest.mark.parametrize("family", FAMILIES)
def test_longer_clips_than_the_input_give_one_embedding_of_the_same_size(saved: Saved, family: str) -> None:
    encoder = opened(saved(family))
    short, long = embed(encoder, clips(encoder, 0.5))["last"], embed(encoder, clips(encoder, 2.3))["last"]
    assert short.shape == long.shape
    assert torch.isfinite(long).all()
    assert torch.equal(long, embed(encoder, clips(encoder, 2.3))["last"])


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if family.partition("-")[0] not in ("encodec", "dac")]
)
def test_bfloat16_stays_close_to_float32(saved: Saved, family: str) -> None:
    encoder = opened(saved(family))
    exact = embed(encoder, clips(encoder, 0.5))["last"]
    assert encoder.set_precision(torch.bfloat16) == torch.bfloat16
    quick = embed(encoder, clips(encoder, 0.5))["last"]
    assert quick.dtype == torch.float32
    assert not torch.equal(exact, quick)
    assert (torch.cosine_similarity(exact, quick) >= 0.9995).all()
    assert encoder.set_precision(torch.float32) == torch.float32
    assert torch.equal(embed(encoder, clips(encoder, 0.5))["last"], exact)


@pytest.mark.parametrize(
    "family", ["wav2vec2", "hubert", "sew", "wav2vec2-bert", "ast", "whisper", "qwen2-audio", "parakeet"]
)
def test_layers_are_outputs_and_the_last_is_the_models_own(saved: Saved, family: str) -> None:
    each = opened(saved(family), ", layers='each'")
    waveforms = clips(each, 0.5)
    layers = embed(each, waveforms)
    assert list(layers) == ["layer00", "layer01", "layer02"]
    assert torch.equal(layers["layer02"], embed(opened(saved(family)), waveforms)["last"])
    both = embed(opened(saved(family), ", layers=[2, 0]"), waveforms)
    assert torch.equal(both["2+0"], torch.cat([layers["layer02"], layers["layer00"]], dim=1))


def test_layers_that_are_not_there_are_refused(saved: Saved) -> None:
    with pytest.raises(UsageError, match="encoder transformers: layers must be from 0 to 2"):
        opened(saved("wav2vec2"), ", layers=3")
    with pytest.raises(UsageError, match="layers of CLAP are of several sizes"):
        opened(saved("clap"), ", layers=0")
    with pytest.raises(UsageError, match="a codec has one output, its latents before they are quantised; leave"):
        opened(saved("dac"), ", layers='each'")


def test_silence_within_whispers_input_is_no_frame(saved: Saved) -> None:
    encoder = opened(saved("whisper"))
    (frames,) = encoder.family.frames(clips(encoder, 0.305), [2])
    assert frames.shape == (2, 16, 48)  # 305 ms in frames of 20 ms
    (frames,) = encoder.family.frames(clips(encoder, 2.02), [2])
    assert frames.shape == (2, 101, 48)


def test_columns_of_ast_that_begin_after_the_clip_are_no_frames(saved: Saved) -> None:
    family = opened(saved("ast")).family
    assert isinstance(family, AST)
    assert [family.frames(torch.randn(1, samples), [2])[0].shape[1] for samples in (1, 400, 1840, 2000, 9600)] == [
        1, 1, 1, 2, 5,
    ]  # fmt: skip


def test_clap_repeats_short_clips_and_weighs_pieces_by_their_length(saved: Saved) -> None:
    encoder = opened(saved("clap"))
    assert isinstance(encoder.family, CLAP)
    piece = torch.tensor([[1.0, 2.0, 3.0]])
    filled = encoder.family.filled(torch.nn.functional.pad(piece, (0, 47_997)), 3)
    assert torch.equal(filled, piece.repeat(1, 16_000))
    whole, rest = clips(encoder, 1.0), clips(encoder, 0.5)
    together = embed(encoder, torch.cat([whole, rest], dim=1))["last"]
    torch.testing.assert_close(together, (2 * embed(encoder, whole)["last"] + embed(encoder, rest)["last"]) / 3)


def test_pieces_say_how_much_of_them_is_signal() -> None:
    pieces = list(in_pieces(torch.ones(1, 5, 2), 2))
    assert [(tuple(piece.shape), length) for piece, length in pieces] == [((1, 2, 2), 2)] * 2 + [((1, 2, 2), 1)]
    assert pieces[-1][0][0, 1].tolist() == [0, 0]


def test_shortest_clip_is_the_receptive_field_of_the_convolutions(saved: Saved) -> None:
    family = opened(saved("wav2vec2")).family
    assert isinstance(family, Waveform)
    assert family.shortest == 400


def test_identity_changes_with_weights_and_configuration_and_not_with_the_folder(saved: Saved, tmp_path: Path) -> None:
    source = saved("wav2vec2")
    first = opened(source).identity
    moved = copied(source, tmp_path / "moved")
    assert (opened(moved).identity.digest, opened(moved).identity.code) == (first.digest, first.code)
    settings = json.loads((moved / "preprocessor_config.json").read_text()) | {"do_normalize": False}
    (moved / "preprocessor_config.json").write_text(json.dumps(settings))
    assert opened(moved).identity.code != first.code
    assert first.code.startswith("transformers 5.")
    assert first.name == "wav2vec2"


def copied(source: Path, target: Path, *, without: str = "") -> Path:
    target.mkdir()
    for file in source.iterdir():
        if file.name != without:
            (target / file.name).write_bytes(file.read_bytes())
    return target


class Hostile:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("it was run",))


def test_a_pickle_that_wants_to_run_code_is_refused(
    saved: Saved, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(saved("wav2vec2"), tmp_path / "hostile", without="model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Hostile()}))
    with pytest.raises(CheckpointError, match="cannot open the transformers model"):
        opened(folder)
    assert "it was run" not in capsys.readouterr().out


def test_code_that_a_model_brings_along_is_never_run(saved: Saved, tmp_path: Path) -> None:
    folder = copied(saved("wav2vec2"), tmp_path / "custom")
    (folder / "code.py").write_text("raise SystemExit('it was run')\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "my_own", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="asks to run code of its own: never done"):
        opened(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensor: None, "1 tensors are missing: .*layers.1.attention.k_proj.weight"),
        (lambda tensor: tensor[:10], r"1 misshapen tensors: .*k_proj.weight \(10, 48\) instead of \(48, 48\)"),
        (lambda tensor: tensor * torch.nan, "1 of its .* tensors hold NaN: .*layers.1.attention.k_proj.weight"),
    ],
    ids=["missing", "misshapen", "NaN"],
)
def test_tensors_that_cannot_be_used_are_named_and_not_drawn_at_random(
    saved: Saved, tmp_path: Path, change: Callable[[Tensor], Tensor | None], said: str
) -> None:
    from safetensors.torch import load_file, save_file

    folder = copied(saved("wav2vec2"), tmp_path / "broken")
    held = load_file(folder / "model.safetensors")
    key = next(key for key in held if "layers.1.attention.k_proj.weight" in key)
    if (changed := change(held.pop(key))) is not None:
        held[key] = changed.contiguous()
    save_file(held, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=said):
        opened(folder)


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ("wav2vec2", "67 of 69 tensors are used; left aside: lm_head (2)"),
        ("whisper", "left aside: decoder ("),
        ("clap", "left aside: audio_projection (4), logit_scale_a (1), logit_scale_t (1) and 2 more"),
        ("qwen2-audio", "52 of 69 tensors are used; left aside: language_model (15), multi_modal_projector (2)"),
        ("hubert", "tensors are used; files that are not read: tokenizer.json"),
    ],
)
def test_what_is_left_aside_is_noted_once(
    saved: Saved, tmp_path: Path, family: str, said: str, notes: list[str]
) -> None:
    folder = copied(saved(family), tmp_path / "model")
    (folder / "tokenizer.json").touch()
    (folder / "README.md").touch()
    opened(folder)
    (note,) = [note for note in notes if "tensors are used" in note]
    assert note.startswith("model: ")
    assert said in note
    assert "tokenizer.json" in note
    assert "README.md" not in note


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("config.json", "the folder has no config.json"),
        ("preprocessor_config.json", "the folder has no preprocessor_config.json or processor_config.json"),
        ("model.safetensors", "cannot open the transformers model .*model.safetensors"),
    ],
)
def test_a_folder_that_lacks_a_file_says_so(saved: Saved, tmp_path: Path, lost: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        opened(copied(saved("wav2vec2"), tmp_path / "lacks", without=lost))
    assert "\n" not in str(caught.value)


def test_a_front_end_that_is_another_models_is_named(saved: Saved, tmp_path: Path) -> None:
    folder = copied(saved("wav2vec2-bert"), tmp_path / "mixed", without="preprocessor_config.json")
    (folder / "preprocessor_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"asks for a Wav2Vec2FeatureExtractor, .* suit a Wav2Vec2BertModel"):
        opened(folder)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(UsageError, match="no front end for models of type 'bert' .*wav2vec2, hubert, wavlm"):
        opened(tmp_path)


def test_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r"pip install 'evar-audio\[transformers\]'"):
        encoders.open_encoder("transformers(model='x')")


def test_opening_leaves_the_packages_messages_as_they_were(saved: Saved) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    opened(saved("wav2vec2"))
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_name_that_is_not_in_the_cache_is_reported_at_once_without_the_hub(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from huggingface_hub import constants

    with pytest.raises(CheckpointError, match="not in the local cache, and HF_HUB_OFFLINE forbids to ask the hub"):
        encoders.open_encoder("transformers(model='nobody/nothing')")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(CheckpointError, match=r"nobody/nothing: not in the local cache, and the hub cannot be reached"):
        encoders.open_encoder("transformers(model='nobody/nothing')")
    assert caplog.records == []


def test_name_of_a_folder_is_its_own_also_from_within(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved("wav2vec2")
    monkeypatch.chdir(folder)
    assert encoders.open_encoder("transformers(model='.')").identity.name == folder.name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "encoder transformers needs the option model"),
        ("(model='')", "the option model is empty"),
        ("(model=' ')", "the option model is empty"),
        ("(model='no/such/folder')", "no such folder, and no name of the hub"),
    ],
)
def test_models_that_cannot_be_are_refused(options: str, said: str) -> None:
    with pytest.raises((UsageError, CheckpointError), match=said):
        encoders.open_encoder(f"transformers{options}")
