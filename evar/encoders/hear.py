"""hear: any module of the HEAR 2021 API, for scene embeddings (https://hearbenchmark.com/hear-api.html).

Such a module has `load_model(model_file_path)` and `get_scene_embeddings(audio, model)`; the model that it loads is a
torch.nn.Module with `sample_rate` (Hz) and `scene_embedding_size`.
"""

from pathlib import Path

from pydantic import NonNegativeFloat

from evar.base.errors import CheckpointError, UsageError
from evar.encoders.adapter import SHORTEST_SECONDS, Adapted, identified, network_of, whole_number
from evar.encoders.contract import Encoder
from evar.encoders.outside import import_outside, outside_code
from evar.nn.checkpoint import digest_of


def open_encoder(weights: Path | None, module: str, shortest: NonNegativeFloat = SHORTEST_SECONDS) -> Encoder:
    """The encoder of a HEAR module.

    weights:   passed on to its `load_model`, which is called without an argument where there are none
    module:    its import name, or the path of a .py file
    shortest:  clips below so many seconds are zero-padded to them

    Raises UsageError where the module is not there, fails, or is no HEAR module; CheckpointError for missing weights.
    """
    what = f"hear module {module}"
    api = import_outside(module, "hear module")
    for function in ("load_model", "get_scene_embeddings"):
        if not callable(getattr(api, function, None)):
            raise UsageError(f"{what} has no function {function}, so it is no module of the HEAR 2021 API")
    if weights is not None and not weights.exists():
        raise CheckpointError(f"no checkpoint at {weights}, for the {what}")
    with outside_code(f"{what}: load_model"):
        loaded = api.load_model(str(weights)) if weights is not None else api.load_model()
    network = network_of(f"{what}: load_model", loaded)
    sample_rate = whole_number(what, network, "sample_rate")
    encoder = Adapted(
        f"{what}: get_scene_embeddings",
        network,
        lambda network, audio: api.get_scene_embeddings(audio, network),
        sample_rate=sample_rate,
        shortest=round(shortest * sample_rate),
        shapes=("(clip, dim)",),
        size=whole_number(what, network, "scene_embedding_size"),
    )
    name = Path(module).stem if module.endswith(".py") else module
    digest = digest_of(weights) if weights is not None and weights.is_file() else ""
    return identified(encoder, name, weights.name if weights is not None else "its own weights", digest, roots=[api])
