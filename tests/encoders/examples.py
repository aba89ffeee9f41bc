"""A working example of every encoder that does not open by its name alone, for the contract suite.

An example is a function with the key "NAME" or "NAME VARIANT"; NAME is the encoder's. One of the bare name stands for
the encoder as it opens by its name alone. It writes what it needs into a folder of its own and gives the call, and the
weights where it takes some. It may skip, with a reason.
"""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from evar.base.errors import install_hint
from tests.encoders import written

Example = tuple[str, Path | None]

EXAMPLES: dict[str, Callable[[Path], Example]] = {}


def example(key: str) -> Callable[[Callable[[Path], Example]], Callable[[Path], Example]]:
    """Register a function under its key."""

    def register(function: Callable[[Path], Example]) -> Callable[[Path], Example]:
        EXAMPLES[key] = function
        return function

    return register


@example("random")
def random_tiny(folder: Path) -> Example:
    return "random(seed=1, model='m2d_s_vit_tiny-80x20p80x2p32k')", None


@example("random images")
def random_images(folder: Path) -> Example:
    return "random(seed=1, model='m2d_vit_tiny-32x32p8')", None


@example("hear file")
def hear_file(folder: Path) -> Example:
    return f"hear(module={str(written.write(folder, 'small_hear', written.HEAR))!r})", None


@example("hear evar.hear")
def hear_of_ours(folder: Path) -> Example:
    return "hear(module='evar.hear')", None


@example("xares")
def xares(folder: Path) -> Example:
    return f"xares(file={str(written.write(folder, 'small_xares', written.XARES))!r})", None


@example("file")
def file(folder: Path) -> Example:
    return f"file(path={str(written.write(folder, 'small_file', written.FILE))!r}, options={{'seed': 3}})", None


@example("ge2e generated")
def ge2e_generated(folder: Path) -> Example:
    return "ge2e", ge2e_checkpoint(folder)


@example("ge2e")
def ge2e_installed(folder: Path) -> Example:
    try:
        importlib.metadata.distribution("Resemblyzer")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("Resemblyzer is not installed: pip install --no-deps Resemblyzer==0.1.4")
    return "ge2e", None


def ge2e_checkpoint(folder: Path) -> Path:
    """A checkpoint of GE2E's shape with drawn weights."""
    from evar.encoders.contract import Identity
    from evar.encoders.ge2e import GE2E

    folder.mkdir(parents=True, exist_ok=True)
    draws = torch.Generator().manual_seed(0)
    shapes = {key: tensor.shape for key, tensor in GE2E(Identity("ge2e")).state_dict().items()}
    state = {key: 0.1 * torch.randn(shape, generator=draws) for key, shape in shapes.items()}
    torch.save({"step": 1, "model_state": state | {"similarity_bias": torch.ones(1)}}, folder / "ge2e.pt")
    return folder / "ge2e.pt"


WIDE: dict[str, Any] = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
# Groups of fewer than 16 channels are wrong in torch 2.13's bfloat16 on CPUs with AMX; real models have 48 and more
CONVOLUTIONS: dict[str, Any] = {
    "conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 3,
}  # fmt: skip
WHISPER: dict[str, Any] = {
    "d_model": 48, "encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 96, "decoder_layers": 1,
    "decoder_attention_heads": 4, "decoder_ffn_dim": 96, "max_source_positions": 50, "num_mel_bins": 32,
    "vocab_size": 9, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3,
    "max_target_positions": 8, "begin_suppress_tokens": None,
}  # fmt: skip
CLAP_AUDIO: dict[str, Any] = {
    "hidden_size": 96, "patch_embeds_hidden_size": 12, "depths": [1, 1, 2, 1], "num_attention_heads": [1, 2, 3, 4],
    "spec_size": 128, "num_mel_bins": 32, "window_size": 4, "projection_dim": 16,
}  # fmt: skip
CLAP_TEXT: dict[str, Any] = {
    "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 30,
    "projection_dim": 16,
}  # fmt: skip
QWEN2_AUDIO: dict[str, Any] = {
    "audio_config": {
        "d_model": 48, "encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 96, "num_mel_bins": 32,
        "max_source_positions": 50,
    },
    "text_config": {
        "model_type": "qwen2", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 2, "intermediate_size": 16, "vocab_size": 20,
    },
}  # fmt: skip
PARAKEET: dict[str, Any] = {"subsampling_conv_channels": 16, "num_mel_bins": 32}
SQUEEZED: dict[str, Any] = {"conv_kernel": (10, 3, 3, 3, 3, 2, 2), "conv_stride": (5, 2, 2, 2, 2, 2, 2)}
ENCODEC: dict[str, Any] = {
    "num_filters": 4, "hidden_size": 16, "upsampling_ratios": (8, 5, 4), "codebook_size": 8,
    "target_bandwidths": [1.5], "num_lstm_layers": 1,
}  # fmt: skip
CHUNKED: dict[str, Any] = {
    "audio_channels": 2, "normalize": True, "norm_type": "time_group_norm", "use_causal_conv": False,
}  # fmt: skip
CHUNKS: dict[str, Any] = {"chunk_length_s": 0.25, "overlap": 0.02}
DAC: dict[str, Any] = {
    "encoder_hidden_size": 4, "downsampling_ratios": (2, 4, 5, 8), "decoder_hidden_size": 32, "n_codebooks": 2,
    "codebook_size": 8,
}  # fmt: skip


IMAGES: dict[str, Any] = WIDE | {"image_size": 32, "patch_size": 8}
CLIP_TEXT: dict[str, Any] = WIDE | {
    "vocab_size": 30, "max_position_embeddings": 8, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def transformers_model(family: str) -> tuple[Any, Any]:
    """(model, feature extractor) of a family, with drawn weights: small, and with inputs of a second at most."""
    hf = pytest.importorskip("transformers", reason=f"transformers is not installed: {install_hint('transformers')}")
    torch.manual_seed(0)
    waveform = hf.Wav2Vec2FeatureExtractor
    normed = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
    fused = {"enable_fusion": True, "fusion_type": "aff_2d"}
    whisper_extractor = {"feature_size": 32, "chunk_length": 1}
    clap_extractor = {"feature_size": 32, "max_length_s": 1}
    sides = {"size": {"shortest_edge": 32}, "crop_size": 32}

    def clap(**more: Any) -> Any:
        return hf.ClapModel(hf.ClapConfig(text_config=CLAP_TEXT, audio_config=CLAP_AUDIO | more, projection_dim=16))

    def of_waveforms(name: str, **more: Any) -> tuple[Any, Any]:
        model, config = getattr(hf, f"{name}Model"), getattr(hf, f"{name}Config")
        return model(config(**WIDE | CONVOLUTIONS | more)), waveform()

    def encodec(*more: dict[str, Any], **extracted: Any) -> tuple[Any, Any]:
        config = hf.EncodecConfig(**ENCODEC | {key: value for each in more for key, value in each.items()})
        return hf.EncodecModel(config), hf.EncodecFeatureExtractor(**extracted)

    built: dict[str, Callable[[], tuple[Any, Any]]] = {
        "wav2vec2": lambda: (hf.Wav2Vec2ForCTC(hf.Wav2Vec2Config(**WIDE, **CONVOLUTIONS)), waveform()),
        "hubert": lambda: (hf.HubertModel(hf.HubertConfig(**WIDE, **CONVOLUTIONS, **normed)), waveform()),
        "wavlm": lambda: (hf.WavLMModel(hf.WavLMConfig(**WIDE, **CONVOLUTIONS)), waveform(do_normalize=False)),
        "wav2vec2-conformer": lambda: of_waveforms("Wav2Vec2Conformer", conv_depthwise_kernel_size=5),
        "unispeech": lambda: of_waveforms("UniSpeech"),
        "unispeech-sat": lambda: of_waveforms("UniSpeechSat"),
        "sew": lambda: of_waveforms("SEW", **SQUEEZED),
        "sew-d": lambda: of_waveforms("SEWD", **SQUEEZED),
        "data2vec-audio": lambda: of_waveforms("Data2VecAudio"),
        "wav2vec2-bert": lambda: (
            hf.Wav2Vec2BertModel(hf.Wav2Vec2BertConfig(**WIDE, feature_projection_input_dim=64)),
            hf.SeamlessM4TFeatureExtractor(feature_size=32, num_mel_bins=32, padding_value=1.0),
        ),
        "ast": lambda: (
            hf.ASTForAudioClassification(hf.ASTConfig(**WIDE, max_length=64, num_mel_bins=32)),
            hf.ASTFeatureExtractor(max_length=64, num_mel_bins=32),
        ),
        "whisper": lambda: (
            hf.WhisperForConditionalGeneration(hf.WhisperConfig(**WHISPER)),
            hf.WhisperFeatureExtractor(**whisper_extractor),
        ),
        "qwen2-audio": lambda: (
            hf.Qwen2AudioForConditionalGeneration(hf.Qwen2AudioConfig(**QWEN2_AUDIO)),
            hf.WhisperFeatureExtractor(**whisper_extractor),
        ),
        "parakeet": lambda: (
            hf.ParakeetForCTC(hf.ParakeetCTCConfig(encoder_config=WIDE | PARAKEET, vocab_size=9, pad_token_id=8)),
            hf.ParakeetFeatureExtractor(feature_size=32),
        ),
        "clap": lambda: (clap(), hf.ClapFeatureExtractor(**clap_extractor, truncation="rand_trunc")),
        "clap-fused": lambda: (clap(**fused), hf.ClapFeatureExtractor(**clap_extractor, truncation="fusion")),
        "encodec": encodec,
        "encodec-chunked": lambda: encodec(CHUNKED, CHUNKS, feature_size=2, **CHUNKS),
        "vit": lambda: (hf.ViTForImageClassification(hf.ViTConfig(**IMAGES)), hf.ViTImageProcessor(size=32)),
        "dinov2": lambda: (
            hf.Dinov2Model(hf.Dinov2Config(**IMAGES | {"image_size": 56})),
            hf.BitImageProcessor(**sides),
        ),
        "dinov2-registers": lambda: (
            hf.Dinov2WithRegistersModel(hf.Dinov2WithRegistersConfig(**IMAGES)),
            hf.BitImageProcessor(**sides),
        ),
        "clip": lambda: (
            hf.CLIPModel(hf.CLIPConfig(vision_config=IMAGES, text_config=CLIP_TEXT, projection_dim=16)),
            hf.CLIPImageProcessor(**sides),
        ),
        "dac": lambda: (hf.DacModel(hf.DacConfig(**DAC)), hf.DacFeatureExtractor(hop_length=320)),
    }
    return built[family]()


FAMILIES = (
    "wav2vec2", "hubert", "wavlm", "sew", "wav2vec2-bert", "ast", "whisper", "qwen2-audio", "parakeet", "clap",
    "clap-fused", "encodec", "encodec-chunked", "dac",
)  # fmt: skip
OF_IMAGES = ("vit", "dinov2", "dinov2-registers", "clip")
ALIKE = ("wav2vec2-conformer", "unispeech", "unispeech-sat", "sew-d", "data2vec-audio")
"""Families that run through the same lines as others here: the numbers are compared, the contract is not run again."""


def save_transformers(folder: Path, family: str) -> Path:
    """Save a small model of a family as its package does; gives the folder."""
    model, extractor = transformers_model(family)
    from transformers.utils import logging

    logging.set_verbosity_error()
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def _transformers(family: str) -> Callable[[Path], Example]:
    return lambda folder: (f"transformers(model={str(save_transformers(folder / family, family))!r})", None)


for _family in (*FAMILIES, *OF_IMAGES):
    EXAMPLES[f"transformers {_family}"] = _transformers(_family)
