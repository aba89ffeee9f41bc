"""transformers: models of the package of that name, of the kinds in FAMILIES and IMAGE_FAMILIES.

A clip's embedding is the mean over its frames, see `transformers_families.py`; of images it is CLS and the mean over
the patches, see `transformers_images.py`. A model comes from a folder, or, by its
name, from the local cache or else the hub; code in a model's folder is never run (`trust_remote_code` is off),
weights are safetensors or go through torch's restricted unpickler.
"""

import contextlib
import importlib
import json
import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from evar.base.errors import CheckpointError, UsageError, few, install_hint
from evar.base.provenance import hash_json
from evar.encoders.adapter import digest_of_tensors, require_numbers
from evar.encoders.contract import Encoder, Identity, ImageEncoder, refuse_weights
from evar.encoders.layers import Layers, cls_and_mean, image_outputs, outputs_of
from evar.encoders.transformers_families import FAMILIES, Family
from evar.encoders.transformers_images import IMAGE_FAMILIES, ImageFamily

log = logging.getLogger(__name__)

HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
HUB_SECONDS = 10  # within which the hub must answer
CONFIGURATION = ("config.json", "preprocessor_config.json", "processor_config.json")
UNUSED = ("masked_spec_embed", "quantizer", "project_")  # tensors that only pre-training needs


class Transformers(Encoder):
    """Outputs of the layers asked for: the mean over a clip's frames, (clip, dim), see `layers.py`."""

    def __init__(self, family: Family, identity: Identity, layers: Layers) -> None:
        super().__init__()
        self.family, self.identity, self.sample_rate = family, identity, family.sample_rate
        self.layers_of = outputs_of("transformers", layers, family.depth)
        self.outputs = tuple(self.layers_of)

    def set_precision(self, dtype: torch.dtype) -> torch.dtype:
        """Run the model in `dtype` by autocast; front end (wav2vec2's convolutions too) and pooling stay float32.

        Codecs stay float32 as a whole.
        """
        self.family.precision = dtype if self.family.rounds else torch.float32
        return self.family.precision

    def encode(self, waveforms: Tensor) -> dict[str, Tensor]:
        """Embed clips of one length: (clip, sample) float32 -> {output: (clip, dim) float32}."""
        means = {layer: each.mean(1) for layer, each in self.family.wanted(waveforms, self.layers_of).items()}
        return {name: torch.cat([means[layer] for layer in layers], 1) for name, layers in self.layers_of.items()}


class TransformersImages(ImageEncoder):
    """Outputs of the layers asked for: CLS and the mean over the patches, (clip, dim), see `layers.py`."""

    def __init__(self, family: ImageFamily, identity: Identity, layers: Layers) -> None:
        super().__init__()
        self.family, self.identity, self.image_size = family, identity, family.sample_rate
        self.layers_of = outputs_of("transformers", layers, family.depth)
        self.outputs = image_outputs(self.layers_of)

    def set_precision(self, dtype: torch.dtype) -> torch.dtype:
        """Run the model in `dtype` by autocast; normalisation and pooling stay float32."""
        self.family.precision = dtype
        return dtype

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """Embed images: (clip, 3, image_size, image_size) float32 in [0, 1] -> {output: (clip, dim) float32}."""
        return cls_and_mean(self.layers_of, self.family.wanted(images, self.layers_of))


def open_encoder(weights: Path | None, model: str, layers: Layers = None) -> Encoder:
    """The encoder of a model in the format of `transformers`.

    model:   a folder with config.json, preprocessor_config.json and weights; or its name on the hub, of which the local
             cache is asked first
    layers:  see `layers.py`; CLAP and codecs have only their last

    Raises UsageError where the package is missing and for a kind of model without a front end here; CheckpointError
    where the model is not there, incomplete, broken, or wants code of its own to be run.
    """
    refuse_weights("transformers", weights)
    if not model.strip():
        raise UsageError("encoder transformers: the option model is empty; name a folder or a model of the hub")
    package = _package()
    with _quiet(package):
        config = _load(package.AutoConfig, model)
        family = family_of(config.model_type)
        of_images = issubclass(family, ImageFamily)
        if family.whole and layers is not None:
            raise UsageError(f"encoder transformers: {family.whole}; leave the option layers out")
        extractor = _load(package.AutoImageProcessor if of_images else package.AutoFeatureExtractor, model)
        network, found = _load(
            package.AutoModel, model, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True,
            **family.asked, **_only(family, config),
        )  # fmt: skip
        _require_tensors(model, found)
        opened = _with_front_end(family, network.eval(), extractor, model)
    require_numbers(f"transformers model {model}", opened)
    _note_what_is_used(model, network, opened, found["unexpected_keys"])
    return _assembled(opened, model, package.__version__, config, extractor, layers)


def _with_front_end(family: type[Family], network: nn.Module, extractor: Any, model: str) -> Family:
    try:
        return family(network, extractor)
    except AttributeError as error:  # of an extractor that is another model's
        raise CheckpointError(
            f"transformers model {model}: its preprocessor_config.json asks for a {type(extractor).__name__}, "
            f"which does not suit a {type(network).__name__}: {error}"
        ) from error


def _only(family: type[Family], config: Any) -> dict[str, Any]:
    """What makes `from_pretrained` read no more than the family's part: a language model may be ten times as large."""
    if family.only is None or not hasattr(config, family.only[0]):
        return {}
    field, pattern = family.only
    return {"config": getattr(config, field)} | ({"key_mapping": {pattern: ""}} if pattern else {})


def family_of(model_type: str) -> type[Family]:
    """The family of a model_type. Raises UsageError for one of neither table."""
    known = {**FAMILIES, **IMAGE_FAMILIES}
    if model_type not in known:
        raise UsageError(
            f"encoder transformers: no front end for models of type {model_type!r} (there are {', '.join(known)})"
        )
    return known[model_type]


def _require_tensors(model: str, found: dict[str, Any]) -> None:
    """Raise CheckpointError for tensors that a model needs and lacks, and for those of another shape."""
    missing = [key for key in sorted(found["missing_keys"]) if not any(part in key for part in UNUSED)]
    misshapen = [
        f"{key} {tuple(held)} instead of {tuple(needed)}" for key, held, needed in sorted(found["mismatched_keys"])
    ]
    if misshapen:
        raise CheckpointError(f"transformers model {model}: {len(misshapen)} misshapen tensors: {few(misshapen)}")
    if missing:
        extra = f"; left over: {few(sorted(found['unexpected_keys']))}" if found["unexpected_keys"] else ""
        raise CheckpointError(f"transformers model {model}: {len(missing)} tensors are missing: {few(missing)}{extra}")


def _note_what_is_used(model: str, network: nn.Module, family: Family, unexpected: set[str]) -> None:
    """Say which tensors and files of a model have no part in its embeddings."""
    used = {id(tensor) for tensor in (*family.parameters(), *family.buffers())}
    state = dict([*network.named_parameters(), *network.named_buffers()])
    aside = [*unexpected, *(name for name, tensor in state.items() if id(tensor) not in used)]
    parts = [f"{part} ({count})" for part, count in sorted(Counter(key.partition(".")[0] for key in aside).items())]
    files = sorted(file.name for file in Path(model).iterdir() if file.is_file()) if Path(model).is_dir() else []
    weights = [name for name in files if name.endswith(".safetensors")] or [n for n in files if n.endswith(".bin")]
    unread = [n for n in files if n not in (*CONFIGURATION, *weights) and not n.endswith((".index.json", ".md"))]
    notes = [f"left aside: {few(parts)}"] if parts else []
    notes += [f"files that are not read: {few(unread)}"] if unread else []
    total = len(state) + len(unexpected)
    log.info("; ".join([f"{Path(model).name or model}: {total - len(aside)} of {total} tensors are used", *notes]))


def _assembled(family: Family, model: str, version: str, config: Any, extractor: Any, layers: Layers) -> Encoder:
    if isinstance(family, ImageFamily):  # whose image processor is another one where torchvision is installed
        used: Any = [family.sample_rate, family.scale, family.mean.tolist(), family.deviation.tolist()]
    else:
        used = json.loads(extractor.to_json_string())
    settings = hash_json(json.loads(config.to_json_string()) | {"extractor": used})
    identity = Identity(
        name=(Path(model).resolve().name if Path(model).is_dir() else Path(model).name) or model,
        weights=model,
        digest=digest_of_tensors(family.state_dict()),
        code=f"transformers {version}; configuration {settings}",
    )
    if isinstance(family, ImageFamily):
        return TransformersImages(family, identity, layers)
    return Transformers(family, identity, layers)


def _package() -> ModuleType:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise UsageError(
            f"encoder transformers needs the package of that name: {install_hint('transformers')}"
        ) from error


def _load(kind: Any, model: str, **more: Any) -> Any:
    """`kind.from_pretrained`: a folder; else the local cache; else the hub. Raises CheckpointError."""
    if Path(model).is_dir():
        _require_files(Path(model))
        return _from_pretrained(kind, model, local_files_only=True, **more)
    if not HUB_NAME.fullmatch(model):
        raise CheckpointError(f"transformers model {model}: no such folder, and no name of the hub (OWNER/NAME)")
    try:
        return _from_pretrained(kind, model, local_files_only=True, **more)
    except CheckpointError as error:
        _require_hub(model, error)
        return _from_pretrained(kind, model, local_files_only=False, **more)


def _require_hub(model: str, missing: CheckpointError) -> None:
    """Ask the hub for a sign of life, once, where the package would try for half a minute."""
    import huggingface_hub

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise CheckpointError(
            f"transformers model {model}: not in the local cache, and HF_HUB_OFFLINE forbids to ask the hub"
        ) from missing
    try:
        huggingface_hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=HUB_SECONDS)
    except Exception as error:  # httpx's, which stands for any library here
        raise CheckpointError(
            f"transformers model {model}: not in the local cache, and the hub cannot be reached "
            f"({huggingface_hub.constants.ENDPOINT}: {type(error).__name__})"
        ) from missing


def _require_files(folder: Path) -> None:
    for names in (("config.json",), ("preprocessor_config.json", "processor_config.json")):
        if not any((folder / name).is_file() for name in names):
            raise CheckpointError(f"transformers model {folder}: the folder has no {' or '.join(names)}")


def _from_pretrained(kind: Any, model: str, **more: Any) -> Any:
    try:
        return kind.from_pretrained(model, trust_remote_code=False, **more)
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # OSError, ValueError, KeyError, RuntimeError, UnpicklingError, SafetensorError ...
        if "trust_remote_code" in str(error):
            raise CheckpointError(f"transformers model {model} asks to run code of its own: never done") from error
        said = " ".join(str(error).split())[:300]
        raise CheckpointError(f"cannot open the transformers model {model}: {type(error).__name__}: {said}") from error


@contextlib.contextmanager
def _quiet(package: ModuleType) -> Iterator[None]:
    """No progress bars, reports and warnings within the block: what matters of them becomes an error here.

    The published AST itself causes a warning: some of its lowest mel filters hold no bin.
    """
    hub = logging.getLogger("huggingface_hub")
    hubs = hub.level
    hub.setLevel(logging.ERROR)
    log = package.utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.set_verbosity(before)
        hub.setLevel(hubs)
        if bars:
            log.enable_progress_bar()
